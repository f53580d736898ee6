/* SPDX-License-Identifier: MIT */
/* The error proposes a credential_process in another profile. In the same profile it would not be
 * used, because sso comes before credential_process here, as in the AWS CLI. */
#include "aws/credentials-sign-in.h"

#include <errno.h>

#include "util/encode.h"

static const struct {
    const char *name, *keys[2], *what;
} kinds[] = {
    [CREDENTIALS_SIGN_IN_SSO] = {"sso", {"sso_account_id", "sso_role_name"}, "aws sso login"},
    [CREDENTIALS_SIGN_IN_LOGIN] = {"login", {"login_session"}, "aws login"},
};

struct sign_in_provider {
    struct credentials_provider head;
    enum credentials_sign_in kind;
};

/* The first setting of this kind that the profile has, or NULL. */
static const char *find_key(const struct aws_profiles *profiles, const char *profile,
                            enum credentials_sign_in kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds[kind].keys) && kinds[kind].keys[i]; i++)
        if (is_set(aws_profiles_get(profiles, profile, kinds[kind].keys[i], NULL)))
            return kinds[kind].keys[i];
    return NULL;
}

/* Appends the profile's name as a shell argument, in quotes if it needs them. */
static void append_argument(struct buffer *text, const char *name)
{
    const char *quote = strpbrk(name, " \t\"$`;&|<>*?()#!~") ? "'" : "";

    buffer_append_string(text, quote);
    escape_for_log(text, name, strlen(name), CREDENTIALS_NAME_SHOWN_BYTES);
    buffer_append_string(text, quote);
}

static void explain(struct buffer *text, const char *profile, const char *key,
                    enum credentials_sign_in kind)
{
    credentials_append_profile(text, profile);
    buffer_printf(text,
                  " has %s: it is for people, who sign in by `%s`. Use another profile, which has "
                  "the line: credential_process = aws configure export-credentials --profile ",
                  key, kinds[kind].what);
    append_argument(text, profile);
    buffer_append_string(text, " --format process");
}

static int start(struct credentials_provider *provider)
{
    enum credentials_sign_in kind = ((struct sign_in_provider *)provider)->kind;
    const char *profile = credentials_provider_profile(provider), *key;
    CLEANUP(aws_profiles_free) struct aws_profiles *profiles = NULL;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(CREDENTIALS_TEXT_MAX_BYTES);
    int r = credentials_provider_read_files(provider, &profiles, NULL);

    if (r != 0)
        return r;
    key = find_key(profiles, profile, kind);
    if (!key) {
        credentials_provider_lacks(provider, kinds[kind].keys[0]);
        return 0;
    }
    explain(&text, profile, key, kind);
    credentials_provider_fail(provider, CREDENTIALS_FAILED, buffer_string(&text));
    return 0;
}

static const struct credentials_provider_ops ops = {.start = start};

int credentials_sign_in_new(enum credentials_sign_in kind, const char *profile,
                            struct credentials_provider **ret)
{
    struct credentials_provider *provider;
    int r = credentials_provider_new(sizeof(struct sign_in_provider), &ops, kinds[kind].name,
                                     profile, &provider);

    if (r < 0)
        return r;
    ((struct sign_in_provider *)provider)->kind = kind;
    *ret = provider;
    return 0;
}
