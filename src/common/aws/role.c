/* SPDX-License-Identifier: MIT */
/* The search along the source profiles always ends: each step adds a role, and a plan has at most
 * AWS_ROLES_MAX. */
#include "aws/role.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "util/ascii.h"
#include "util/encode.h"
#include "util/error-line.h"

enum {
    ERROR_MAX_BYTES = 2048,
    ARN_MIN_BYTES = 20,
    ARN_MAX_BYTES = 2048,
    SESSION_NAME_MIN_BYTES = 2,
    SESSION_NAME_MAX_BYTES = 64,
    EXTERNAL_ID_MIN_BYTES = 2,
    EXTERNAL_ID_MAX_BYTES = 1224,
};

/* Sets *error to "profile <name>: ...". AWS_ROLE_E_INVALID or -ENOMEM. */
static int invalid(char **error, const char *profile, const char *format, ...) PRINTF_FORMAT(3, 4);
static int invalid(char **error, const char *profile, const char *format, ...)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(ERROR_MAX_BYTES);
    char reason[ERROR_MAX_BYTES / 2];
    va_list arguments;

    if (!error)
        return AWS_ROLE_E_INVALID;
    va_start(arguments, format);
    vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    buffer_append_string(&b, "profile ");
    escape_for_log(&b, profile, strlen(profile), AWS_ROLE_NAME_SHOWN_BYTES);
    buffer_printf(&b, ": %s", reason);
    return error_line_take(AWS_ROLE_E_INVALID, error, &b);
}

/* A value from the files, made fit for one line. */
struct shown {
    char text[4 * AWS_ROLE_NAME_SHOWN_BYTES + 32];
};

static struct shown show(const char *value)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(sizeof(struct shown) - 1);
    struct shown s;

    escape_for_log(&b, value, strlen(value), AWS_ROLE_NAME_SHOWN_BYTES);
    snprintf(s.text, sizeof(s.text), "%s", buffer_string(&b));
    return s;
}

/* --- Checks --- */

