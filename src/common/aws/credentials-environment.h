/* SPDX-License-Identifier: MIT */
/* Gets keys from environment variables. */
#pragma once

#include "aws/credentials-provider.h"

/* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN (or AWS_SECURITY_TOKEN, its older
 * name) and AWS_CREDENTIAL_EXPIRATION, read anew at each fetch. 0 or -ENOMEM. */
int credentials_environment_new(struct credentials_provider **ret);
