/* SPDX-License-Identifier: MIT */
/* Keys that stand in one of the shared files. */
#pragma once

#include "aws/credentials-provider.h"

/* aws_access_key_id, aws_secret_access_key and aws_session_token of a profile, in one of the two
 * shared files (files.h says where they lie), read anew at each fetch. `profile`: NULL or "" for
 * AWS_PROFILE, AWS_DEFAULT_PROFILE, "default". A profile that was asked for and is in neither file is
 * an error. 0 or -ENOMEM. */
int credentials_files_new(enum aws_profile_file kind, const char *profile,
                          struct credentials_provider **ret);
