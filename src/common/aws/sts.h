/* SPDX-License-Identifier: MIT */
/* Calls AWS's Security Token Service: only AssumeRole and AssumeRoleWithWebIdentity, over its Query
 * protocol (AWS STS API Reference, version 2011-06-15). */
#pragma once

#include <systemd/sd-event.h>

#include "aws/clock-skew.h"
#include "aws/credentials-provider.h"
#include "http/client.h"

struct sts;
struct sts_call; /* a call without a result yet */

struct sts_options {
    const char *region;       /* to sign for; must be set */
    const char *endpoint_url; /* explicit; NULL or "": the region's */
    bool use_fips;
    bool use_dualstack;
    struct clock_skew *skew; /* to sign with, and to correct; borrowed, must outlive it */
};

enum {
    STS_ATTEMPTS_MAX = 3, /* after transient failures; a refusal by AWS ends the call at once */
    STS_WEB_IDENTITY_TOKEN_MAX_BYTES = 20000,
};

/* How long a connected attempt may be without progress, and how long a whole attempt may take. The
 * latter includes the time to connect, which may be up to 60 s. */
#define STS_TIMEOUT_USEC (10 * USEC_PER_SEC)
#define STS_ATTEMPT_MAX_USEC (90 * USEC_PER_SEC)

/* The call copies the strings and takes a reference to the credentials. */
struct sts_request {
    const char *role_arn;
    const char *role_session_name;       /* NULL: "sqs-demo-" and the time */
    const char *external_id;             /* NULL or "": none */
    unsigned duration_sec;               /* 0: not sent, STS uses its default */
    const char *web_identity_token;      /* set: AssumeRoleWithWebIdentity, which is not signed */
    struct aws_credentials *credentials; /* to sign AssumeRole with; NULL with a token */
    const char *source;                  /* for aws_credentials.source */
};

/* Runs exactly once for each call that is not cancelled, never inside sts_assume_role. The outcome
 * is FOUND with keys, or one of these with `error`:
 * - FAILED: STS has refused, or the request is impossible.
 * - UNREACHABLE: STS itself gave no answer (the network, a time-out, 5xx, throttling).
 * - SHORTAGE: this machine is short of memory or descriptors.
 * - INTERCEPTED: a proxy or a sign-in page answered instead of STS.
 * `error` is one line that names the action, the role, the host and the reason, and contains
 * nothing secret. Both are borrowed. The callback may start and cancel calls, but must not free
 * `sts`. */
typedef void (*sts_done_fn)(void *userdata, enum credentials_outcome outcome,
                            struct aws_credentials *credentials, const char *error);

/* The event loop and the http client are borrowed and must outlive it. Impossible options (a bad
 * URL, FIPS with a custom endpoint) are no error here. Instead each call fails with them, because
 * few daemons need STS at all. 0, -ENOMEM, or -EIO if OpenSSL lacks SHA-256. */
int sts_new(sd_event *event, struct http_client *http, const struct sts_options *options,
            struct sts **ret);

/* Cancels all calls, without callbacks. */
struct sts *sts_free(struct sts *sts);
DEFINE_CLEANUP(struct sts *, sts_free)

/* Starts a call. `*ret` is valid until the callback runs or the call is cancelled. 0, -ENOMEM,
 * -EINVAL (neither token nor credentials, or both), or the errno of the event loop. */
int sts_assume_role(struct sts *sts, const struct sts_request *request, sts_done_fn done,
                    void *userdata, struct sts_call **ret);

/* Ends the call without its callback. NULL is allowed. Returns NULL. */
struct sts_call *sts_call_cancel(struct sts_call *call);
