/* SPDX-License-Identifier: MIT */
/* Where and how handler "http" posts messages, by the settings. Each post holds a reference,
 * because the settings may change meanwhile. */
#pragma once

#include "consumerd/handler/handler.h"
#include "consumerd/handler/http-target.h"

struct http_destination {
    unsigned n_refs;
    struct http_target target;
    char *shown_url; /* without parts that may be secrets */
    char *content_type;
    uint64_t timeout_usec;
    unsigned connections_max;
};

/* Reads the settings. The result is that of handler_http_new. */
int http_destination_new(const struct config *config, struct http_destination **ret, char **error);
struct http_destination *http_destination_ref(struct http_destination *destination);
struct http_destination *http_destination_unref(struct http_destination *destination); /* NULL */
DEFINE_CLEANUP(struct http_destination *, http_destination_unref)
