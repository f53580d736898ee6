/* SPDX-License-Identifier: MIT */
/* libcurl parses the URLs, so that the signed URL and the sent one agree. It writes numeric hosts
 * and ports in one form, and removes dot segments from the path. Some forms that it accepts, as
 * browsers do, are refused before (single slashes, raw spaces, bytes above 0x7e).
 *
 * An error line shows the faulty URL, but no part that may hold a password or a token. */
#include "aws/url.h"

#include <errno.h>
#include <stdio.h>

#include "http/curl-url.h"
#include "util/ascii.h"
#include "util/buffer.h"
#include "util/encode.h"
#include "util/error-line.h"

#define invalid(error, ...) error_line(WEB_URL_E_INVALID, error, __VA_ARGS__)

/* The last partition has no prefix: it gets all other regions. */
static const struct aws_partition PARTITIONS[] = {
    {"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn", false},
    {"us-gov-", "amazonaws.com", "api.aws", true},
    {"eusc-", "amazonaws.eu", "api.amazonwebservices.eu", false},
    {"us-iso-", "c2s.ic.gov", "api.aws.ic.gov", false},
    {"us-isob-", "sc2s.sgov.gov", "api.aws.scloud", false},
    {"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", false},
    {"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov", false},
    {"", "amazonaws.com", "api.aws", false},
};

/* ---- partitions ---- */

const struct aws_partition *aws_partition_of_region(const char *region)
{
    const struct aws_partition *p = PARTITIONS;

    while (strncmp(region, p->region_prefix, strlen(p->region_prefix)) != 0)
        p++;
    return p;
}

static bool is_region(const char *text, size_t size)
{
    if (size == 0 || size > 63 || text[0] == '-' || text[size - 1] == '-')
        return false;
    for (size_t i = 0; i < size; i++)
        if (!((text[i] >= 'a' && text[i] <= 'z') || is_digit(text[i]) || text[i] == '-'))
            return false;
    return true;
}

bool aws_region_is_valid(const char *region)
{
    return is_region(region, strlen(region));
}

/* A run of characters inside a host. */
struct span {
    const char *text;
    size_t size;
};

/* Removes the last label of a host. False: none is left. */
static bool pop_label(struct span *host, struct span *ret_label)
{
    size_t start = host->size;

    if (host->size == 0)
        return false;
    while (start > 0 && host->text[start - 1] != '.')
        start--;
    *ret_label = (struct span){host->text + start, host->size - start};
    host->size = start > 0 ? start - 1 : 0;
    return true;
}

static bool span_is(struct span s, const char *text)
{
    return s.size == strlen(text) && memcmp(s.text, text, s.size) == 0;
}

/* Finds the region R in a host without its partition's suffix: sqs.R, sqs-fips.R, R.queue, R.sqs,
 * or anything.sqs.R.vpce. The span's text is NULL if there is none. */
static struct span find_region(struct span host)
{
    const struct span unknown = {};
    struct span last, region, service;

    if (!pop_label(&host, &last))
        return unknown;
    if (span_is(last, "queue") || span_is(last, "sqs")) {
        if (!pop_label(&host, &region) || host.size > 0)
            return unknown;
    } else {
        bool is_vpce = span_is(last, "vpce");

        region = last;
        if (is_vpce && !pop_label(&host, &region))
            return unknown;
        if (!pop_label(&host, &service) ||
            (!span_is(service, "sqs") && !span_is(service, "sqs-fips")))
            return unknown;
        if (is_vpce != (host.size > 0))
            return unknown;
    }
    return is_region(region.text, region.size) ? region : unknown;
}

/* Whether `host` ends in "." and the suffix. If so, *ret is the part before them. */
static bool cut_suffix(const char *host, const char *suffix, struct span *ret)
{
    size_t n = strlen(host), m = strlen(suffix);

    if (n <= m + 1 || host[n - m - 1] != '.' || !streq(host + n - m, suffix))
        return false;
    *ret = (struct span){host, n - m - 1};
    return true;
}

int aws_region_of_host(const char *host, char **ret_region)
{
    struct span before, region = {};
    char *copy = NULL;

    /* The oldest host, from the time when AWS had one region. */
    if (streq(host, "queue.amazonaws.com"))
        region = (struct span){"us-east-1", strlen("us-east-1")};
    for (size_t i = 0; i < ARRAY_SIZE(PARTITIONS) && !region.text; i++)
        if (cut_suffix(host, PARTITIONS[i].suffix, &before) ||
            cut_suffix(host, PARTITIONS[i].dualstack_suffix, &before))
            region = find_region(before);
    if (region.text) {
        copy = strndup(region.text, region.size);
        if (!copy)
            return -ENOMEM;
    }
    *ret_region = copy;
    return 0;
}

/* ---- URLs ---- */

