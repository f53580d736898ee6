/* SPDX-License-Identifier: MIT */
/* What the configuration's group "aws" says about how to reach AWS and the queue. What is in force,
 * with the environment and AWS's files, is in effective-settings.h. The configuration owns the
 * strings. */
#pragma once

#include "util/macro.h"

struct aws_config {
    char *region;       /* "": from the environment, the profile or the queue URL */
    char *queue_url;    /* required */
    char *endpoint_url; /* "": the region's */
    char *profile;      /* "": AWS_PROFILE, or "default" */
    char *ca_bundle;    /* "": AWS_CA_BUNDLE, or the system's; a path */
    bool use_fips_endpoint;
    bool use_dualstack_endpoint;
    uint64_t connect_timeout_usec;
    uint64_t request_timeout_usec; /* without progress, beyond the wait */
};
