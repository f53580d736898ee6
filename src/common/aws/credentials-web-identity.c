/* SPDX-License-Identifier: MIT */
#include "aws/credentials-web-identity.h"

#include <errno.h>

#include "aws/role.h"
#include "util/encode.h"
#include "util/file.h"

enum { SHOWN_BYTES = 256 };

struct web_identity_provider {
    struct credentials_provider head;
    struct sts *sts;
    bool ignore_environment;

    /* State of the current fetch. */
    struct sts_call *call;
};

/* One of the three settings. `name` says, for people, where it came from. */
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
    value = aws_profiles_get(profiles, credentials_provider_profile(&p->head), key, NULL);
    return (struct setting){is_set(value) ? value : NULL, key};
}

static void append_value(struct buffer *text, const struct setting *setting)
{
    buffer_printf(text, "%s \"", setting->name);
    escape_for_log(text, setting->value, strlen(setting->value), SHOWN_BYTES);
    buffer_append_char(text, '"');
}

static void on_assumed(void *userdata, enum credentials_outcome outcome,
                       struct aws_credentials *credentials, const char *error)
{
    struct web_identity_provider *p = userdata;

    p->call = NULL;
    credentials_provider_answer(&p->head, outcome, credentials, error);
}

/* Reads the token, without the line end that an editor may have added. 0, the errno of a passing
 * shortage, or 1 if `text` says what is wrong. */
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

/* 0, a negative errno, or 1 if `text` says what is wrong. */
static int assume(struct web_identity_provider *p, const struct setting *file,
                  const struct setting *role, const struct setting *session, struct buffer *text)
{
    CLEANUP(buffer_done) struct buffer token = BUFFER_INIT(STS_WEB_IDENTITY_TOKEN_MAX_BYTES);
    CLEANUP(buffer_done) struct buffer source = BUFFER_INIT(CREDENTIALS_TEXT_MAX_BYTES);
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
    buffer_printf(&source, "%s, web identity", role->value);
    return sts_assume_role(p->sts,
                           &(struct sts_request){
                               .role_arn = role->value,
                               .role_session_name = session->value,
                               .web_identity_token = token.data,
                               .source = buffer_string(&source),
                           },
                           on_assumed, p, &p->call);
}

static int start(struct credentials_provider *provider)
{
    struct web_identity_provider *p = (struct web_identity_provider *)provider;
    CLEANUP(aws_profiles_free) struct aws_profiles *profiles = NULL;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(CREDENTIALS_TEXT_MAX_BYTES);
    struct setting file, role, session;
    int r = credentials_provider_read_files(provider, &profiles, NULL);

    if (r != 0)
        return r;
    file = find(p, profiles, "AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file");
    role = find(p, profiles, "AWS_ROLE_ARN", "role_arn");
    session = find(p, profiles, "AWS_ROLE_SESSION_NAME", "role_session_name");
    if (!file.value) {
        if (!p->ignore_environment)
            buffer_append_string(&text, "AWS_WEB_IDENTITY_TOKEN_FILE is not set, ");
        credentials_append_profile(&text, credentials_provider_profile(provider));
        buffer_append_string(&text, " has no web_identity_token_file");
        credentials_provider_fail(provider, CREDENTIALS_NOT_SET_UP, buffer_string(&text));
        return 0;
    }
    r = assume(p, &file, &role, &session, &text);
    if (r > 0)
        credentials_provider_fail(provider, CREDENTIALS_FAILED, buffer_string(&text));
    return r;
}

static void stop(struct credentials_provider *provider)
{
    struct web_identity_provider *p = (struct web_identity_provider *)provider;

    p->call = sts_call_cancel(p->call);
}

static const struct credentials_provider_ops ops = {.start = start, .stop = stop};

int credentials_web_identity_new(struct sts *sts, const char *profile, bool ignore_environment,
                                 struct credentials_provider **ret)
{
    struct credentials_provider *provider;
    struct web_identity_provider *p;
    int r = credentials_provider_new(sizeof(*p), &ops, "web identity", profile, &provider);

    if (r < 0)
        return r;
    p = (struct web_identity_provider *)provider;
    p->sts = sts;
    p->ignore_environment = ignore_environment;
    *ret = provider;
    return 0;
}
