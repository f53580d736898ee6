/* SPDX-License-Identifier: MIT */
#include "aws/credentials-value.h"

#include <errno.h>

#include "util/buffer.h"

int aws_credentials_new(const char *access_key_id, const char *secret_access_key,
                        const char *session_token, const char *source, uint64_t expiry_usec,
                        struct aws_credentials **ret)
{
    CLEANUP(aws_credentials_unref) struct aws_credentials *c = calloc(1, sizeof(*c));

    if (!c)
        return -ENOMEM;
    c->references = 1;
    c->expiry_usec = expiry_usec;
    c->access_key_id = strdup(access_key_id);
    c->secret_access_key = strdup(secret_access_key);
    c->session_token = is_set(session_token) ? strdup(session_token) : NULL;
    c->source = strdup(source);
    if (!c->access_key_id || !c->secret_access_key || !c->source ||
        (is_set(session_token) && !c->session_token))
        return -ENOMEM;
    *ret = TAKE(c);
    return 0;
}

int aws_credentials_set_file(struct aws_credentials *c, const char *path)
{
    c->path = strdup(path);
    if (!c->path)
        return -ENOMEM;
    if (stat(path, &c->stamp) < 0)
        c->stamp = (struct stat){};
    return 0;
}

bool aws_credentials_has_file_changed(const struct aws_credentials *c)
{
    struct stat now;

    if (stat(c->path, &now) < 0)
        return true;
    return now.st_dev != c->stamp.st_dev || now.st_ino != c->stamp.st_ino ||
           now.st_size != c->stamp.st_size || now.st_mtim.tv_sec != c->stamp.st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != c->stamp.st_mtim.tv_nsec;
}

/* Whether the text is printable ASCII without spaces, and not too long. */
static bool is_fit(const char *text, size_t max_bytes)
{
    size_t size = 0;

    for (; text[size] != '\0'; size++)
        if (size == max_bytes || text[size] <= ' ' || text[size] > '~')
            return false;
    return true;
}

#define FLAW " has a space, a line break or another character that no key has, or is too long"

const char *aws_credentials_flaw(const char *access_key_id, const char *secret_access_key,
                                 const char *session_token)
{
    if (!is_fit(access_key_id, CREDENTIALS_KEY_ID_MAX_BYTES))
        return "the access key id" FLAW;
    if (!is_fit(secret_access_key, CREDENTIALS_SECRET_MAX_BYTES))
        return "the secret access key" FLAW;
    if (session_token && !is_fit(session_token, CREDENTIALS_TOKEN_MAX_BYTES))
        return "the session token" FLAW;
    return NULL;
}

struct aws_credentials *aws_credentials_ref(struct aws_credentials *c)
{
    c->references++;
    return c;
}

struct aws_credentials *aws_credentials_unref(struct aws_credentials *c)
{
    if (!c || --c->references > 0)
        return NULL;
    secret_free(c->access_key_id);
    secret_free(c->secret_access_key);
    secret_free(c->session_token);
    free(c->source);
    free(c->path);
    free(c);
    return NULL;
}
