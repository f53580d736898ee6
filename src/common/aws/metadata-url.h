/* SPDX-License-Identifier: MIT */
/* The URLs of the places on the machine that hand out credentials over plain HTTP: a container's
 * endpoint, the EC2 instance metadata service. What may be asked there is decided here. */
#pragma once

#include "util/macro.h"

enum {
    METADATA_URL_E_INVALID = 1,
    METADATA_URL_MAX_BYTES = 2048,
};

/* The URL to ask for a container's credentials, from AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, which
 * wins, or AWS_CONTAINER_CREDENTIALS_FULL_URI; at least one must be set (not NULL, not "").
 *
 * A relative one begins with "/" and goes to http://169.254.170.2. A full one is https to any host,
 * or http to a loopback address, localhost, or the addresses of ECS and EKS (169.254.170.2,
 * 169.254.170.23, fd00:ec2::23): the token goes there in clear.
 *
 * 0, -ENOMEM, or METADATA_URL_E_INVALID with *error (if not NULL) a line that names the variable;
 * no query or user of the URL is in it. The caller frees both. */
int metadata_url_container(const char *relative, const char *full, char **ret, char **error);

/* The instance metadata service's base URL, which ends in "/": `endpoint` where that is set (http
 * or https, without user, query or fragment), else by `mode` ("IPv4" or "IPv6" in any case; not
 * set: IPv4). The names say in errors where each comes from. Returns as above. */
int metadata_url_imds(const char *endpoint, const char *endpoint_name, const char *mode,
                      const char *mode_name, char **ret, char **error);

/* The region that an availability zone is in ("eu-west-1a", of a local zone "us-west-2-lax-1a"):
 * all up to its first number. 0, -ENOMEM, or METADATA_URL_E_INVALID. The caller frees it. */
int metadata_region_of_zone(const char *zone, size_t zone_bytes, char **ret);