bool aws_role_arn_is_valid(const char *arn)
{
    size_t n = strlen(arn);

    if (n < ARN_MIN_BYTES || n > ARN_MAX_BYTES || strncmp(arn, "arn:", 4) != 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (arn[i] <= ' ' || arn[i] >= 0x7f)
            return false;
    return true;
}

bool aws_role_session_name_is_valid(const char *name)
{
    return is_ascii_name(name, SESSION_NAME_MIN_BYTES, SESSION_NAME_MAX_BYTES, "_+=,.@-");
}

static bool external_id_is_valid(const char *id)
{
    return is_ascii_name(id, EXTERNAL_ID_MIN_BYTES, EXTERNAL_ID_MAX_BYTES, "_+=,.@:/-");
}

/* The number; 0: it is malformed or out of range. */
static unsigned parse_duration(const char *text)
{
    unsigned value = 0;

    for (const char *c = text; *c; c++) {
        if (!is_digit(*c) || value > AWS_ROLE_DURATION_MAX_SEC)
            return 0;
        value = value * 10 + (unsigned)(*c - '0');
    }
    return value < AWS_ROLE_DURATION_MIN_SEC || value > AWS_ROLE_DURATION_MAX_SEC ? 0 : value;
}

static const char *get(const struct aws_profiles *profiles, const char *profile, const char *key)
{
    const char *value = aws_profiles_get(profiles, profile, key, NULL);

    return is_set(value) ? value : NULL;
}

static bool has_keys(const struct aws_profiles *profiles, const char *profile)
{
    return get(profiles, profile, "aws_access_key_id") ||
           get(profiles, profile, "aws_secret_access_key");
}

static bool has_role(const struct aws_profiles *profiles, const char *profile)
{
    return get(profiles, profile, "role_arn") && !get(profiles, profile, "web_identity_token_file");
}

/* --- Roles --- */

static int copy(const char *value, char **ret)
{
    if (!value)
        return 0;
    *ret = strdup(value);
    return *ret ? 0 : -ENOMEM;
}

static int check_role(const struct aws_profiles *profiles, const char *profile, char **error)
{
    const char *arn = get(profiles, profile, "role_arn");
    const char *session_name = get(profiles, profile, "role_session_name");
    const char *external_id = get(profiles, profile, "external_id");
    const char *duration = get(profiles, profile, "duration_seconds");

    if (!aws_role_arn_is_valid(arn))
        return invalid(error, profile,
                       "role_arn is \"%s\", but must be like arn:aws:iam::123456789012:role/name",
                       show(arn).text);
    if (get(profiles, profile, "mfa_serial"))
        return invalid(error, profile,
                       "mfa_serial requires a code, which a daemon cannot ask for: use a role that "
                       "requires none, or a credential_process");
    if (session_name && !aws_role_session_name_is_valid(session_name))
        return invalid(error, profile,
                       "role_session_name is \"%s\", but must be 2 to 64 of A-Z a-z 0-9 _+=,.@-",
                       show(session_name).text);
    if (external_id && !external_id_is_valid(external_id))
        return invalid(error, profile, "external_id must be 2 to 1224 of A-Z a-z 0-9 _+=,.@:/-");
    if (duration && parse_duration(duration) == 0)
        return invalid(error, profile,
                       "duration_seconds is \"%s\", but must be a number from %d to %d",
                       show(duration).text, AWS_ROLE_DURATION_MIN_SEC, AWS_ROLE_DURATION_MAX_SEC);
    return 0;
}

static int add_role(struct aws_role_plan *plan, const struct aws_profiles *profiles,
                    const char *profile, char **error)
{
    const char *duration = get(profiles, profile, "duration_seconds");
    struct aws_role *role = &plan->roles[plan->n_roles];
    int r;

    if (plan->n_roles == AWS_ROLES_MAX)
        return invalid(error, plan->roles[0].profile,
                       "its chain of source profiles has more than %d roles", AWS_ROLES_MAX);
    r = check_role(profiles, profile, error);
    if (r != 0)
        return r;
    plan->n_roles++;
    r = copy(profile, &role->profile);
    if (r == 0)
        r = copy(get(profiles, profile, "role_arn"), &role->role_arn);
    if (r == 0)
        r = copy(get(profiles, profile, "role_session_name"), &role->session_name);
    if (r == 0)
        r = copy(get(profiles, profile, "external_id"), &role->external_id);
    role->duration_sec = duration ? parse_duration(duration) : 0;
    return r;
}

static int set_credential_source(struct aws_role_plan *plan, const char *profile, const char *value,
                                 char **error)
{
    static const char *const names[] = {
        [AWS_ROLE_SOURCE_ENVIRONMENT] = "Environment",
        [AWS_ROLE_SOURCE_INSTANCE_METADATA] = "Ec2InstanceMetadata",
        [AWS_ROLE_SOURCE_CONTAINER] = "EcsContainer",
    };

    for (size_t i = AWS_ROLE_SOURCE_ENVIRONMENT; i < ARRAY_SIZE(names); i++)
        if (streq(names[i], value)) {
            plan->source = (enum aws_role_source)i;
            return 0;
        }
    return invalid(error, profile,
                   "credential_source is \"%s\", but must be Environment, Ec2InstanceMetadata or "
                   "EcsContainer",
                   show(value).text);
}

static bool is_planned(const struct aws_role_plan *plan, const char *profile)
{
    for (size_t i = 0; i < plan->n_roles; i++)
        if (streq(plan->roles[i].profile, profile))
            return true;
    return false;
}

/* Finds the source of the keys that assume the role of `profile`. If the source profile has a role
 * that must be assumed first, *ret_next is that profile; else NULL. */
static int find_source(struct aws_role_plan *plan, const struct aws_profiles *profiles,
                       const char *profile, const char **ret_next, char **error)
{
    const char *source = get(profiles, profile, "source_profile");
    const char *credential_source = get(profiles, profile, "credential_source");

    *ret_next = NULL;
    if (source && credential_source)
        return invalid(error, profile,
                       "both source_profile and credential_source are set: remove one of them");
    if (credential_source)
        return set_credential_source(plan, profile, credential_source, error);
    if (!source)
        return invalid(error, profile,
                       "role_arn is set, but neither source_profile nor credential_source, which "
                       "say with whose keys to assume the role: add one of them");
    if (!aws_profiles_has(profiles, source))
        return invalid(error, profile, "its source_profile %s is in neither of the shared files",
                       show(source).text);
    if (is_planned(plan, source) && !(streq(source, profile) && has_keys(profiles, source)))
        return invalid(error, profile,
                       "its source_profile %s leads back to itself: the first profile of a chain "
                       "needs keys or a credential_source",
                       show(source).text);
    if (!has_keys(profiles, source) && has_role(profiles, source)) {
        *ret_next = source;
        return 0;
    }
    plan->source = AWS_ROLE_SOURCE_PROFILE;
    return copy(source, &plan->source_profile);
}

int aws_role_plan(const struct aws_profiles *profiles, const char *profile,
                  struct aws_role_plan **ret, char **error)
{
    CLEANUP(aws_role_plan_free) struct aws_role_plan *plan = NULL;
    const char *next = profile;

    if (!has_role(profiles, profile))
        return AWS_ROLE_E_NONE;
    plan = calloc(1, sizeof(*plan));
    if (!plan)
        return -ENOMEM;
    while (next) {
        int r = add_role(plan, profiles, next, error);

        if (r == 0)
            r = find_source(plan, profiles, plan->roles[plan->n_roles - 1].profile, &next, error);
        if (r != 0)
            return r;
    }
    *ret = TAKE(plan);
    return 0;
}

struct aws_role_plan *aws_role_plan_free(struct aws_role_plan *plan)
{
    if (!plan)
        return NULL;
    for (size_t i = 0; i < plan->n_roles; i++) {
        free(plan->roles[i].profile);
        free(plan->roles[i].role_arn);
        free(plan->roles[i].session_name);
        free(plan->roles[i].external_id);
    }
    free(plan->source_profile);
    free(plan);
    return NULL;
}
