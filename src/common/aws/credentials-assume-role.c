/* SPDX-License-Identifier: MIT */
/* See credentials-assume-role.h. A fetch reads the files and makes the plan, asks the source for
 * its keys, and assumes the plan's roles from its last to its first, each with the keys of the one
 * before. */
#include "aws/credentials-assume-role.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "aws/files.h"
#include "aws/role.h"
#include "util/clock.h"
#include "util/encode.h"

enum { TEXT_MAX_BYTES = 8192 };

struct role_provider {
    struct credentials_provider head;
    struct sts *sts;
    char *profile; /* as set; NULL: from the environment */
    struct credentials_role_sources sources;

    /* Of the fetch on its way. The source stays until the next: it may be what calls us. */
    struct aws_role_plan *plan;
    size_t n_left; /* roles still to assume */
    struct credentials_provider *source;
    struct sts_call *call;
    credentials_provider_done_fn done;
    void *userdata;
};

static void forget(struct role_provider *p)
{
    p->call = sts_call_cancel(p->call);
    if (p->source)
        credentials_provider_free(TAKE(p->source));
    aws_role_plan_free(TAKE(p->plan));
}

/* Answers "profile <name>: <text>". */
static void fail(struct role_provider *p, enum credentials_outcome outcome,
                 const struct aws_role *role, const char *lead, const char *text)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(TEXT_MAX_BYTES);

    buffer_append_string(&line, "profile ");
    escape_for_log(&line, role->profile, strlen(role->profile), AWS_ROLE_NAME_SHOWN_BYTES);
    buffer_printf(&line, ": %s%s", lead, text);
    p->done(p->userdata, outcome, NULL, line.error < 0 ? text : buffer_string(&line));
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
        p->done(p->userdata, CREDENTIALS_FOUND, credentials, NULL);
    else
        assume_next(p, credentials);
}

static void assume_next(struct role_provider *p, struct aws_credentials *credentials)
{
    const struct aws_role *role = &p->plan->roles[p->n_left - 1];
    CLEANUP(buffer_done) struct buffer source = BUFFER_INIT(TEXT_MAX_BYTES);
    char session_name[32];
    int r;

    snprintf(session_name, sizeof(session_name), "sqs-demo-%lld", (long long)clock_wall_sec());
    buffer_printf(&source, "%s, profile ", role->role_arn);
    escape_for_log(&source, role->profile, strlen(role->profile), AWS_ROLE_NAME_SHOWN_BYTES);
    r = sts_assume_role(
        p->sts,
        &(struct sts_request){
            .role_arn = role->role_arn,
            .role_session_name = role->session_name ? role->session_name : session_name,
            .external_id = role->external_id,
            .duration_sec = role->duration_sec,
            .credentials = credentials,
            .source = buffer_string(&source),
        },
        on_assumed, p, &p->call);
    if (r < 0)
        fail(p, credentials_outcome_of_errno(r), role,
             "AssumeRole cannot be asked for: ", strerror(-r));
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
             outcome == CREDENTIALS_UNREACHABLE || outcome == CREDENTIALS_INTERCEPTED ||
                     outcome == CREDENTIALS_METADATA_INTERCEPTED
                 ? outcome
                 : CREDENTIALS_FAILED,
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

static int start(struct role_provider *p)
{
    int r = new_source(p);

    if (r < 0)
        return r;
    p->n_left = p->plan->n_roles;
    return p->source->ops->fetch(p->source, on_source, p);
}

static int fetch(struct credentials_provider *provider, credentials_provider_done_fn done,
                 void *userdata)
{
    struct role_provider *p = (struct role_provider *)provider;
    const char *profile = aws_profile_name(p->profile);
    CLEANUP(aws_profiles_free) struct aws_profiles *profiles = NULL;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(TEXT_MAX_BYTES);
    CLEANUP(free) char *error = NULL;
    int r;

    forget(p);
    p->done = done;
    p->userdata = userdata;
    r = aws_files_read(&profiles, &text, &error);
    if (r < 0)
        return r;
    if (r > 0) {
        done(userdata, CREDENTIALS_FAILED, NULL, error);
        return 0;
    }
    r = aws_role_plan(profiles, profile, &p->plan, &error);
    if (r == 0)
        return start(p);
    if (r == AWS_ROLE_E_INVALID) {
        done(userdata, CREDENTIALS_FAILED, NULL, error);
        return 0;
    }
    if (r < 0)
        return r;
    buffer_reset(&text);
    buffer_append_string(&text, "profile ");
    escape_for_log(&text, profile, strlen(profile), AWS_ROLE_NAME_SHOWN_BYTES);
    buffer_append_string(&text, " has no role_arn");
    done(userdata, CREDENTIALS_NOT_SET_UP, NULL, buffer_string(&text));
    return 0;
}

static void provider_free(struct credentials_provider *provider)
{
    struct role_provider *p = (struct role_provider *)provider;

    forget(p);
    free(p->profile);
    free(p);
}

static const struct credentials_provider_ops ops = {.fetch = fetch, .free = provider_free};

int credentials_assume_role_new(struct sts *sts, const char *profile,
                                const struct credentials_role_sources *sources,
                                struct credentials_provider **ret)
{
    struct role_provider *p = calloc(1, sizeof(*p));

    if (!p)
        return -ENOMEM;
    p->head.ops = &ops;
    p->head.name = "assume role";
    p->sts = sts;
    p->sources = *sources;
    if (is_set(profile)) {
        p->profile = strdup(profile);
        if (!p->profile) {
            free(p);
            return -ENOMEM;
        }
    }
    *ret = &p->head;
    return 0;
}
