/* SPDX-License-Identifier: MIT */
/* Finds and reads the shared `credentials` and `config` files of the AWS tools. */
#pragma once

#include <sys/types.h>

#include "aws/profile.h"

/* The path of a shared file: $CREDENTIALS_DIRECTORY/aws.credentials (aws.config) where that file is
 * there (systemd.exec(5), LoadCredential=), else $AWS_SHARED_CREDENTIALS_FILE ($AWS_CONFIG_FILE),
 * expanded (util/path-expand.h), else ~/.aws/credentials (config). `*ret` is the caller's
 * to free; NULL where there is no home directory to look in. 0 or -ENOMEM. */
int aws_file_path(enum aws_profile_file kind, char **ret);

/* Appends where a shared file is looked for, "/path" or "/path: no such file". `*ret_is_there` says
 * which. 0 or -ENOMEM. */
int aws_file_describe(enum aws_profile_file kind, struct buffer *text, bool *ret_is_there);

/* Whether the file's mode lets all users read it; a folder above it may keep them out all the same.
 * `*ret_mode`: its permissions, set where it does. */
bool aws_file_is_exposed(const char *path, mode_t *ret_mode);

/* Appends "; AWS_CONFIG_FILE names /path: no such file" for each shared file that a variable
 * names and that is not there: what is missing elsewhere may be missing for that. 0 or -ENOMEM. */
int aws_files_append_named_missing(struct buffer *text);

/* Reads both files, where they are there. A missing file is no error: `text` (appended to, for
 * people) says what was looked at, "/path: no such file". 0, -ENOMEM, or AWS_FILES_E_INVALID where
 * a file is there but cannot be read or is malformed: then `*error` is the line that says so; the
 * caller frees it. */
enum { AWS_FILES_E_INVALID = 1 };
int aws_files_read(struct aws_profiles **ret, struct buffer *text, char **error);

/* The profile to use: `setting` where it is set, else AWS_PROFILE, AWS_DEFAULT_PROFILE, "default".
 * Borrowed from the argument or the environment. */
const char *aws_profile_name(const char *setting);

/* Whether that name was asked for: then a profile that is missing is an error. */
bool aws_profile_is_explicit(const char *setting);
