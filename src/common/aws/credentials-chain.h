/* SPDX-License-Identifier: MIT */
/* The chain of credential providers that the AWS CLI has, in its order:
 *
 *   environment              unless a profile is set: then its own settings count alone
 *   assume role              role_arn with source_profile or credential_source
 *   web identity             AWS_WEB_IDENTITY_TOKEN_FILE (not with a profile set), or the profile's
 *   sso                      an error that says what serves instead
 *   shared credentials file  keys in it
 *   login                    an error that says what serves instead
 *   credential_process       in either file
 *   config file              keys in it
 *   container                ECS and EKS
 *   EC2 instance metadata
 *
 * It has all of them and what they share, and the cache before them. */
#pragma once

#include "aws/credentials.h"
#include "http/client.h"

struct credentials_chain;

struct credentials_chain_options {
    const char *profile; /* as set; NULL or "": AWS_PROFILE, AWS_DEFAULT_PROFILE, "default" */
    const char *region;  /* whose STS to ask; must be set */
    const char *sts_endpoint_url; /* NULL or "": the region's */
    bool use_fips;
    bool use_dualstack;
};

/* The event loop and the http client are borrowed and must outlive the chain. 0, -ENOMEM, -EIO
 * where OpenSSL lacks SHA-256, or the errno of the event loop. */
int credentials_chain_new(sd_event *event, struct http_client *http,
                          const struct credentials_chain_options *options,
                          struct credentials_chain **ret);

/* As credentials_free. */
struct credentials_chain *credentials_chain_free(struct credentials_chain *chain);
DEFINE_CLEANUP(struct credentials_chain *, credentials_chain_free)

/* What to ask. Owned by the chain. */
struct credentials *credentials_chain_credentials(struct credentials_chain *chain);
