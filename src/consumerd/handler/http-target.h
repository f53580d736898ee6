/* SPDX-License-Identifier: MIT */
/* The target of handler "http": its setting consumer.url, taken apart. */
#pragma once

#include "util/buffer.h"
#include "util/macro.h"

struct http_target {
    char *url;         /* to request: http or https */
    char *unix_socket; /* path of the socket to connect to; NULL: connect to the URL's host */
    char *path;        /* of the URL, without the query */
    bool no_proxy;     /* a server on this machine: Unix socket, localhost, loopback address */
};

enum { HTTP_TARGET_E_INVALID = 1 };

/* Reads "http://…", "https://…", "unix:PATH" or "unix:PATH:/URI", whose beginning daemon/config.h
 * has validated. 0, -ENOMEM, or HTTP_TARGET_E_INVALID: then *error, if `error` is not NULL, is one
 * line that the caller frees. On success the caller ends `ret` with http_target_done. */
int http_target_parse(const char *text, struct http_target *ret, char **error);
void http_target_done(struct http_target *target);

/* Appends a URL for the log, escaped, at most max_bytes of it. User name, password, query and
 * fragment may be secrets and are left out. */
void http_target_append_shown(struct buffer *text, const char *url, size_t max_bytes);

static inline void http_target_done_cleanup(struct http_target *target)
{
    http_target_done(target);
}
