/* SPDX-License-Identifier: MIT */
/* The two files that `aws configure` writes, ~/.aws/credentials and ~/.aws/config, read as text
 * into one set of profiles, with the credentials file's values winning, as the AWS CLI merges them.
 *
 * Rules (botocore's): in the config file a profile's section is [profile NAME] (quotes allowed) or
 * [default], in the credentials file the bare name; [services NAME] and [sso-session NAME] stand in
 * the config file; option names are case-insensitive; "=" or ":" delimits; "#" and ";" start a
 * comment only at the start of a line; an option with an empty value may be followed by lines
 * `sub = value` indented deeper than it; under an option with a value such lines continue the
 * value, each after a newline (no key or token has one: its user should refuse it). Other sections
 * are passed over. Values are kept byte for byte, however long, without the white space around
 * them.
 *
 * Beyond botocore, which refuses the file: a section or option given twice is merged, the last
 * value wins; a byte order mark at the start is ignored. */
#pragma once

#include "util/buffer.h"

struct aws_profiles;

enum aws_profile_file { AWS_PROFILE_CREDENTIALS, AWS_PROFILE_CONFIG };

enum {
    AWS_PROFILE_E_INVALID = 1,            /* the text is not such a file */
    AWS_PROFILE_FILE_MAX_BYTES = 1 << 20, /* what a caller should read at most */
};

int aws_profiles_new(struct aws_profiles **ret);                /* 0 or -ENOMEM */
struct aws_profiles *aws_profiles_free(struct aws_profiles *p); /* wipes the values */
DEFINE_CLEANUP(struct aws_profiles *, aws_profiles_free)

/* Adds a file's text. `source` (a path) is named in errors. 0, -ENOMEM, or AWS_PROFILE_E_INVALID
 * with *error a line "<source>:<line>: ...", which never holds a value from the file; the caller
 * frees it. On failure the set is as before. */
int aws_profiles_add(struct aws_profiles *p, enum aws_profile_file kind, const char *source,
                     const char *text, size_t text_bytes, char **error);

/* Whether any profile of that file has a secret key. */
bool aws_profiles_has_secret(const struct aws_profiles *p, enum aws_profile_file kind);

/* Whether either file has the profile. */
bool aws_profiles_has(const struct aws_profiles *p, const char *profile);

/* A profile's value, or NULL. `sub` is NULL, or the indented key under `key`. Owned by the set. */
const char *aws_profiles_get(const struct aws_profiles *p, const char *profile, const char *key,
                             const char *sub);

/* The same, of one file alone: the chain looks at the two files in different places. */
const char *aws_profiles_get_from(const struct aws_profiles *p, enum aws_profile_file kind,
                                  const char *profile, const char *key, const char *sub);

/* A value of [services NAME] or [sso-session NAME]; `section` is "services" or "sso-session". */
const char *aws_profiles_get_section(const struct aws_profiles *p, const char *section,
                                     const char *name, const char *key, const char *sub);
bool aws_profiles_has_section(const struct aws_profiles *p, const char *section, const char *name);
