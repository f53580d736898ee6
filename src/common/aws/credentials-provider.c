/* SPDX-License-Identifier: MIT */
#include "aws/credentials-provider.h"

#include <errno.h>

#include "aws/files.h"
#include "util/encode.h"

enum credentials_outcome credentials_outcome_of_errno(int error)
{
    if (errno_is_transient(error))
        return CREDENTIALS_SHORTAGE;
    return error == -EINVAL || error == -E2BIG ? CREDENTIALS_FAILED : CREDENTIALS_UNREACHABLE;
}

void credentials_provider_cancel(struct credentials_provider *provider)
{
    if (provider->ops->stop)
        provider->ops->stop(provider);
    provider->done = NULL;
}

void credentials_provider_fetch(struct credentials_provider *provider,
                                credentials_provider_done_fn done, void *userdata)
{
    int r;

    credentials_provider_cancel(provider);
    provider->done = done;
    provider->userdata = userdata;
    r = provider->ops->start(provider);
    if (r >= 0)
        return;
    if (provider->ops->stop)
        provider->ops->stop(provider);
    credentials_provider_fail(provider, credentials_outcome_of_errno(r), strerror(-r));
}

int credentials_provider_new(size_t size, const struct credentials_provider_ops *ops,
                             const char *name, const char *profile,
                             struct credentials_provider **ret)
{
    CLEANUP(free) struct credentials_provider *provider = calloc(1, size);

    if (!provider)
        return -ENOMEM;
    provider->ops = ops;
    provider->name = name;
    if (is_set(profile)) {
        provider->profile = strdup(profile);
        if (!provider->profile)
            return -ENOMEM;
    }
    *ret = TAKE(provider);
    return 0;
}

void credentials_provider_free(struct credentials_provider *provider)
{
    credentials_provider_cancel(provider);
    if (provider->ops->free)
        provider->ops->free(provider);
    free(provider->profile);
    free(provider);
}

void credentials_provider_answer(struct credentials_provider *provider,
                                 enum credentials_outcome outcome,
                                 struct aws_credentials *credentials, const char *text)
{
    credentials_provider_done_fn done = TAKE(provider->done);
    const char *flaw = credentials ? aws_credentials_flaw(credentials->access_key_id,
                                                          credentials->secret_access_key,
                                                          credentials->session_token)
                                   : NULL;

    if (flaw) {
        outcome = CREDENTIALS_FAILED;
        credentials = NULL;
        text = flaw;
    }
    if (!credentials && !is_set(text))
        text = "out of memory";
    done(provider->userdata, outcome, credentials, credentials ? NULL : text);
}

void credentials_provider_found(struct credentials_provider *provider,
                                struct aws_credentials *credentials)
{
    credentials_provider_answer(provider, CREDENTIALS_FOUND, credentials, NULL);
}

void credentials_provider_fail(struct credentials_provider *provider,
                               enum credentials_outcome outcome, const char *text)
{
    credentials_provider_answer(provider, outcome, NULL, text);
}

const char *credentials_provider_profile(const struct credentials_provider *provider)
{
    return aws_profile_name(provider->profile);
}

void credentials_append_profile(struct buffer *text, const char *profile)
{
    buffer_append_string(text, "profile ");
    escape_for_log(text, profile, strlen(profile), CREDENTIALS_NAME_SHOWN_BYTES);
}

void credentials_provider_lacks(struct credentials_provider *provider, const char *setting)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(CREDENTIALS_TEXT_MAX_BYTES);

    credentials_append_profile(&text, credentials_provider_profile(provider));
    buffer_printf(&text, " has no %s", setting);
    credentials_provider_fail(provider, CREDENTIALS_NOT_SET_UP, buffer_string(&text));
}

int credentials_provider_read_files(struct credentials_provider *provider,
                                    struct aws_profiles **ret, struct buffer *looked_at)
{
    CLEANUP(buffer_done) struct buffer paths = BUFFER_INIT(CREDENTIALS_TEXT_MAX_BYTES);
    CLEANUP(free) char *error = NULL;
    int r = aws_files_read(ret, looked_at ? looked_at : &paths, &error);

    if (r > 0)
        credentials_provider_fail(provider, CREDENTIALS_FAILED, error);
    return r;
}

int credentials_provider_read_json(enum credentials_json_form form, const char *text,
                                   size_t text_bytes, const char *source,
                                   struct aws_credentials **ret, char **error)
{
    CLEANUP(credentials_json_done) struct credentials_json json = {.expiry_usec = USEC_INFINITY};
    int r = credentials_json_parse(form, text, text_bytes, &json, error);

    return r != 0 ? r
                  : aws_credentials_new(json.access_key_id, json.secret_access_key,
                                        json.session_token, source, json.expiry_usec, ret);
}
