/* SPDX-License-Identifier: MIT */
/* The rules and their order are those of AWS's endpoint rule set for SQS: first a custom endpoint,
 * then the region's partition with FIPS and dual-stack. The rule set needs a region, which
 * find_region finds first. */
#include "aws/endpoint.h"

#include <errno.h>
#include <stdio.h>

#include "aws/url.h"
#include "util/ascii.h"
#include "util/buffer.h"
#include "util/encode.h"
#include "util/error-line.h"

#define invalid(error, ...) error_line(ENDPOINT_E_INVALID, error, __VA_ARGS__)
_Static_assert((int)WEB_URL_E_INVALID == (int)ENDPOINT_E_INVALID,
               "what the reader of URLs says is said on");

enum { QUEUE_NAME_MAX_CHARACTERS = 80 };

#define FIFO_SUFFIX ".fifo"
#define QUEUE_URL_EXAMPLE "https://sqs.<region>.amazonaws.com/<account>/<queue name>"

/* ---- queue URLs ---- */

static bool queue_name_is_valid(const char *name, bool is_fifo)
{
    size_t n = strlen(name), stem = is_fifo ? n - strlen(FIFO_SUFFIX) : n;

    if (stem == 0 || n > QUEUE_NAME_MAX_CHARACTERS)
        return false;
    for (size_t i = 0; i < stem; i++)
        if (!is_letter_or_digit(name[i]) && name[i] != '-' && name[i] != '_')
            return false;
    return true;
}

/* Splits "/account/name", also below further segments. */
static int split_path(const char *url, const char *path, struct queue_url *q, char **error)
{
    const char *slash = strrchr(path, '/'), *name = slash + 1, *account = slash;
    size_t n = strlen(name);

    if (*name == '\0')
        return invalid(
            error, "aws.queue_url %.200s names no queue: it must be like " QUEUE_URL_EXAMPLE, url);
    q->is_fifo = n >= strlen(FIFO_SUFFIX) && streq(name + n - strlen(FIFO_SUFFIX), FIFO_SUFFIX);
    if (!queue_name_is_valid(name, q->is_fifo))
        return invalid(error,
                       "aws.queue_url %.200s ends in %.200s, which is not the name of a queue: "
                       "1 to 80 of A-Z a-z 0-9 - _, of a FIFO queue with .fifo at "
                       "its end",
                       url, name);
    q->name = strdup(name);
    if (!q->name)
        return -ENOMEM;
    while (account > path && account[-1] != '/')
        account--;
    if (account < slash) {
        q->account = strndup(account, (size_t)(slash - account));
        if (!q->account)
            return -ENOMEM;
    }
    return 0;
}

static int parse_queue_url(const char *text, struct queue_url **ret, bool *ret_is_plain_http,
                           char **error)
{
    CLEANUP(queue_url_free) struct queue_url *q = NULL;
    CLEANUP(web_url_done) struct web_url url = {};
    int r;

    r = web_url_parse("aws.queue_url", text, &url, error);
    if (r != 0)
        return r;
    q = calloc(1, sizeof(*q));
    if (!q)
        return -ENOMEM;
    r = split_path(text, url.path, q, error);
    if (r != 0)
        return r;
    r = aws_region_of_host(url.host, &q->region);
    if (r < 0)
        return r;
    *ret_is_plain_http = url.is_plain_http;
    *ret = TAKE(q);
    return 0;
}

int queue_url_parse(const char *url, struct queue_url **ret, char **error)
{
    bool is_plain_http;

    return parse_queue_url(url, ret, &is_plain_http, error);
}

struct queue_url *queue_url_free(struct queue_url *q)
{
    if (!q)
        return NULL;
    free(q->region);
    free(q->account);
    free(q->name);
    free(q);
    return NULL;
}

/* ---- endpoints ---- */

/* "sqs.eu-west-1.amazonaws.com". NULL: out of memory. */
static char *service_host(const char *service, const char *region, bool use_fips,
                          bool use_dualstack)
{
    const struct aws_partition *p = aws_partition_of_region(region);
    const char *fips = use_fips && (use_dualstack || !p->fips_is_plain) ? "-fips" : "";
    char *host;

    if (asprintf(&host, "%s%s.%s.%s", service, fips, region,
                 use_dualstack ? p->dualstack_suffix : p->suffix) < 0)
        return NULL;
    return host;
}

char *endpoint_sts_url(const char *region, bool use_fips, bool use_dualstack)
{
    CLEANUP(free) char *host = service_host("sts", region, use_fips, use_dualstack);
    char *url;

    if (!host || asprintf(&url, "https://%s", host) < 0)
        return NULL;
    return url;
}

