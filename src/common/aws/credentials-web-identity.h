/* SPDX-License-Identifier: MIT */
/* Keys of a role for a token that an identity provider wrote to a file (EKS service accounts, CI
 * systems): STS's AssumeRoleWithWebIdentity. */
#pragma once

#include "aws/credentials-provider.h"
#include "aws/sts.h"

/* Token file, role and session name are AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN and
 * AWS_ROLE_SESSION_NAME, each else the profile's web_identity_token_file, role_arn and
 * role_session_name. With `ignore_environment` the profile's alone. Files, variables and the token
 * are read anew at each fetch.
 *
 * `profile`: NULL or "" for AWS_PROFILE, AWS_DEFAULT_PROFILE, "default". `sts` is borrowed and must
 * outlive the provider. 0 or -ENOMEM. */
int credentials_web_identity_new(struct sts *sts, const char *profile, bool ignore_environment,
                                 struct credentials_provider **ret);
