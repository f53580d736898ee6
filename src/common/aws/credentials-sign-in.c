/* SPDX-License-Identifier: MIT */
/* See credentials-sign-in.h. The profile that serves instead must be another one: here sso comes
 * before credential_process, as in the AWS CLI. */
#include "aws/credentials-sign-in.h"

#include <errno.h>

#include "aws/files.h"
#include "util/encode.h"

enum { TEXT_MAX_BYTES = 4096, NAME_SHOWN_BYTES = 128 };

static const struct {
    const char *name, *keys[2], *what;
} kinds[] = {
    [CREDENTIALS_SIGN_IN_SSO] = {"sso", {"sso_account_id", "sso_role_name"}, "aws sso login"},
    [CREDENTIALS_SIGN_IN_LOGIN] = {"login", {"login_session"}, "aws login"},
};

struct sign_in_provider {
    struct credentials_provider head;
    enum credentials_sign_in kind;
    char *profile; /* as set; NULL: from the environment */
};

/* The first of the kind's keys that the profile has, or NULL. */
static const char *find_key(const struct aws_profiles *profiles, const char *profile,
                            enum credentials_sign_in kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds[kind].keys) && kinds[kind].keys[i]; i++)
        if (is_set(aws_profiles_get(profiles, profile, kinds[kind].keys[i], NULL)))
            return kinds[kind].keys[i];
    return NULL;
}

/* The profile's name as an argument of that line: in quotes where it needs them. */
static void append_argument(struct buffer *text, const char *name)
{
    const char *quote = strpbrk(name, " \t\"$`;&|<>*?()#!~") ? "'" : "";

    buffer_append_string(text, quote);
    escape_for_log(text, name, strlen(name), NAME_SHOWN_BYTES);
    buffer_append_string(text, quote);
}

static void explain(struct buffer *text, const char *profile, const char *key,
                    enum credentials_sign_in kind)
{
    buffer_append_string(text, "profile ");
    escape_for_log(text, profile, strlen(profile), NAME_SHOWN_BYTES);
    buffer_printf(text,
                  " has %s: it is for people, who sign in by `%s`. Use another profile, which has "
                  "the line: credential_process = aws configure export-credentials --profile ",
                  key, kinds[kind].what);
    append_argument(text, profile);
    buffer_append_string(text, " --format process");
}

static int fetch(struct credentials_provider *provider, credentials_provider_done_fn done,
                 void *userdata)
{
    struct sign_in_provider *p = (struct sign_in_provider *)provider;
    const char *profile = aws_profile_name(p->profile), *key;
    CLEANUP(aws_profiles_free) struct aws_profiles *profiles = NULL;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(TEXT_MAX_BYTES);
    CLEANUP(free) char *error = NULL;
    int r = aws_files_read(&profiles, &text, &error);

    if (r < 0)
        return r;
    if (r > 0) {
        done(userdata, CREDENTIALS_FAILED, NULL, error);
        return 0;
    }
    buffer_reset(&text);
    key = find_key(profiles, profile, p->kind);
    if (key) {
        explain(&text, profile, key, p->kind);
    } else {
        buffer_append_string(&text, "profile ");
        escape_for_log(&text, profile, strlen(profile), NAME_SHOWN_BYTES);
        buffer_printf(&text, " has no %s", kinds[p->kind].keys[0]);
    }
    done(userdata, key ? CREDENTIALS_FAILED : CREDENTIALS_NOT_SET_UP, NULL, buffer_string(&text));
    return 0;
}

static void provider_free(struct credentials_provider *provider)
{
    struct sign_in_provider *p = (struct sign_in_provider *)provider;

    free(p->profile);
    free(p);
}

static const struct credentials_provider_ops ops = {.fetch = fetch, .free = provider_free};

int credentials_sign_in_new(enum credentials_sign_in kind, const char *profile,
                            struct credentials_provider **ret)
{
    struct sign_in_provider *p = calloc(1, sizeof(*p));

    if (!p)
        return -ENOMEM;
    p->head.ops = &ops;
    p->head.name = kinds[kind].name;
    p->kind = kind;
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
