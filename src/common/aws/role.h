/* SPDX-License-Identifier: MIT */
/* Finds the roles that a profile of the shared files asks to assume, their order, and the source of
 * the keys for the first one. As in the AWS CLI, the settings are role_arn with source_profile or
 * credential_source.
 *
 * The rules are botocore's:
 * - A profile with role_arn and without web_identity_token_file assumes a role.
 * - It must have either source_profile or credential_source.
 * - If the source profile has keys of its own, these are used, even if it has a role_arn too.
 * - If the source profile has no keys but a role, that role is assumed first, and so on.
 * - A profile may name itself if it has keys of its own. Any other loop is an error.
 *
 * mfa_serial is an error here, because a daemon cannot ask a person for the code. */
#pragma once

#include "aws/profile.h"

enum {
    AWS_ROLES_MAX = 8, /* in one chain */
    AWS_ROLE_DURATION_MIN_SEC = 900,
    AWS_ROLE_DURATION_MAX_SEC = 43200,
    AWS_ROLE_NAME_SHOWN_BYTES = 128, /* of a profile's name, in errors */
};

enum aws_role_source {
    AWS_ROLE_SOURCE_PROFILE, /* source_profile: its own settings, without the environment */
    AWS_ROLE_SOURCE_ENVIRONMENT,
    AWS_ROLE_SOURCE_INSTANCE_METADATA,
    AWS_ROLE_SOURCE_CONTAINER,
};

struct aws_role {
    char *profile;
    char *role_arn;
    char *session_name;    /* NULL: not set */
    char *external_id;     /* NULL: none */
    unsigned duration_sec; /* 0: not set */
};

struct aws_role_plan {
    struct aws_role roles[AWS_ROLES_MAX]; /* the last is assumed first */
    size_t n_roles;                       /* at least 1 */
    enum aws_role_source source;
    char *source_profile; /* with AWS_ROLE_SOURCE_PROFILE, else NULL */
};

/* 0; -ENOMEM; AWS_ROLE_E_NONE if the profile assumes no role; or AWS_ROLE_E_INVALID: then *error,
 * if `error` is not NULL, is a line that names the profile, the setting, the fault and what to do;
 * the caller frees it. */
enum { AWS_ROLE_E_NONE = 1, AWS_ROLE_E_INVALID = 2 };
int aws_role_plan(const struct aws_profiles *profiles, const char *profile,
                  struct aws_role_plan **ret, char **error);
struct aws_role_plan *aws_role_plan_free(struct aws_role_plan *plan);
DEFINE_CLEANUP(struct aws_role_plan *, aws_role_plan_free)

/* Whether AWS can accept it as the ARN of a role: "arn:", 20 to 2048 printable characters. */
bool aws_role_arn_is_valid(const char *arn);
/* 2 to 64 of A-Z a-z 0-9 _ + = , . @ - */
bool aws_role_session_name_is_valid(const char *name);
