/* SPDX-License-Identifier: MIT */
/* Gets a role's keys for a token, by STS's AssumeRoleWithWebIdentity. An identity provider wrote
 * the token to a file (EKS service accounts, CI systems). */
#pragma once

#include "aws/credentials-provider.h"
#include "aws/sts.h"

/* The token file, the role and the session name come from AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN
 * and AWS_ROLE_SESSION_NAME. For each that is not set, the profile's web_identity_token_file,
 * role_arn or role_session_name is used. With `ignore_environment`, only the profile's are used.
 * Each fetch reads the files, the variables and the token anew.
 *
 * `profile`: NULL or "" for AWS_PROFILE, AWS_DEFAULT_PROFILE, "default". `sts` is borrowed and must
 * outlive the provider. 0 or -ENOMEM. */
int credentials_web_identity_new(struct sts *sts, const char *profile, bool ignore_environment,
                                 struct credentials_provider **ret);
