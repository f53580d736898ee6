/* SPDX-License-Identifier: MIT */
/* Parses URLs, and knows AWS's partitions and their hosts. endpoint.h is built on it. */
#pragma once

#include "util/macro.h"

enum { URL_MAX_BYTES = 2048 };

/* A group of regions with DNS names of its own. */
struct aws_partition {
    const char *region_prefix;    /* "cn-" */
    const char *suffix;           /* "amazonaws.com.cn" */
    const char *dualstack_suffix; /* "api.amazonwebservices.com.cn" */
    bool fips_is_plain;           /* the hosts without "-fips" are the FIPS hosts */
};

/* Finds the partition by the region's prefix. An unknown region counts as one of "aws". Never
 * NULL. */
const struct aws_partition *aws_partition_of_region(const char *region);

/* Whether the text can be a region: a host name's label in lower case. */
bool aws_region_is_valid(const char *region);

/* The region of one of SQS's hosts (lower case, without port). *ret_region is NULL if the host is
 * not SQS's; the caller frees it. 0 or -ENOMEM. */
int aws_region_of_host(const char *host, char **ret_region);

struct web_url {
    char *url;         /* scheme://authority/path, as libcurl writes it */
    char *host;        /* lower case, IPv6 in brackets */
    char *host_header; /* host, with the port if it is not the scheme's default */
    char *path;        /* begins with "/", without dot segments */
    bool is_plain_http;
};

/* Parses an http or https URL; one with a user, a query or a fragment is invalid. 0, -ENOMEM, or
 * WEB_URL_E_INVALID with *error, which names `setting`. */
enum { WEB_URL_E_INVALID = 1 };
int web_url_parse(const char *setting, const char *text, struct web_url *ret, char **error);
void web_url_done(struct web_url *u);

static inline void web_url_done_cleanup(struct web_url *u)
{
    web_url_done(u);
}
