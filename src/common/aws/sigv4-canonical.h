/* SPDX-License-Identifier: MIT */
/* Writes the canonical form of a request, without cryptography. Only sigv4.c uses this header;
 * others use sigv4.h. */
#pragma once

#include "aws/sigv4.h"

/* Appends the canonical request, which ends in `body_hash` (hex), and the list of signed header
 * names. 0, -EINVAL (no method, a path without "/" at its start, no host header or an empty one, a
 * header without value or with an invalid name, too many headers), -E2BIG (a buffer is full, or
 * more than 128 query parameters) or -ENOMEM. */
int sigv4_canonical_form(const struct sigv4_request *request, const char *body_hash,
                         struct buffer *canonical, struct buffer *signed_headers);

/* Orders header names as strcasecmp does, but the same in each locale. */
int sigv4_compare_names(const char *a, const char *b);
