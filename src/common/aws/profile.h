/* SPDX-License-Identifier: MIT */
/* Reads the text of the two files that `aws configure` writes, ~/.aws/credentials and
 * ~/.aws/config, into one set of profiles. As in the AWS CLI, a value of the credentials file wins
 * over the config file's.
 *
 * The rules are botocore's:
 * - In the config file a profile's section is [profile NAME] (quotes allowed) or [default]. In the
 *   credentials file it is [NAME].
 * - [services NAME] and [sso-session NAME] belong in the config file. Other sections are ignored.
 * - An option is `name = value` or `name: value`. Its name is case-insensitive.
 * - "#" and ";" start a comment only at the start of a line.
 * - Below an option with an empty value, lines `sub = value` may follow, indented deeper.
 * - Below an option with a value, such lines continue the value, each after a newline. No key or
 *   token contains a newline: the code that uses the value should refuse it.
 * - Values are kept byte for byte, whatever their length, without the white space around them.
 *
 * Two more things are accepted here, for which botocore refuses the file: a section or option may
 * be given twice (they are merged, the last value wins), and the text may start with a byte order
 * mark (it is ignored). */
#pragma once

#include "util/buffer.h"

struct aws_profiles;

enum aws_profile_file { AWS_PROFILE_CREDENTIALS, AWS_PROFILE_CONFIG };

enum {
    AWS_PROFILE_E_INVALID = 1,            /* the text is malformed */
    AWS_PROFILE_FILE_MAX_BYTES = 1 << 20, /* a caller should read no more */
};

int aws_profiles_new(struct aws_profiles **ret);                /* 0 or -ENOMEM */
struct aws_profiles *aws_profiles_free(struct aws_profiles *p); /* wipes the values */
DEFINE_CLEANUP(struct aws_profiles *, aws_profiles_free)

/* Adds a file's text. `source` is its path, for errors. 0, -ENOMEM, or AWS_PROFILE_E_INVALID: then
 * *error, if `error` is not NULL, is a line "<source>:<line>: ...", which never contains a value
 * from the file; the caller frees it. On failure the set is unchanged. */
int aws_profiles_add(struct aws_profiles *p, enum aws_profile_file kind, const char *source,
                     const char *text, size_t text_bytes, char **error);

/* Whether any profile of that file has a secret key. */
bool aws_profiles_has_secret(const struct aws_profiles *p, enum aws_profile_file kind);

/* Whether either file has the profile. */
bool aws_profiles_has(const struct aws_profiles *p, const char *profile);

/* A profile's value, or NULL. `sub` is NULL, or the indented key below `key`. Owned by the set. */
const char *aws_profiles_get(const struct aws_profiles *p, const char *profile, const char *key,
                             const char *sub);

/* The same, from one file alone: the chain asks for the two files at different steps. */
const char *aws_profiles_get_from(const struct aws_profiles *p, enum aws_profile_file kind,
                                  const char *profile, const char *key, const char *sub);

/* A value of [services NAME] or [sso-session NAME]; `section` is "services" or "sso-session". */
const char *aws_profiles_get_section(const struct aws_profiles *p, const char *section,
                                     const char *name, const char *key, const char *sub);
bool aws_profiles_has_section(const struct aws_profiles *p, const char *section, const char *name);
