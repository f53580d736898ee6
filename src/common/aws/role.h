/* SPDX-License-Identifier: MIT */
/* Which roles a profile of the shared files wants assumed, in which order, and with whose keys the
 * first of them: role_arn with source_profile or credential_source, as the AWS CLI has them.
 *
 * Rules (botocore's): a profile with role_arn and without web_identity_token_file assumes a role.
 * It must say either source_profile or credential_source. A source profile with keys of its own
 * gives these, even where it has a role_arn too; one with another role is assumed first, and so on.
 * A profile may name itself where it has keys of its own; any other loop is an error.
 *
 * mfa_serial is an error here: nobody is there to ask for the code. */
#pragma once

#include "aws/profile.h"

enum {
    AWS_ROLES_MAX = 8, /* in one chain */
    AWS_ROLE_DURATION_MIN_SEC = 900,
    AWS_ROLE_DURATION_MAX_SEC = 43200,
    AWS_ROLE_NAME_SHOWN_BYTES = 128, /* of a profile's name, in errors */
};

enum aws_role_source {
    AWS_ROLE_SOURCE_PROFILE, /* source_profile, by its own settings, without the environment */
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

/* 0; -ENOMEM; AWS_ROLE_E_NONE where the profile wants no role assumed; or AWS_ROLE_E_INVALID with
 * *error, if not NULL, a line that names profile, setting, what is wrong and what to do; the caller
 * frees it. */
enum { AWS_ROLE_E_NONE = 1, AWS_ROLE_E_INVALID = 2 };
int aws_role_plan(const struct aws_profiles *profiles, const char *profile,
                  struct aws_role_plan **ret, char **error);
struct aws_role_plan *aws_role_plan_free(struct aws_role_plan *plan);
DEFINE_CLEANUP(struct aws_role_plan *, aws_role_plan_free)

/* Whether AWS can take it for the ARN of a role: "arn:", 20 to 2048 printable characters. */
bool aws_role_arn_is_valid(const char *arn);
/* 2 to 64 of A-Z a-z 0-9 _ + = , . @ - */
bool aws_role_session_name_is_valid(const char *name);
