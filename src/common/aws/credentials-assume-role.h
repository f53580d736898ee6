/* SPDX-License-Identifier: MIT */
/* Gets keys by STS's AssumeRole, for a role that a profile of the shared files names: role_arn with
 * source_profile or credential_source (role.h has the rules). */
#pragma once

#include "aws/credentials-provider.h"
#include "aws/sts.h"

/* Makes the provider of the keys with which the first role is assumed. Each function makes a new
 * provider, which the caller frees. 0, -ENOMEM or another errno. */
struct credentials_role_sources {
    /* The keys of that profile, from its own settings; the environment is ignored. */
    int (*profile_new)(void *userdata, const char *profile, struct credentials_provider **ret);
    int (*environment_new)(void *userdata, struct credentials_provider **ret);
    int (*instance_metadata_new)(void *userdata, struct credentials_provider **ret);
    int (*container_new)(void *userdata, struct credentials_provider **ret);
    void *userdata;
};

/* `profile`: NULL or "" for AWS_PROFILE, AWS_DEFAULT_PROFILE, "default". Each fetch reads the files
 * anew, and assumes all roles anew. `sts` and the userdata of `sources` are borrowed and must
 * outlive the provider; `sources` itself is copied. 0 or -ENOMEM. */
int credentials_assume_role_new(struct sts *sts, const char *profile,
                                const struct credentials_role_sources *sources,
                                struct credentials_provider **ret);
