/* SPDX-License-Identifier: MIT */
/* Where metrics are served: "127.0.0.1:9464", "[::1]:9465" or "unix:/path". Pure. */
#pragma once

#include <netinet/in.h>
#include <sys/un.h>

#include "util/macro.h"

struct metrics_address {
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
        struct sockaddr_un unix_path;
    } of;
    socklen_t size;
};

/* False: the text is no such address. */
bool metrics_address_parse(const char *text, struct metrics_address *ret);

/* Whether a request's Host header shows that nobody has made a browser send the request under
 * another name (DNS rebinding): it is an IP address or "localhost", with or without a port. */
bool metrics_host_is_allowed(const char *host);
