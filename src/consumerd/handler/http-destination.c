/* SPDX-License-Identifier: MIT */
#include "consumerd/handler/http-destination.h"

#include <errno.h>

#include "util/error-line.h"

enum { SHOWN_URL_BYTES = 2048 };

struct http_destination *http_destination_ref(struct http_destination *d)
{
    d->n_refs++;
    return d;
}

struct http_destination *http_destination_unref(struct http_destination *d)
{
    if (d && --d->n_refs == 0) {
        http_target_done(&d->target);
        free(d->shown_url);
        free(d->content_type);
        free(d);
    }
    return NULL;
}

int http_destination_new(const struct config *config, struct http_destination **ret, char **error)
{
    CLEANUP(buffer_done) struct buffer shown_url = BUFFER_INIT(8 * SHOWN_URL_BYTES);
    CLEANUP(http_destination_unref) struct http_destination *d = NULL;
    const char *url = config->consumer.url;
    int r;

    if (url[0] == '\0')
        return error_line(HANDLER_E_CONFIG, error,
                          "consumer.url is not set: handler \"http\" needs to know where to post "
                          "messages to");
    d = calloc(1, sizeof(*d));
    if (!d)
        return -ENOMEM;
    d->n_refs = 1;
    d->timeout_usec = config->consumer.timeout_usec;
    d->connections_max = config->consumer.concurrency;
    r = http_target_parse(url, &d->target, error);
    if (r != 0)
        return r < 0 ? r : HANDLER_E_CONFIG;
    http_target_append_shown(&shown_url, url, SHOWN_URL_BYTES);
    d->shown_url = buffer_take(&shown_url);
    d->content_type = strdup(config->consumer.content_type);
    if (!d->shown_url || !d->content_type)
        return -ENOMEM;
    *ret = TAKE(d);
    return 0;
}
