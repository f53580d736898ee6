/* SPDX-License-Identifier: MIT */
/* Queue URLs and endpoint settings: a byte of switches ("1" FIPS, "2" dual-stack, "3" both), then a
 * line each with the queue URL, the region and the endpoint's URL. */
#include "aws/endpoint.h"

#include "fuzz.h"

static void check_url(const struct endpoint *e)
{
    const char *scheme = e->is_plain_http ? "http://" : "https://";
    size_t n = strlen(scheme), host = strlen(e->host);

    fuzz_check_word(e->url);
    fuzz_check_word(e->host);
    assert(strncmp(e->url, scheme, n) == 0 && strncmp(e->url + n, e->host, host) == 0);
    assert(streq(e->url + n + host, e->path) && e->path[0] == '/');
    assert(!strpbrk(e->url, "?#") && !strpbrk(e->host, "/@\\"));
    assert(is_set(e->region) && strlen(e->region) <= 63);
    assert(strspn(e->region, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(e->region));
}

/* The endpoint's URL, set explicitly, leads to the same place. */
static void check_again(const struct endpoint *e)
{
    struct endpoint_settings settings = {.region = e->region, .endpoint_url = e->url};
    struct endpoint *again = NULL;

    assert(endpoint_resolve(&settings, &again, NULL) == 0);
    assert(streq(e->url, again->url) && streq(e->host, again->host));
    assert(streq(e->path, again->path) && e->is_plain_http == again->is_plain_http);
    assert(again->is_custom);
    endpoint_free(again);
}

static void check_queue_url(const char *url)
{
    struct queue_url *q = NULL;
    char *error = NULL;
    int r = queue_url_parse(url, &q, &error);

    assert(r == 0 || r == ENDPOINT_E_INVALID);
    assert((r == 0) == (q != NULL) && (r == 0) == (error == NULL));
    if (error)
        fuzz_check_line(error);
    if (q) {
        assert(is_set(q->name) && strlen(q->name) <= 80);
        assert(q->is_fifo == (strchr(q->name, '.') != NULL));
        assert(!q->account || is_set(q->account));
    }
    queue_url_free(q);
    free(error);
}

FUZZ
{
    char *switches = fuzz_line(&data, &size), *queue_url = fuzz_line(&data, &size);
    char *region = fuzz_line(&data, &size), *endpoint_url = fuzz_line(&data, &size);
    struct endpoint_settings settings = {.queue_url = queue_url,
                                         .region = region,
                                         .endpoint_url = endpoint_url,
                                         .use_fips = switches[0] & 1,
                                         .use_dualstack = switches[0] & 2};
    struct endpoint *e = NULL;
    char *error = NULL, *sts = NULL;
    int r = endpoint_resolve(&settings, &e, &error);

    assert(r == 0 || r == ENDPOINT_E_INVALID);
    assert((r == 0) == (e != NULL) && (r == 0) == (error == NULL));
    if (error)
        fuzz_check_line(error);
    if (e) {
        check_url(e);
        check_again(e);
        assert(!e->is_plain_http || e->is_custom);
        sts = endpoint_sts_url(e->region, settings.use_fips, settings.use_dualstack);
        fuzz_check_word(sts);
    }
    check_queue_url(queue_url);
    endpoint_free(e);
    free(sts);
    free(error);
    free(switches);
    free(queue_url);
    free(region);
    free(endpoint_url);
}
