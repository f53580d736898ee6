/* SPDX-License-Identifier: MIT */
/* Keys of a role that a profile of the shared files names: role_arn with source_profile or
 * credential_source (role.h has the rules), by STS's AssumeRole. */
#pragma once

#include "aws/credentials-provider.h"
#include "aws/sts.h"

/* Makes the providers that the first role's keys come from, when they are needed. Each function
 * makes a new one, which the caller frees. 0, -ENOMEM or another errno. */
struct credentials_role_sources {
    /* The keys of that profile by its own settings, whatever the environment says. */
    int (*profile_new)(void *userdata, const char *profile, struct credentials_provider **ret);
    int (*environment_new)(void *userdata, struct credentials_provider **ret);
    int (*instance_metadata_new)(void *userdata, struct credentials_provider **ret);
    int (*container_new)(void *userdata, struct credentials_provider **ret);
    void *userdata;
};

/* `profile`: NULL or "" for AWS_PROFILE, AWS_DEFAULT_PROFILE, "default". The files are read anew at
 * each fetch, and all roles on the way are assumed anew. `sts` and what `sources` points to are
 * borrowed and must outlive the provider; `sources` itself is copied. 0 or -ENOMEM. */
int credentials_assume_role_new(struct sts *sts, const char *profile,
                                const struct credentials_role_sources *sources,
                                struct credentials_provider **ret);
