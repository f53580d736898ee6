/* SPDX-License-Identifier: MIT */
/* libcurl's URL parser is used, because libcurl also sends the request. If two parsers disagree
 * about the end of the host, a list of allowed hosts can be bypassed. The parser also writes each
 * IPv4 address in its usual form. */
#include "aws/metadata-url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "aws/url.h"
#include "http/curl-url.h"
#include "util/buffer.h"
#include "util/encode.h"
#include "util/error-line.h"

#define RELATIVE_NAME "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
#define FULL_NAME "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#define ECS_ORIGIN "http://169.254.170.2"
#define IMDS_IPV4 "http://169.254.169.254/"
#define IMDS_IPV6 "http://[fd00:ec2::254]/"

#define invalid(error, ...) error_line(METADATA_URL_E_INVALID, error, __VA_ARGS__)

/* Finds what is wrong with a URL, before libcurl gets it. */
static const char *find_fault(const char *text)
{
    if (strlen(text) > METADATA_URL_MAX_BYTES)
        return "is longer than 2048 bytes";
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == '\\')
            return "holds a space, a backslash, a control character or a byte that is not ASCII: "
                   "write it as %XX";
    if (strchr(text, '#'))
        return "has a fragment (#): leave it out";
    return NULL;
}

static bool is_allowed_ipv4(const char *host)
{
    struct in_addr a;

    if (inet_pton(AF_INET, host, &a) != 1)
        return false;
    return (ntohl(a.s_addr) >> 24) == 127 || streq(host, "169.254.170.2") ||
           streq(host, "169.254.170.23");
}

/* `host` is in brackets. */
static bool is_allowed_ipv6(const char *host)
{
    static const char *const allowed[] = {"::1", "fd00:ec2::23"};
    char inside[INET6_ADDRSTRLEN];
    size_t n = strlen(host);
    struct in6_addr a, b;

    if (n < 2 || n - 2 >= sizeof(inside) || host[0] != '[')
        return false;
    memcpy(inside, host + 1, n - 2);
    inside[n - 2] = '\0';
    if (inet_pton(AF_INET6, inside, &a) != 1)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
        if (inet_pton(AF_INET6, allowed[i], &b) == 1 && memcmp(&a, &b, sizeof(a)) == 0)
            return true;
    return false;
}

static int check_full(const char *url, char **error)
{
    CLEANUP(curl_url_cleanup) CURLU *u = curl_url();
    CLEANUP(curl_free) char *scheme = NULL;
    CLEANUP(curl_free) char *host = NULL;
    CLEANUP(curl_free) char *zone = NULL;
    CLEANUP(buffer_done) struct buffer shown = BUFFER_INIT(1024);
    CURLUcode code;

    if (!u)
        return -ENOMEM;
    code = curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME | CURLU_DISALLOW_USER);
    if (code == CURLUE_OUT_OF_MEMORY)
        return -ENOMEM;
    if (code == CURLUE_USER_NOT_ALLOWED)
        return invalid(error, "%s has a user name in it (not shown): leave it out", FULL_NAME);
    if (code != CURLUE_OK || curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        return invalid(error, "%s is not a URL (%s): it must be like http://127.0.0.1:8080/path",
                       FULL_NAME, curl_url_strerror(code ? code : CURLUE_MALFORMED_INPUT));
    if (streq(scheme, "https"))
        return 0;
    if (!streq(scheme, "http"))
        return invalid(error, "%s is neither http nor https", FULL_NAME);
    /* With a zone it is another address. */
    if (curl_url_get(u, CURLUPART_ZONEID, &zone, 0) != CURLUE_NO_ZONEID)
        return invalid(error, "%s has an address with a zone (%%): leave it out", FULL_NAME);
    if (strcasecmp(host, "localhost") == 0 || is_allowed_ipv4(host) || is_allowed_ipv6(host))
        return 0;
    /* libcurl has decoded %XX, so the host may have any bytes. */
    escape_for_log(&shown, host, strlen(host), 200);
    return invalid(error,
                   "%s names the host %s, which may not be asked over plain http: use https, or a "
                   "loopback address, localhost, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]",
                   FULL_NAME, buffer_string(&shown));
}

int metadata_url_container(const char *relative, const char *full, char **ret, char **error)
{
    bool is_relative = is_set(relative);
    const char *text = is_relative ? relative : full;
    const char *fault = find_fault(text);
    char *url;
    int r;

    if (fault)
        return invalid(error, "%s %s", is_relative ? RELATIVE_NAME : FULL_NAME, fault);
    /* "@host" or ".host" would change the host. */
    if (is_relative && relative[0] != '/')
        return invalid(error, "%s does not begin with /", RELATIVE_NAME);
    if (!is_relative) {
        /* libcurl guesses a scheme if there is none. */
        if (!strstr(full, "://"))
            return invalid(error, "%s is not a URL: it must be like http://127.0.0.1:8080/path",
                           FULL_NAME);
        r = check_full(full, error);
        if (r != 0)
            return r;
    }
    if (asprintf(&url, "%s%s", is_relative ? ECS_ORIGIN : "", text) < 0)
        return -ENOMEM;
    *ret = url;
    return 0;
}

int metadata_url_imds(const char *endpoint, const char *endpoint_name, const char *mode,
                      const char *mode_name, char **ret, char **error)
{
    CLEANUP(web_url_done) struct web_url parsed = {};
    char *url;
    int r;

    if (is_set(endpoint)) {
        r = web_url_parse(endpoint_name, endpoint, &parsed, error);
        if (r != 0)
            return r < 0 ? r : METADATA_URL_E_INVALID;
        if (asprintf(&url, "%s%s", parsed.url,
                     parsed.url[strlen(parsed.url) - 1] == '/' ? "" : "/") < 0)
            return -ENOMEM;
    } else if (!is_set(mode) || strcasecmp(mode, "ipv4") == 0) {
        url = strdup(IMDS_IPV4);
    } else if (strcasecmp(mode, "ipv6") == 0) {
        url = strdup(IMDS_IPV6);
    } else {
        CLEANUP(buffer_done) struct buffer shown = BUFFER_INIT(1024);

        escape_for_log(&shown, mode, strlen(mode), 50);
        return invalid(error, "%s is \"%s\": it must be IPv4 or IPv6", mode_name,
                       buffer_string(&shown));
    }
    if (!url)
        return -ENOMEM;
    *ret = url;
    return 0;
}
