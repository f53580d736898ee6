/* SPDX-License-Identifier: MIT */
/* Makes the URLs of the two services that give out credentials on the machine, over plain HTTP: a
 * container's endpoint, and the EC2 instance metadata service. It refuses URLs that are not
 * safe. */
#pragma once

#include "util/macro.h"

enum {
    METADATA_URL_E_INVALID = 1,
    METADATA_URL_MAX_BYTES = 2048,
};

/* The URL of a container's credentials, from AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, which wins, or
 * from AWS_CONTAINER_CREDENTIALS_FULL_URI. At least one must be set (not NULL, not "").
 *
 * A relative URI begins with "/" and goes to http://169.254.170.2. A full URI may be https to any
 * host. With http, only loopback addresses, localhost and the addresses of ECS and EKS
 * (169.254.170.2, 169.254.170.23, fd00:ec2::23) are allowed, because the token is sent in clear.
 *
 * 0, -ENOMEM, or METADATA_URL_E_INVALID: then *error, if `error` is not NULL, is a line that names
 * the variable; it never contains the URL's query or user. The caller frees *ret and *error. */
int metadata_url_container(const char *relative, const char *full, char **ret, char **error);

/* The instance metadata service's base URL, which ends in "/". It is `endpoint` if that is set
 * (http or https, without user, query or fragment). Else it is the default for `mode` ("IPv4" or
 * "IPv6" in any case; not set: IPv4). Errors name the setting by endpoint_name or mode_name. The
 * returns are those of metadata_url_container. */
int metadata_url_imds(const char *endpoint, const char *endpoint_name, const char *mode,
                      const char *mode_name, char **ret, char **error);
