/* SPDX-License-Identifier: MIT */
/* The shared files: a line each with the profile, key and sub-key to ask for, then the credentials
 * file up to the first RS byte, then the config file. */
#include "aws/role.h"

#include "fuzz.h"

enum { N_ANSWERS = 6 };

struct question {
    char *profile, *key, *sub;
};

struct answers {
    char *values[N_ANSWERS];
    bool has[3];
};

static void ask(const struct aws_profiles *p, const struct question *q, struct answers *ret)
{
    const char *sub = is_set(q->sub) ? q->sub : NULL;
    const char *values[N_ANSWERS] = {
        aws_profiles_get(p, q->profile, q->key, NULL),
        aws_profiles_get(p, q->profile, q->key, sub),
        aws_profiles_get_from(p, AWS_PROFILE_CREDENTIALS, q->profile, q->key, sub),
        aws_profiles_get_from(p, AWS_PROFILE_CONFIG, q->profile, q->key, sub),
        aws_profiles_get_section(p, "services", q->profile, q->key, sub),
        aws_profiles_get_section(p, "sso-session", q->profile, q->key, sub),
    };

    for (size_t i = 0; i < N_ANSWERS; i++)
        ret->values[i] = values[i] ? fuzz_string(values[i], strlen(values[i])) : NULL;
    ret->has[0] = aws_profiles_has(p, q->profile);
    ret->has[1] = aws_profiles_has_section(p, "services", q->profile);
    ret->has[2] = aws_profiles_has_section(p, "sso-session", q->profile);
    assert(ret->has[0] || !values[0]);
}

static void done(struct answers *a)
{
    for (size_t i = 0; i < N_ANSWERS; i++)
        free(a->values[i]);
}

static void check_same(const struct answers *a, const struct answers *b)
{
    for (size_t i = 0; i < N_ANSWERS; i++)
        assert(a->values[i] && b->values[i] ? streq(a->values[i], b->values[i])
                                            : a->values[i] == b->values[i]);
    assert(memcmp(a->has, b->has, sizeof(a->has)) == 0);
}

static int add(struct aws_profiles *p, enum aws_profile_file kind, const char *text, size_t size)
{
    char *error = NULL;
    int r = aws_profiles_add(p, kind, "file", text, size, &error);

    assert(r == 0 || r == AWS_PROFILE_E_INVALID);
    assert((r == 0) == (error == NULL));
    if (error) {
        fuzz_check_line(error);
        assert(!strstr(error, FUZZ_SECRET));
    }
    free(error);
    return r;
}

/* A file that fails changes nothing; nor does one that is added once more. */
static void add_twice(struct aws_profiles *p, const struct question *q, enum aws_profile_file kind,
                      const char *text, size_t size)
{
    struct answers before, after;
    int r;

    ask(p, q, &before);
    r = add(p, kind, text, size);
    if (r == 0) {
        done(&before);
        ask(p, q, &before);
        assert(add(p, kind, text, size) == 0);
    }
    ask(p, q, &after);
    check_same(&before, &after);
    done(&before);
    done(&after);
}

static void plan_roles(const struct aws_profiles *p, const char *profile)
{
    struct aws_role_plan *plan = NULL;
    char *error = NULL;
    int r = aws_role_plan(p, profile, &plan, &error);

    assert(r == 0 || r == AWS_ROLE_E_NONE || r == AWS_ROLE_E_INVALID);
    assert((r == 0) == (plan != NULL) && (r == AWS_ROLE_E_INVALID) == (error != NULL));
    if (error)
        fuzz_check_line(error);
    if (plan) {
        assert(plan->n_roles >= 1 && plan->n_roles <= AWS_ROLES_MAX);
        assert((plan->source == AWS_ROLE_SOURCE_PROFILE) == (plan->source_profile != NULL));
        for (size_t i = 0; i < plan->n_roles; i++)
            assert(plan->roles[i].profile && aws_role_arn_is_valid(plan->roles[i].role_arn));
    }
    aws_role_plan_free(plan);
    free(error);
}

FUZZ
{
    struct question q;
    struct aws_profiles *p = NULL;
    const char *config;
    size_t credentials_size;

    q.profile = fuzz_line(&data, &size);
    q.key = fuzz_line(&data, &size);
    q.sub = fuzz_line(&data, &size);
    config = size > 0 ? memchr(data, '\x1e', size) : NULL;
    credentials_size = config ? (size_t)(config - data) : size;
    assert(aws_profiles_new(&p) == 0);
    add_twice(p, &q, AWS_PROFILE_CREDENTIALS, data, credentials_size);
    if (config)
        add_twice(p, &q, AWS_PROFILE_CONFIG, config + 1, size - credentials_size - 1);
    plan_roles(p, q.profile);
    aws_profiles_free(p);
    free(q.profile);
    free(q.key);
    free(q.sub);
}
