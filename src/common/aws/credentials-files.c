/* SPDX-License-Identifier: MIT */
/* Reads static keys from one of the shared files, `credentials` or `config`. The two are different
 * steps of the chain. Each fetch reads the file anew, so that new keys in the file are found when
 * AWS refuses the old ones. */
#include "aws/credentials-files.h"

#include <errno.h>

#include "aws/files.h"

struct files_provider {
    struct credentials_provider head;
    enum aws_profile_file kind;
};

/* The keys of a profile in one file. A value that is missing is NULL. */
struct keys {
    const char *id, *secret, *token;
};

static struct keys get_keys(const struct aws_profiles *profiles, enum aws_profile_file kind,
                            const char *profile)
{
    struct keys k = {
        .id = aws_profiles_get_from(profiles, kind, profile, "aws_access_key_id", NULL),
        .secret = aws_profiles_get_from(profiles, kind, profile, "aws_secret_access_key", NULL),
        .token = aws_profiles_get_from(profiles, kind, profile, "aws_session_token", NULL),
    };

    if (!is_set(k.token)) /* its older name */
        k.token = aws_profiles_get_from(profiles, kind, profile, "aws_security_token", NULL);
    return k;
}

enum {
    KEYS_NONE,
    KEYS_FOUND,
    KEYS_BAD, /* incomplete or impossible keys: `text` says why */
};

/* Returns one of the values above, or a negative errno. */
static int look_in(const struct aws_profiles *profiles, enum aws_profile_file kind,
                   const char *profile, struct buffer *text, struct aws_credentials **ret)
{
    struct keys k = get_keys(profiles, kind, profile);
    CLEANUP(buffer_done) struct buffer source = BUFFER_INIT(CREDENTIALS_TEXT_MAX_BYTES);
    CLEANUP(aws_credentials_unref) struct aws_credentials *found = NULL;
    CLEANUP(free) char *path = NULL;
    const char *flaw;
    int r;

    if (!is_set(k.id) && !is_set(k.secret))
        return KEYS_NONE;
    r = aws_file_path(kind, &path);
    if (r < 0)
        return r;
    if (!is_set(k.id) || !is_set(k.secret)) {
        buffer_reset(text);
        buffer_printf(text, "%s: profile %s has %s but not %s: add it", path, profile,
                      is_set(k.id) ? "aws_access_key_id" : "aws_secret_access_key",
                      is_set(k.id) ? "aws_secret_access_key" : "aws_access_key_id");
        return KEYS_BAD;
    }
    flaw = aws_credentials_flaw(k.id, k.secret, k.token);
    if (flaw) {
        buffer_reset(text);
        buffer_printf(text, "%s: profile %s: %s", path, profile, flaw);
        return KEYS_BAD;
    }
    buffer_printf(&source, "%s, profile %s", path, profile);
    r = aws_credentials_new(k.id, k.secret, k.token, buffer_string(&source), USEC_INFINITY, &found);
    if (r >= 0)
        r = aws_credentials_set_file(found, path);
    if (r < 0)
        return r;
    *ret = TAKE(found);
    return KEYS_FOUND;
}

/* Appends what was searched. Returns KEYS_NONE or -ENOMEM. */
static int describe_none(const struct aws_profiles *profiles, enum aws_profile_file kind,
                         const char *profile, struct buffer *text)
{
    bool is_there = false;
    int r;

    buffer_reset(text);
    r = aws_file_describe(kind, text, &is_there);
    if (is_there)
        buffer_printf(text, " (%s %s%s)",
                      aws_profiles_has(profiles, profile) ? "profile" : "no profile", profile,
                      aws_profiles_has(profiles, profile) ? " has no keys there" : "");
    return r < 0 ? r : KEYS_NONE;
}

static int start(struct credentials_provider *provider)
{
    const struct files_provider *p = (struct files_provider *)provider;
    const char *profile = credentials_provider_profile(provider);
    CLEANUP(aws_profiles_free) struct aws_profiles *profiles = NULL;
    CLEANUP(aws_credentials_unref) struct aws_credentials *c = NULL;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(CREDENTIALS_TEXT_MAX_BYTES);
    CLEANUP(buffer_done) struct buffer why = BUFFER_INIT(2 * CREDENTIALS_TEXT_MAX_BYTES);
    int r = credentials_provider_read_files(provider, &profiles, &text);

    if (r != 0)
        return r;
    if (aws_profile_is_explicit(provider->profile) && !aws_profiles_has(profiles, profile)) {
        /* A profile that was set explicitly must exist. */
        buffer_printf(
            &why, "no profile %s, which aws.profile or AWS_PROFILE names, was found; looked in %s",
            profile, buffer_string(&text));
        credentials_provider_fail(provider, CREDENTIALS_FAILED, buffer_string(&why));
        return 0;
    }
    r = look_in(profiles, p->kind, profile, &text, &c);
    if (r == KEYS_NONE)
        r = describe_none(profiles, p->kind, profile, &text);
    if (r < 0)
        return r;
    if (c)
        credentials_provider_found(provider, c);
    else
        credentials_provider_fail(provider,
                                  r == KEYS_NONE ? CREDENTIALS_NOT_SET_UP : CREDENTIALS_FAILED,
                                  buffer_string(&text));
    return 0;
}

static const struct credentials_provider_ops ops = {.start = start};

int credentials_files_new(enum aws_profile_file kind, const char *profile,
                          struct credentials_provider **ret)
{
    const char *name = kind == AWS_PROFILE_CREDENTIALS ? "shared credentials file" : "config file";
    struct credentials_provider *provider;
    int r = credentials_provider_new(sizeof(struct files_provider), &ops, name, profile, &provider);

    if (r < 0)
        return r;
    ((struct files_provider *)provider)->kind = kind;
    *ret = provider;
    return 0;
}
