/* SPDX-License-Identifier: MIT */
/* Gets keys that are written in one of the shared files. */
#pragma once

#include "aws/credentials-provider.h"

/* Reads aws_access_key_id, aws_secret_access_key and aws_session_token of a profile, from one of
 * the two shared files (files.h says where they are), anew at each fetch. `profile`: NULL or "" for
 * AWS_PROFILE, AWS_DEFAULT_PROFILE, "default". If a profile is set explicitly and is in neither
 * file, that is an error. 0 or -ENOMEM. */
int credentials_files_new(enum aws_profile_file kind, const char *profile,
                          struct credentials_provider **ret);
