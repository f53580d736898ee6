/* SPDX-License-Identifier: MIT */
/* Finds and reads the shared `credentials` and `config` files of the AWS tools. */
#pragma once

#include <sys/types.h>

#include "aws/profile.h"

/* The path of a shared file. If $CREDENTIALS_DIRECTORY/aws.credentials (aws.config) exists
 * (systemd.exec(5), LoadCredential=), it is that. Else it is $AWS_SHARED_CREDENTIALS_FILE
 * ($AWS_CONFIG_FILE), expanded (aws/path-expand.h). If that is not set, it is ~/.aws/credentials
 * (~/.aws/config). The caller frees *ret, which is NULL if there is no home directory. 0 or
 * -ENOMEM. */
int aws_file_path(enum aws_profile_file kind, char **ret);

/* A file in the home directory counts as missing, as in botocore, when a folder on the way may not
 * be searched. Then this gives its path, which the caller frees, else NULL. 0 or -ENOMEM. */
int aws_file_hidden(enum aws_profile_file kind, char **ret);

/* Appends the path of a shared file, "/path", or which file is missing, such as "/path: no such
 * file". `*ret_is_there` says which. 0 or -ENOMEM. */
int aws_file_describe(enum aws_profile_file kind, struct buffer *text, bool *ret_is_there);

/* Whether the file's mode allows all users to read it. (The mode of a folder above it may still
 * prevent that.) If true, *ret_mode is the file's permissions. */
bool aws_file_is_exposed(const char *path, mode_t *ret_mode);

/* Appends "; AWS_CONFIG_FILE names /path: no such file" for each shared file that a variable names
 * and that does not exist. That may be why a setting was not found. 0 or -ENOMEM. */
int aws_files_append_named_missing(struct buffer *text);

/* Reads both files, if they exist. A missing file is no error. The function appends to `text`, for
 * people, which files it looked for, "/path: no such file". 0; the errno of a passing shortage
 * (-ENOMEM, -EMFILE, ...); or AWS_FILES_E_INVALID if a file exists but cannot be read or is
 * malformed: then *error is the line that says so; the caller frees it. */
enum { AWS_FILES_E_INVALID = 1 };
int aws_files_read(struct aws_profiles **ret, struct buffer *text, char **error);

/* The profile to use: `setting` if it is set, else AWS_PROFILE, AWS_DEFAULT_PROFILE, "default".
 * Borrowed from the argument or the environment. */
const char *aws_profile_name(const char *setting);

/* Whether the name was set explicitly; then a missing profile is an error. */
bool aws_profile_is_explicit(const char *setting);
