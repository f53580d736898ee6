/* SPDX-License-Identifier: MIT */
/* Where handler "http" posts messages to: its setting consumer.url, taken apart. */
#pragma once

#include "util/buffer.h"
#include "util/macro.h"

struct http_target {
    char *url;         /* what to ask for: http or https */
    char *unix_socket; /* path of the socket to ask there; NULL: the URL's host */
    char *path;        /* the URL's, without query */
    bool no_proxy;     /* on this machine: a Unix socket, localhost or a loopback address */
};

enum { HTTP_TARGET_E_INVALID = 1 };

/* Reads "http://…", "https://…", "unix:PATH" or "unix:PATH:/URI", which daemon/config.h has looked
 * at already. 0, -ENOMEM, or HTTP_TARGET_E_INVALID with *error (if not NULL) one line; the caller
 * frees it. */
int http_target_parse(const char *text, struct http_target *ret, char **error);
void http_target_done(struct http_target *target);

/* Appends a URL for people, escaped and shortened to max_bytes: without its user name, password,
 * query and fragment, which may be secrets. */
void http_target_append_shown(struct buffer *text, const char *url, size_t max_bytes);

static inline void http_target_done_cleanup(struct http_target *target)
{
    http_target_done(target);
}
