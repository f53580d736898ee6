/* SPDX-License-Identifier: MIT */
/* See credentials-web-identity.h. */
#include "aws/credentials-web-identity.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "aws/files.h"
#include "aws/role.h"
#include "util/clock.h"
#include "util/encode.h"
#include "util/file.h"

enum { TEXT_MAX_BYTES = 8192, SHOWN_BYTES = 256 };

struct web_identity_provider {
    struct credentials_provider head;
    struct sts *sts;
    char *profile; /* as set; NULL: from the environment */
    bool ignore_environment;

    /* Of the fetch on its way. */
    struct sts_call *call;
    credentials_provider_done_fn done;
    void *userdata;
};

/* One of the three settings, and where it came from, for people. */
struct setting {
    const char *value; /* NULL: not set; borrowed from the environment or the profiles */
    const char *name;
};

static struct setting find(const struct web_identity_provider *p,
                           const struct aws_profiles *profiles, const char *variable,
                           const char *key)
{
    const char *value = p->ignore_environment ? NULL : getenv(variable);

    if (is_set(value))
        return (struct setting){value, variable};
    value = aws_profiles_get(profiles, aws_profile_name(p->profile), key, NULL);
    return (struct setting){is_set(value) ? value : NULL, key};
}

static void append_profile(const struct web_identity_provider *p, struct buffer *text)
{
    const char *profile = aws_profile_name(p->profile);

    buffer_append_string(text, "profile ");
    escape_for_log(text, profile, strlen(profile), AWS_ROLE_NAME_SHOWN_BYTES);
}

static void append_value(struct buffer *text, const struct setting *setting)
{
    buffer_printf(text, "%s \"", setting->name);
    escape_for_log(text, setting->value, strlen(setting->value), SHOWN_BYTES);
    buffer_append_char(text, '"');
}

static void fail(struct web_identity_provider *p, const struct buffer *text)
{
    p->done(p->userdata, CREDENTIALS_FAILED, NULL,
            text->size > 0 ? buffer_string(text) : strerror(ENOMEM));
}

static void on_assumed(void *userdata, enum credentials_outcome outcome,
                       struct aws_credentials *credentials, const char *error)
{
    struct web_identity_provider *p = userdata;

    p->call = NULL;
    p->done(p->userdata, outcome, credentials, error);
}

/* Reads the token, without the line end that an editor may have put there. 0, an errno of a
 * passing shortage, or 1 with `text` saying what is wrong. */
static int read_token(const struct setting *file, struct buffer *token, struct buffer *text)
{
    int r = file_read(file->value, STS_WEB_IDENTITY_TOKEN_MAX_BYTES, token);

    if (errno_is_transient(r))
        return r;
    append_value(text, file);
    if (r < 0) {
        buffer_printf(text, ": cannot read the token: %s", file_error_text(r));
        return 1;
    }
    while (token->size > 0 &&
           (token->data[token->size - 1] == '\n' || token->data[token->size - 1] == '\r'))
        token->data[--token->size] = '\0';
    for (size_t i = 0; i < token->size; i++)
        if (token->data[i] <= ' ' || token->data[i] >= 0x7f) {
            buffer_append_string(text, ": holds a character that no token has");
            return 1;
        }
    if (token->size == 0) {
        buffer_append_string(text, ": the file is empty");
        return 1;
    }
    return 0;
}

/* 0, a negative errno, or 1 with `text` saying what is wrong. */
static int start(struct web_identity_provider *p, const struct setting *file,
                 const struct setting *role, const struct setting *session, struct buffer *text)
{
    CLEANUP(buffer_done) struct buffer token = BUFFER_INIT(STS_WEB_IDENTITY_TOKEN_MAX_BYTES);
    CLEANUP(buffer_done) struct buffer source = BUFFER_INIT(TEXT_MAX_BYTES);
    char session_name[32];
    int r;

    if (!role->value) {
        buffer_printf(text, "%s is set, but no role to assume: %s", file->name,
                      p->ignore_environment ? "set role_arn" : "set AWS_ROLE_ARN, or role_arn");
        return 1;
    }
    if (!aws_role_arn_is_valid(role->value)) {
        append_value(text, role);
        buffer_append_string(text, " must be like arn:aws:iam::123456789012:role/name");
        return 1;
    }
    if (session->value && !aws_role_session_name_is_valid(session->value)) {
        append_value(text, session);
        buffer_append_string(text, " must be 2 to 64 of A-Z a-z 0-9 _+=,.@-");
        return 1;
    }
    r = read_token(file, &token, text);
    if (r != 0)
        return r;
    snprintf(session_name, sizeof(session_name), "sqs-demo-%lld", (long long)clock_wall_sec());
    buffer_printf(&source, "%s, web identity", role->value);
    return sts_assume_role(p->sts,
                           &(struct sts_request){
                               .role_arn = role->value,
                               .role_session_name = session->value ? session->value : session_name,
                               .web_identity_token = token.data,
                               .source = buffer_string(&source),
                           },
                           on_assumed, p, &p->call);
}

static int fetch(struct credentials_provider *provider, credentials_provider_done_fn done,
                 void *userdata)
{
    struct web_identity_provider *p = (struct web_identity_provider *)provider;
    CLEANUP(aws_profiles_free) struct aws_profiles *profiles = NULL;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(TEXT_MAX_BYTES);
    CLEANUP(free) char *error = NULL;
    struct setting file, role, session;
    int r = aws_files_read(&profiles, &text, &error);

    p->done = done;
    p->userdata = userdata;
    if (r < 0)
        return r;
    if (r > 0) {
        done(userdata, CREDENTIALS_FAILED, NULL, error);
        return 0;
    }
    buffer_reset(&text);
    file = find(p, profiles, "AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file");
    role = find(p, profiles, "AWS_ROLE_ARN", "role_arn");
    session = find(p, profiles, "AWS_ROLE_SESSION_NAME", "role_session_name");
    if (!file.value) {
        if (!p->ignore_environment)
            buffer_append_string(&text, "AWS_WEB_IDENTITY_TOKEN_FILE is not set, ");
        append_profile(p, &text);
        buffer_append_string(&text, " has no web_identity_token_file");
        done(userdata, CREDENTIALS_NOT_SET_UP, NULL, buffer_string(&text));
        return 0;
    }
    r = start(p, &file, &role, &session, &text);
    if (r > 0)
        fail(p, &text);
    return r < 0 ? r : 0;
}

static void provider_free(struct credentials_provider *provider)
{
    struct web_identity_provider *p = (struct web_identity_provider *)provider;

    sts_call_cancel(p->call);
    free(p->profile);
    free(p);
}

static const struct credentials_provider_ops ops = {.fetch = fetch, .free = provider_free};

int credentials_web_identity_new(struct sts *sts, const char *profile, bool ignore_environment,
                                 struct credentials_provider **ret)
{
    struct web_identity_provider *p = calloc(1, sizeof(*p));

    if (!p)
        return -ENOMEM;
    p->head.ops = &ops;
    p->head.name = "web identity";
    p->sts = sts;
    p->ignore_environment = ignore_environment;
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
