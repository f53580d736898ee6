/* The region and the endpoint that a configuration leads to, in this environment. */
#pragma once

#include "config.h"
#include "endpoint.h"

/* The region is looked for in aws.region, AWS_REGION, AWS_DEFAULT_REGION, the profile in AWS's files,
 * the queue URL, and aws.endpoint_url, in this order. 0, -ENOMEM, or CONFIG_ENDPOINT_E_INVALID with
 * *error, if not NULL, a line that says what is wrong; the caller frees it. */
enum { CONFIG_ENDPOINT_E_INVALID = 1 };
int config_endpoint_resolve(const struct config *config, struct endpoint **ret, char **error);
