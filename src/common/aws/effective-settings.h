/* SPDX-License-Identifier: MIT */
/* The settings that are in force for requests to AWS: from the configuration (config.h), the
 * environment and AWS's files. Each setting is taken from the first place that has it, in the AWS
 * CLI's order.
 *
 *   region         aws.region, AWS_REGION, AWS_DEFAULT_REGION, profile region, the queue URL,
 *                  the endpoint's host
 *   SQS endpoint   aws.endpoint_url, AWS_ENDPOINT_URL_SQS, AWS_ENDPOINT_URL,
 *                  profile services -> [services NAME] sqs endpoint_url, profile endpoint_url,
 *                  the region's
 *   STS endpoint   AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, profile services -> sts endpoint_url,
 *                  profile endpoint_url, the region's
 *   FIPS           aws.use_fips_endpoint = true, AWS_USE_FIPS_ENDPOINT, profile use_fips_endpoint
 *                  or "fips-" or "-fips" in the region's name, which is taken out of it
 *   dual-stack     the same with dualstack
 *   CA bundle      aws.ca_bundle, AWS_CA_BUNDLE, profile ca_bundle, the system's
 *
 * If AWS_IGNORE_CONFIGURED_ENDPOINT_URLS, or else the profile's ignore_configured_endpoint_urls, is
 * true, all endpoints but aws.endpoint_url are ignored. An empty variable or value counts as not
 * set. A profile that does not exist is no error here; the chain of credentials reports it. */
#pragma once

#include "aws/config.h"
#include "aws/endpoint.h"

struct aws_effective_settings {
    struct endpoint *endpoint; /* of SQS */
    char *sts_endpoint_url;    /* NULL: the region's */
    char *ca_bundle;           /* NULL: the system's */
    bool use_fips;
    bool use_dualstack;
    const char *region_source;   /* for people: "AWS_REGION" */
    const char *endpoint_source; /* the same; NULL: by the rules for the region */
};

/* 0, the errno of a passing shortage (-ENOMEM, -EMFILE, ...), or AWS_EFFECTIVE_SETTINGS_E_INVALID:
 * - settings that endpoint.h refuses;
 * - a file that cannot be read or is malformed;
 * - a switch that is neither true nor false;
 * - a services name without its section, or a service there with a value on its own line;
 * - a CA bundle that is useless or that this user cannot read, if SQS, STS or a container's
 *   endpoint is asked by https.
 * Then *error, if `error` is not NULL, is a line that says what is wrong and where it was set; the
 * caller frees it. */
enum { AWS_EFFECTIVE_SETTINGS_E_INVALID = 1 };
int aws_effective_settings_read(const struct aws_config *config,
                                struct aws_effective_settings **ret, char **error);
struct aws_effective_settings *aws_effective_settings_free(struct aws_effective_settings *settings);
DEFINE_CLEANUP(struct aws_effective_settings *, aws_effective_settings_free)
