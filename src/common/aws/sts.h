/* SPDX-License-Identifier: MIT */
/* AWS's Security Token Service, as far as credentials need it: AssumeRole and
 * AssumeRoleWithWebIdentity, over its Query protocol (AWS STS API Reference, version 2011-06-15).
 */
#pragma once

#include <systemd/sd-event.h>

#include "aws/clock-skew.h"
#include "aws/credentials-provider.h"
#include "http/client.h"

struct sts;
struct sts_call; /* a call on its way */

struct sts_options {
    const char *region;       /* to sign for; must be set */
    const char *endpoint_url; /* set explicitly; NULL or "": the region's */
    bool use_fips;
    bool use_dualstack;
    struct clock_skew *skew; /* to sign with, and to correct; borrowed, must outlive it */
};

enum {
    STS_ATTEMPTS_MAX = 3, /* where failures are transient; AWS's words end the call at once */
    STS_WEB_IDENTITY_TOKEN_MAX_BYTES = 20000,
};

/* How long nothing may move in an attempt that is connected, and how long a whole attempt may take,
 * connecting included, which may be given 60 s. */
#define STS_TIMEOUT_USEC (10 * USEC_PER_SEC)
#define STS_ATTEMPT_MAX_USEC (90 * USEC_PER_SEC)

/* All copied, or referenced, for as long as the call lasts. */
struct sts_request {
    const char *role_arn;
    const char *role_session_name;       /* NULL: "sqs-demo-" and the time */
    const char *external_id;             /* NULL or "": none */
    unsigned duration_sec;               /* 0: as the role has it */
    const char *web_identity_token;      /* set: AssumeRoleWithWebIdentity, which is not signed */
    struct aws_credentials *credentials; /* to sign AssumeRole with; NULL with a token */
    const char *source;                  /* for aws_credentials.source */
};

/* Runs exactly once for each call that was not cancelled, never from inside sts_assume_role. Either
 * the keys (FOUND), or `error` with FAILED where STS has said no or the request cannot be, and with
 * UNREACHABLE where STS itself gave no answer: the network, a time-out, 5xx, throttling; with
 * INTERCEPTED where a proxy or a sign-in page answered in its place.
 * `error` is one line that names the action, the role, the host and the reason, and
 * holds nothing secret. Both are borrowed. The callback may start and cancel calls, but not free
 * `sts`. */
typedef void (*sts_done_fn)(void *userdata, enum credentials_outcome outcome,
                            struct aws_credentials *credentials, const char *error);

/* The event loop and the http client are borrowed and must outlive it. Options that cannot be (a
 * bad URL, FIPS with an endpoint of one's own) are no error here but of each call: few need STS at
 * all. 0, -ENOMEM, or -EIO where OpenSSL lacks SHA-256. */
int sts_new(sd_event *event, struct http_client *http, const struct sts_options *options,
            struct sts **ret);

/* Ends the calls on their way, silently. */
struct sts *sts_free(struct sts *sts);
DEFINE_CLEANUP(struct sts *, sts_free)

/* Starts a call. `*ret` is valid until the callback runs or the call is cancelled. 0, -ENOMEM,
 * -EINVAL (neither token nor credentials, or both), or the errno of the event loop. */
int sts_assume_role(struct sts *sts, const struct sts_request *request, sts_done_fn done,
                    void *userdata, struct sts_call **ret);

/* Ends the call without its callback. NULL is allowed. Returns NULL. */
struct sts_call *sts_call_cancel(struct sts_call *call);
