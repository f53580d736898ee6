/* SPDX-License-Identifier: MIT */
/* The same chain of credential providers as in the AWS CLI, in the same order:
 *
 *   environment              not if a profile is set: then only the profile's own settings count
 *   assume role              role_arn with source_profile or credential_source
 *   web identity             AWS_WEB_IDENTITY_TOKEN_FILE (if no profile is set), or the profile's
 *   sso                      an error that says what to use instead
 *   shared credentials file  keys in it
 *   login                    an error that says what to use instead
 *   credential_process       in either file
 *   config file              keys in it
 *   container                ECS and EKS
 *   EC2 instance metadata
 *
 * The chain owns the providers, what they share, and the cache (credentials.h) that asks them. */
#pragma once

#include "aws/credentials.h"
#include "http/client.h"

struct credentials_chain;

struct credentials_chain_options {
    const char *profile;          /* NULL or "": AWS_PROFILE, AWS_DEFAULT_PROFILE, "default" */
    const char *region;           /* the region of STS; must be set */
    const char *sts_endpoint_url; /* NULL or "": the region's endpoint */
    bool use_fips;
    bool use_dualstack;
};

/* The event loop and the http client are borrowed and must outlive the chain. 0, -ENOMEM, -EIO if
 * OpenSSL lacks SHA-256, or the errno of the event loop. */
int credentials_chain_new(sd_event *event, struct http_client *http,
                          const struct credentials_chain_options *options,
                          struct credentials_chain **ret);

/* The same rules as for credentials_free. */
struct credentials_chain *credentials_chain_free(struct credentials_chain *chain);
DEFINE_CLEANUP(struct credentials_chain *, credentials_chain_free)

/* The cache to ask for keys. Owned by the chain. */
struct credentials *credentials_chain_credentials(struct credentials_chain *chain);
