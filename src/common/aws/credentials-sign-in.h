/* SPDX-License-Identifier: MIT */
/* Handles profiles for which a person signs in: IAM Identity Center (`aws sso login`) and `aws
 * login`. A daemon cannot sign in. So these providers end the chain with an error that says what to
 * use instead. Without that error nobody would know why other keys were used, or none. */
#pragma once

#include "aws/credentials-provider.h"

enum credentials_sign_in {
    CREDENTIALS_SIGN_IN_SSO,   /* sso_account_id or sso_role_name */
    CREDENTIALS_SIGN_IN_LOGIN, /* login_session */
};

/* `profile`: NULL or "" for AWS_PROFILE, AWS_DEFAULT_PROFILE, "default". 0 or -ENOMEM. */
int credentials_sign_in_new(enum credentials_sign_in kind, const char *profile,
                            struct credentials_provider **ret);
