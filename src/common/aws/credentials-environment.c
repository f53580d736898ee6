/* SPDX-License-Identifier: MIT */
/* Keys in environment variables. A key id without its secret is a mistake, not "nothing here", and
 * ends the chain: as in botocore. */
#include "aws/credentials.h"

#include <errno.h>

#include "util/iso8601.h"

static int fetch(struct credentials_provider *provider, credentials_provider_done_fn done,
                 void *userdata)
{
    const char *id = getenv("AWS_ACCESS_KEY_ID");
    const char *secret = getenv("AWS_SECRET_ACCESS_KEY");
    const char *token = getenv("AWS_SESSION_TOKEN");
    const char *expiration = getenv("AWS_CREDENTIAL_EXPIRATION"), *flaw;
    CLEANUP(aws_credentials_unref) struct aws_credentials *c = NULL;
    uint64_t expiry_usec = USEC_INFINITY;
    time_t t;
    int r;

    if (!is_set(token))
        token = getenv("AWS_SECURITY_TOKEN");
    if (!is_set(id)) {
        done(userdata, CREDENTIALS_NOT_SET_UP, NULL, "AWS_ACCESS_KEY_ID is not set");
        return 0;
    }
    if (!is_set(secret)) {
        done(userdata, CREDENTIALS_FAILED, NULL,
             "AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not: set both or neither");
        return 0;
    }
    flaw = aws_credentials_flaw(id, secret, token);
    if (flaw) {
        done(userdata, CREDENTIALS_FAILED, NULL, flaw);
        return 0;
    }
    if (is_set(expiration)) {
        if (iso8601_parse(expiration, &t) < 0 || t < 0) {
            done(userdata, CREDENTIALS_FAILED, NULL,
                 "AWS_CREDENTIAL_EXPIRATION is not an ISO 8601 time such as 2030-01-31T12:00:00Z");
            return 0;
        }
        expiry_usec = (uint64_t)t * USEC_PER_SEC;
    }
    r = aws_credentials_new(id, secret, token, provider->name, expiry_usec, &c);
    if (r < 0)
        return r;
    done(userdata, CREDENTIALS_FOUND, c, NULL);
    return 0;
}

static void provider_free(struct credentials_provider *provider)
{
    free(provider);
}

static const struct credentials_provider_ops ops = {.fetch = fetch, .free = provider_free};

int credentials_environment_new(struct credentials_provider **ret)
{
    struct credentials_provider *p = calloc(1, sizeof(*p));

    if (!p)
        return -ENOMEM;
    p->ops = &ops;
    p->name = "environment";
    *ret = p;
    return 0;
}