/* Appends the URL, unless it may contain a secret: a password before "@", or a token after "?". */
static void append_shown(struct buffer *b, const char *text)
{
    if (strpbrk(text, "@?"))
        buffer_append_string(b, "(not shown: it may hold a secret)");
    else
        escape_for_log(b, text, strlen(text), 200);
}

static const char *find_fault(const char *text)
{
    const char *authority = strstr(text, "://");

    if (strlen(text) > URL_MAX_BYTES)
        return "is longer than 2048 bytes";
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p > '~')
            return "holds a space, a control character or a byte that is not ASCII: write it as "
                   "%XX";
    if (!authority || authority == text || authority[3] == '/' || authority[3] == '\0')
        return "is not a URL: it must be like https://host/path";
    if (strchr(text, '#'))
        return "has a fragment (#): leave it out";
    if (strchr(text, '?'))
        return "has a query (?): leave it out";
    return NULL;
}

static int url_part(CURLU *u, CURLUPart part, unsigned flags, char **ret)
{
    char *from_curl = NULL;

    if (curl_url_get(u, part, &from_curl, flags) == CURLUE_OUT_OF_MEMORY)
        return -ENOMEM;
    *ret = strdup(from_curl ? from_curl : "");
    curl_free(from_curl);
    return *ret ? 0 : -ENOMEM;
}

/* Finds what makes a host unfit for the Host header. libcurl decodes %XX in a host, and omits the
 * zone of an IPv6 address, which makes it another address. */
static const char *find_host_fault(CURLU *u, const char *host)
{
    CLEANUP(curl_free) char *zone = NULL;

    if (curl_url_get(u, CURLUPART_ZONEID, &zone, 0) != CURLUE_NO_ZONEID)
        return "has an address with a zone (%): leave it out";
    if (host[0] == '[')
        return NULL;
    for (const char *p = host; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || is_digit(*p) || *p == '-' || *p == '.' || *p == '_'))
            return "has a host with a character that no host's name has";
    return NULL;
}

static int take_apart(CURLU *u, struct web_url *ret)
{
    CLEANUP(free) char *port = NULL;
    int r;

    r = url_part(u, CURLUPART_HOST, 0, &ret->host);
    if (r < 0)
        return r;
    for (char *p = ret->host; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    r = url_part(u, CURLUPART_PATH, 0, &ret->path);
    if (r < 0)
        return r;
    r = url_part(u, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT, &port);
    if (r < 0)
        return r;
    if (asprintf(&ret->host_header, "%s%s%s", ret->host, *port ? ":" : "", port) < 0) {
        ret->host_header = NULL;
        return -ENOMEM;
    }
    if (asprintf(&ret->url, "%s://%s%s", ret->is_plain_http ? "http" : "https", ret->host_header,
                 ret->path) < 0) {
        ret->url = NULL;
        return -ENOMEM;
    }
    return 0;
}

int web_url_parse(const char *setting, const char *text, struct web_url *ret, char **error)
{
    CLEANUP(curl_url_cleanup) CURLU *u = curl_url();
    CLEANUP(free) char *scheme = NULL;
    CLEANUP(web_url_done) struct web_url url = {};
    CLEANUP(buffer_done) struct buffer shown = BUFFER_INIT(2048);
    const char *fault = find_fault(text);
    CURLUcode code;
    int r;

    if (!u)
        return -ENOMEM;
    append_shown(&shown, text);
    if (fault)
        return invalid(error, "%s %s %s", setting, buffer_string(&shown), fault);
    code = curl_url_set(u, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME | CURLU_DISALLOW_USER);
    if (code == CURLUE_OUT_OF_MEMORY)
        return -ENOMEM;
    if (code == CURLUE_USER_NOT_ALLOWED)
        return invalid(error, "%s has a user name in it (not shown): leave it out", setting);
    if (code != CURLUE_OK)
        return invalid(error,
                       "%s %s is not a URL (%s): it must be like "
                       "https://host/path",
                       setting, buffer_string(&shown), curl_url_strerror(code));
    r = url_part(u, CURLUPART_SCHEME, 0, &scheme);
    if (r < 0)
        return r;
    url.is_plain_http = streq(scheme, "http");
    if (!url.is_plain_http && !streq(scheme, "https"))
        return invalid(error, "%s %s is neither http nor https", setting, buffer_string(&shown));
    r = take_apart(u, &url);
    if (r < 0)
        return r;
    fault = find_host_fault(u, url.host);
    if (fault)
        return invalid(error, "%s %s %s", setting, buffer_string(&shown), fault);
    *ret = url;
    url = (struct web_url){};
    return 0;
}

void web_url_done(struct web_url *u)
{
    free(u->url);
    free(u->host);
    free(u->host_header);
    free(u->path);
    *u = (struct web_url){};
}