/* Tells the caller which settings an error names; the caller knows where they were set. */
static void name_settings(const struct endpoint_settings *settings, unsigned named)
{
    if (settings->ret_named)
        *settings->ret_named = named;
}

static int resolve_custom(const struct endpoint_settings *settings, struct endpoint *e,
                          char **error)
{
    CLEANUP(web_url_done) struct web_url url = {};
    int r;

    name_settings(settings, ENDPOINT_SETTING_URL);
    r = web_url_parse("endpoint_url", settings->endpoint_url, &url, error);
    if (r != 0)
        return r;
    if (settings->use_fips || settings->use_dualstack) {
        name_settings(settings,
                      ENDPOINT_SETTING_URL | (settings->use_fips ? ENDPOINT_SETTING_FIPS
                                                                 : ENDPOINT_SETTING_DUALSTACK));
        return invalid(
            error,
            "%s cannot be used with a custom endpoint (endpoint_url %.200s): remove one of the two",
            settings->use_fips ? "use_fips_endpoint" : "use_dualstack_endpoint",
            settings->endpoint_url);
    }
    if (!e->region) {
        r = aws_region_of_host(url.host, &e->region);
        if (r < 0)
            return r;
    }
    e->is_custom = true;
    e->is_plain_http = url.is_plain_http;
    e->url = TAKE(url.url);
    e->host = TAKE(url.host_header);
    e->path = TAKE(url.path);
    return 0;
}

static int resolve_by_rules(const struct endpoint_settings *settings, struct endpoint *e)
{
    e->host = service_host("sqs", e->region, settings->use_fips, settings->use_dualstack);
    e->path = strdup("/");
    if (!e->host || !e->path)
        return -ENOMEM;
    if (asprintf(&e->url, "https://%s/", e->host) < 0) {
        e->url = NULL;
        return -ENOMEM;
    }
    return 0;
}

/* Sets e->region if the settings or the queue URL give it, and refuses settings that conflict. */
static int find_region(const struct endpoint_settings *settings, struct endpoint *e, char **error)
{
    CLEANUP(queue_url_free) struct queue_url *q = NULL;
    CLEANUP(buffer_done) struct buffer shown = BUFFER_INIT(1024);
    bool is_custom = is_set(settings->endpoint_url), queue_is_plain_http = false;
    int r;

    if (is_set(settings->queue_url)) {
        r = parse_queue_url(settings->queue_url, &q, &queue_is_plain_http, error);
        if (r != 0)
            return r;
    }
    if (queue_is_plain_http && !is_custom)
        return invalid(
            error,
            "aws.queue_url %.200s is plain http, which is allowed only for an endpoint that "
            "is set explicitly: use https, or set endpoint_url",
            settings->queue_url);
    if (!is_set(settings->region)) {
        if (q)
            e->region = TAKE(q->region);
        return 0;
    }

    name_settings(settings, ENDPOINT_SETTING_REGION);
    escape_for_log(&shown, settings->region, strlen(settings->region), 80);
    if (!aws_region_is_valid(settings->region))
        return invalid(error,
                       "region \"%s\" is not the name of a region: a-z 0-9 and - are allowed, as "
                       "in eu-west-1",
                       buffer_string(&shown));
    if (q && q->region && !is_custom && !streq(q->region, settings->region))
        return invalid(error,
                       "region %s is not that of aws.queue_url %.200s, which is %s: set region "
                       "to that, or leave it out",
                       buffer_string(&shown), settings->queue_url, q->region);
    e->region = strdup(settings->region);
    return e->region ? 0 : -ENOMEM;
}

int endpoint_resolve(const struct endpoint_settings *settings, struct endpoint **ret, char **error)
{
    CLEANUP(endpoint_free) struct endpoint *e = calloc(1, sizeof(*e));
    bool is_custom = is_set(settings->endpoint_url);
    int r;

    if (!e)
        return -ENOMEM;
    name_settings(settings, 0);
    r = find_region(settings, e, error);
    if (r != 0)
        return r;
    if (is_custom) {
        r = resolve_custom(settings, e, error);
        if (r != 0)
            return r;
    }
    if (!e->region) {
        name_settings(settings, ENDPOINT_SETTING_REGION);
        return invalid(
            error,
            "no region is set%s: set region, as in region = "
            "\"eu-west-1\", or AWS_REGION",
            is_set(settings->queue_url) ? ", and the host of aws.queue_url does not name it" : "");
    }
    if (!is_custom) {
        r = resolve_by_rules(settings, e);
        if (r < 0)
            return r;
    }
    *ret = TAKE(e);
    return 0;
}

struct endpoint *endpoint_free(struct endpoint *e)
{
    if (!e)
        return NULL;
    free(e->url);
    free(e->host);
    free(e->path);
    free(e->region);
    free(e);
    return NULL;
}
