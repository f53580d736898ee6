/* SPDX-License-Identifier: MIT */
/* Gets the keys of an EC2 instance's role from the instance metadata service. */
#pragma once

#include "aws/credentials-provider.h"
#include "http/client.h"

/* The expiry of the keys may be past: while the service has no newer keys, it gives out the old
 * ones, and AWS still accepts them.
 *
 * imds.h lists the settings. The answer is NOT_SET_UP if the service is switched off, if it refuses
 * all requests, or if the instance has no role. It is NO_ANSWER_YET if nobody answers. With
 * `is_explicit`, a setting says that the keys are there: then it is UNREACHABLE if nobody answers
 * or the service refuses all requests.
 *
 * The loop and the client are borrowed and must outlive the provider. `profile`: NULL or "" for
 * AWS_PROFILE, AWS_DEFAULT_PROFILE, "default". 0 or -ENOMEM. */
int credentials_imds_new(sd_event *event, struct http_client *http, const char *profile,
                         bool is_explicit, struct credentials_provider **ret);
