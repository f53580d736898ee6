/* SPDX-License-Identifier: MIT */
/* libcurl's own URL parser takes the URL apart, so that this file and libcurl read the same host in
 * it. */
#include "consumerd/handler/http-target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "http/curl-url.h"
#include "util/encode.h"
#include "util/error-line.h"

#define UNIX_PREFIX "unix:"

enum { SHOWN_BYTES = 2048 };

#define invalid(error, ...) error_line(HTTP_TARGET_E_INVALID, error, __VA_ARGS__)

static bool is_loopback(const char *host)
{
    char inside[INET6_ADDRSTRLEN];
    size_t size = strlen(host);
    struct in6_addr six;
    struct in_addr four;

    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &four) == 1)
        return (ntohl(four.s_addr) >> 24) == 127;
    if (size < 2 || size - 2 >= sizeof(inside) || host[0] != '[')
        return false;
    memcpy(inside, host + 1, size - 2);
    inside[size - 2] = '\0';
    return inet_pton(AF_INET6, inside, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* Validates target->url, and fills in path and no_proxy. */
static int take_apart(struct http_target *target, const char *text, char **error)
{
    CLEANUP(curl_url_cleanup) CURLU *u = curl_url();
    CLEANUP(curl_free) char *scheme = NULL;
    CLEANUP(curl_free) char *host = NULL;
    CLEANUP(curl_free) char *path = NULL;
    CLEANUP(buffer_done) struct buffer shown = BUFFER_INIT(8 * SHOWN_BYTES);
    CURLUcode code;

    if (!u)
        return -ENOMEM;
    code = curl_url_set(u, CURLUPART_URL, target->url, CURLU_PATH_AS_IS);
    if (!code)
        code = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
    if (!code)
        code = curl_url_get(u, CURLUPART_HOST, &host, 0);
    if (!code)
        code = curl_url_get(u, CURLUPART_PATH, &path, 0);
    if (code == CURLUE_OUT_OF_MEMORY)
        return -ENOMEM;
    http_target_append_shown(&shown, text, SHOWN_BYTES);
    if (code || !(streq(scheme, "http") || streq(scheme, "https")))
        return invalid(error,
                       "consumer.url: \"%s\" is not a URL to post to (%s); allowed are http://, "
                       "https://, unix:/PATH and unix:/PATH:/URI",
                       buffer_string(&shown),
                       code ? curl_url_strerror(code) : "neither http nor https");
    /* Such characters would break the request line, or could be read in more than one way. */
    for (const char *p = target->url; *p; p++)
        if (*p <= ' ' || *p > '~')
            return invalid(error,
                           "consumer.url: \"%s\" has a character in it that is not ASCII, or is a "
                           "space: write it as %%XX",
                           buffer_string(&shown));
    target->no_proxy = target->unix_socket || is_loopback(host);
    target->path = strdup(path);
    return target->path ? 0 : -ENOMEM;
}

int http_target_parse(const char *text, struct http_target *ret, char **error)
{
    CLEANUP(http_target_done) struct http_target target = {};
    int r;

    if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0) {
        const char *socket = text + strlen(UNIX_PREFIX);
        size_t size = strcspn(socket, ":");
        const char *uri = socket[size] == ':' ? socket + size + 1 : "/";

        target.unix_socket = strndup(socket, size);
        if (!target.unix_socket || asprintf(&target.url, "http://localhost%s", uri) < 0) {
            target.url = NULL;
            return -ENOMEM;
        }
    } else {
        target.url = strdup(text);
        if (!target.url)
            return -ENOMEM;
    }
    r = take_apart(&target, text, error);
    if (r != 0)
        return r;
    *ret = target;
    target = (struct http_target){};
    return 0;
}

void http_target_append_shown(struct buffer *text, const char *url, size_t max_bytes)
{
    size_t size = strcspn(url, "?#"), scheme_bytes = strcspn(url, "/?#");
    const char *authority = url + scheme_bytes, *at;

    /* "https://USER:PASSWORD@HOST/", or the same without a scheme. */
    if (strncmp(authority, "//", 2) == 0) {
        authority += 2;
        at = memrchr(authority, '@', strcspn(authority, "/?#"));
        if (at) {
            escape_for_log(text, url, (size_t)(authority - url), max_bytes);
            size -= (size_t)(at + 1 - url);
            url = at + 1;
        }
    }
    escape_for_log(text, url, size, max_bytes);
}

void http_target_done(struct http_target *target)
{
    free(target->url);
    free(target->unix_socket);
    free(target->path);
    *target = (struct http_target){};
}
