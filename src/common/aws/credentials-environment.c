/* SPDX-License-Identifier: MIT */
/* Reads keys from environment variables. As in botocore, a key id without its secret is an error
 * and ends the chain; it does not count as "not set". */
#include "aws/credentials-environment.h"

#include <errno.h>

#include "util/iso8601.h"

/* 0, or 1 if the variable is malformed. */
static int read_expiration(uint64_t *ret_usec)
{
    const char *expiration = getenv("AWS_CREDENTIAL_EXPIRATION");
    time_t t;

    *ret_usec = USEC_INFINITY;
    if (!is_set(expiration))
        return 0;
    if (iso8601_parse(expiration, &t) < 0 || t < 0)
        return 1;
    *ret_usec = (uint64_t)t * USEC_PER_SEC;
    return 0;
}

static int start(struct credentials_provider *p)
{
    const char *id = getenv("AWS_ACCESS_KEY_ID");
    const char *secret = getenv("AWS_SECRET_ACCESS_KEY");
    const char *token = getenv("AWS_SESSION_TOKEN"), *flaw;
    CLEANUP(aws_credentials_unref) struct aws_credentials *c = NULL;
    uint64_t expiry_usec;
    int r;

    if (!is_set(token))
        token = getenv("AWS_SECURITY_TOKEN");
    if (!is_set(id)) {
        credentials_provider_fail(p, CREDENTIALS_NOT_SET_UP, "AWS_ACCESS_KEY_ID is not set");
        return 0;
    }
    flaw = !is_set(secret)
               ? "AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not: set both or neither"
               : aws_credentials_flaw(id, secret, token);
    if (!flaw && read_expiration(&expiry_usec) > 0)
        flaw = "AWS_CREDENTIAL_EXPIRATION is not an ISO 8601 time such as 2030-01-31T12:00:00Z";
    if (flaw) {
        credentials_provider_fail(p, CREDENTIALS_FAILED, flaw);
        return 0;
    }
    r = aws_credentials_new(id, secret, token, p->name, expiry_usec, &c);
    if (r == 0)
        credentials_provider_found(p, c);
    return r;
}

static const struct credentials_provider_ops ops = {.start = start};

int credentials_environment_new(struct credentials_provider **ret)
{
    return credentials_provider_new(sizeof(struct credentials_provider), &ops, "environment", NULL,
                                    ret);
}
