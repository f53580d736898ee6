/* SPDX-License-Identifier: MIT */
/* A fetch reads the files, makes the plan (role.h), and asks the source for its keys. Then it
 * assumes the plan's roles from the last to the first, each with the keys of the role assumed
 * before it. */
#include "aws/credentials-assume-role.h"

#include <errno.h>

#include "aws/role.h"
#include "util/encode.h"

struct role_provider {
    struct credentials_provider head;
    struct sts *sts;
    struct credentials_role_sources sources;

    /* State of the current fetch. The source is kept until the next fetch, because its callback may
     * be running now. */
    struct aws_role_plan *plan;
    size_t n_left; /* roles still to assume */
    struct credentials_provider *source;
    struct sts_call *call;
};

static void stop(struct credentials_provider *provider)
{
    struct role_provider *p = (struct role_provider *)provider;

    p->call = sts_call_cancel(p->call);
    if (p->source)
        credentials_provider_free(TAKE(p->source));
    aws_role_plan_free(TAKE(p->plan));
}

/* Answers "profile <name>: <text>". */
static void fail(struct role_provider *p, enum credentials_outcome outcome,
                 const struct aws_role *role, const char *lead, const char *text)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(CREDENTIALS_TEXT_MAX_BYTES);

    credentials_append_profile(&line, role->profile);
    buffer_printf(&line, ": %s%s", lead, text);
    credentials_provider_fail(&p->head, outcome, line.error < 0 ? text : buffer_string(&line));
}

static void assume_next(struct role_provider *p, struct aws_credentials *credentials);

static void on_assumed(void *userdata, enum credentials_outcome outcome,
                       struct aws_credentials *credentials, const char *error)
{
    struct role_provider *p = userdata;

    p->call = NULL;
    p->n_left--;
    if (!credentials)
        fail(p, outcome, &p->plan->roles[p->n_left], "", error);
    else if (p->n_left == 0)
        credentials_provider_found(&p->head, credentials);
    else
        assume_next(p, credentials);
}

static void assume_next(struct role_provider *p, struct aws_credentials *credentials)
{
    const struct aws_role *role = &p->plan->roles[p->n_left - 1];
    CLEANUP(buffer_done) struct buffer source = BUFFER_INIT(CREDENTIALS_TEXT_MAX_BYTES);
    int r;

    buffer_printf(&source, "%s, ", role->role_arn);
    credentials_append_profile(&source, role->profile);
    r = sts_assume_role(p->sts,
                        &(struct sts_request){
                            .role_arn = role->role_arn,
                            .role_session_name = role->session_name,
                            .external_id = role->external_id,
                            .duration_sec = role->duration_sec,
                            .credentials = credentials,
                            .source = buffer_string(&source),
                        },
                        on_assumed, p, &p->call);
    if (r < 0)
        fail(p, credentials_outcome_of_errno(r), role,
             "AssumeRole cannot be requested: ", strerror(-r));
}

static void on_source(void *userdata, enum credentials_outcome outcome,
                      struct aws_credentials *credentials, const char *text)
{
    struct role_provider *p = userdata;
    const struct aws_role *role = &p->plan->roles[p->n_left - 1];

    if (outcome == CREDENTIALS_FOUND)
        assume_next(p, credentials);
    else
        fail(p,
             outcome == CREDENTIALS_NOT_SET_UP || outcome == CREDENTIALS_NO_ANSWER_YET
                 ? CREDENTIALS_FAILED
                 : outcome,
             role,
             p->plan->source == AWS_ROLE_SOURCE_PROFILE
                 ? "no keys from its source_profile to assume the role with: "
                 : "no keys from its credential_source to assume the role with: ",
             text);
}

static int new_source(struct role_provider *p)
{
    const struct credentials_role_sources *s = &p->sources;

    switch (p->plan->source) {
    case AWS_ROLE_SOURCE_PROFILE:
        return s->profile_new(s->userdata, p->plan->source_profile, &p->source);
    case AWS_ROLE_SOURCE_ENVIRONMENT:
        return s->environment_new(s->userdata, &p->source);
    case AWS_ROLE_SOURCE_INSTANCE_METADATA:
        return s->instance_metadata_new(s->userdata, &p->source);
    case AWS_ROLE_SOURCE_CONTAINER:
        return s->container_new(s->userdata, &p->source);
    }
    return -EINVAL;
}

static int start(struct credentials_provider *provider)
{
    struct role_provider *p = (struct role_provider *)provider;
    CLEANUP(aws_profiles_free) struct aws_profiles *profiles = NULL;
    CLEANUP(free) char *error = NULL;
    int r = credentials_provider_read_files(provider, &profiles, NULL);

    if (r != 0)
        return r;
    r = aws_role_plan(profiles, credentials_provider_profile(provider), &p->plan, &error);
    if (r == AWS_ROLE_E_NONE)
        credentials_provider_lacks(provider, "role_arn");
    else if (r == AWS_ROLE_E_INVALID)
        credentials_provider_fail(provider, CREDENTIALS_FAILED, error);
    if (r != 0)
        return r;
    r = new_source(p);
    if (r < 0)
        return r;
    p->n_left = p->plan->n_roles;
    credentials_provider_fetch(p->source, on_source, p);
    return 0;
}

static const struct credentials_provider_ops ops = {.start = start, .stop = stop};

int credentials_assume_role_new(struct sts *sts, const char *profile,
                                const struct credentials_role_sources *sources,
                                struct credentials_provider **ret)
{
    struct credentials_provider *provider;
    struct role_provider *p;
    int r = credentials_provider_new(sizeof(*p), &ops, "assume role", profile, &provider);

    if (r < 0)
        return r;
    p = (struct role_provider *)provider;
    p->sts = sts;
    p->sources = *sources;
    *ret = provider;
    return 0;
}
