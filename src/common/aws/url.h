/* SPDX-License-Identifier: MIT */
/* URLs taken apart, and AWS's partitions with their hosts: what endpoint.h stands on. */
#pragma once

#include "util/macro.h"

enum { URL_MAX_BYTES = 2048 };

/* A group of regions with DNS names of its own. */
struct aws_partition {
    const char *region_prefix;    /* "cn-" */
    const char *suffix;           /* "amazonaws.com.cn" */
    const char *dualstack_suffix; /* "api.amazonwebservices.com.cn" */
    bool fips_is_plain;           /* the plain hosts are the FIPS ones */
};

/* By the region's prefix; a region that nobody knows counts as one of "aws". Never NULL. */
const struct aws_partition *aws_partition_of_region(const char *region);

/* Whether the text can be a region: a host name's label in lower case. */
bool aws_region_is_valid(const char *region);

/* The region that one of SQS's hosts (lower case, without port) is in. 0 with *ret_region NULL
 * where the host is not SQS's; the caller frees it. 0 or -ENOMEM. */
int aws_region_of_host(const char *host, char **ret_region);

struct web_url {
    char *url;         /* scheme://authority/path, as libcurl writes it */
    char *host;        /* lower case, IPv6 in brackets */
    char *host_header; /* host, with the port where it is not the scheme's default */
    char *path;        /* begins with "/", dot segments taken out */
    bool is_plain_http;
};

/* Takes an http or https URL apart that has no user, query or fragment. 0, -ENOMEM, or
 * WEB_URL_E_INVALID with *error, which names `setting`. */
enum { WEB_URL_E_INVALID = 1 };
int web_url_parse(const char *setting, const char *text, struct web_url *ret, char **error);
void web_url_done(struct web_url *u);

static inline void web_url_done_cleanup(struct web_url *u)
{
    web_url_done(u);
}
