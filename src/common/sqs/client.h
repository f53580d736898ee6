/* SPDX-License-Identifier: MIT */
/* Runs SQS operations. It gets credentials, signs, sends, classifies the answer, retries, and
 * corrects the clock skew, until the operation has its one result.
 *
 * Each attempt is signed anew, with the credentials and the clock of that moment. Transient and
 * throttling failures are retried without end, or up to the caller's bound, as in the SDKs'
 * standard retry mode (aws/backoff.h). Answers that come from a portal, a proxy or a gateway
 * instead of SQS (SQS_ERROR_NOT_FROM_SQS) are retried too, but slowly. Refused credentials are
 * looked up anew once. */
#pragma once

#include <systemd/sd-event.h>

#include "aws/clock-skew.h"
#include "aws/credentials.h"
#include "aws/endpoint.h"
#include "http/client.h"
#include "sqs/error.h"
#include "sqs/reply.h"

struct sqs_client;
struct sqs_call; /* an operation without a result yet */

enum { SQS_REQUEST_ID_SIZE = 129 };

/* The longest time for one attempt, beyond wait_usec, even if bytes still move. If twice
 * request_timeout_usec is more, that is the longest time. */
#define SQS_ATTEMPT_MAX_USEC (300 * USEC_PER_SEC)

/* The result of a call. All is borrowed for the length of the callback. */
struct sqs_result {
    struct sqs_reply *reply;       /* NULL on failure; sqs_reply_ref to keep it */
    const struct sqs_error *error; /* NULL on success */
    const char *request_id;        /* x-amzn-RequestId of the last reply; "": none */
    int http_status;               /* of the last attempt; 0: no reply */
    unsigned attempts;
    uint64_t sent_usec; /* when the last attempt went out, on the boot clock */
};

/* Runs exactly once for each call that is not cancelled, never inside sqs_client_call. It may start
 * and cancel calls, but must not free the client. */
typedef void (*sqs_done_fn)(void *userdata, const struct sqs_result *result);

struct sqs_call_options {
    uint64_t wait_usec;    /* how long the request asks SQS to wait (long polling) */
    unsigned attempts_max; /* 0: no bound */
    bool keep_trying;      /* also retry, slowly, the faults that only a person can repair: missing
                             or refused credentials, a missing queue, a denied action, a KMS key.
                             Then a failed call means that SQS refuses this very request. */
    bool is_denial_final;  /* even with keep_trying, do not retry a denied action */
    uint64_t denial_delay_max_usec; /* the longest delay before a denied action is retried; 0: the
                                       same delay as for other faults that a person must repair */
    bool is_probe;                  /* do not report its answer to the observer's `answered` */
    /* Asks whether an attempt is still wanted. It runs when the time of the attempt has come, but
     * not for a first attempt that sqs_client_call sends itself. It runs once more if the attempt
     * then has to wait for credentials. So the caller is always asked just before sending. `error`
     * is the failure of the previous attempt, NULL before the first; `userdata` is the call's. It
     * may free *request and put another in its place; it must not end or start calls. False: no
     * further attempt, the call ends with that error. May be NULL. */
    bool (*before_attempt)(void *userdata, const struct sqs_error *error,
                           struct sqs_request **request);
    /* How long an attempt may take, beyond wait_usec. It runs just before each attempt is sent,
     * also inside sqs_client_call. It must not end or start calls. NULL or USEC_INFINITY: as long
     * as bytes move, within SQS_ATTEMPT_MAX_USEC. */
    uint64_t (*timeout)(void *userdata);
};

/* A failed attempt after which the call is retried. For the log. */
struct sqs_attempt {
    enum sqs_operation operation;
    const struct sqs_error *error; /* its code is "" if AWS did not answer */
    const char *request_id;        /* "": none */
    unsigned attempt;              /* 1: the first */
    uint64_t delay_usec;           /* until the next */
};

/* Reports about all calls of a client. These functions must not start or cancel calls, or free the
 * client. */
struct sqs_client_observer {
    void (*attempt_failed)(void *userdata, const struct sqs_attempt *attempt);
    /* A call got SQS's own answer, and ends with it. `reply`: NULL if SQS refused the request. */
    void (*answered)(void *userdata, enum sqs_operation operation, const struct sqs_reply *reply);
    /* Calls of this operation or of its batch form were being retried, and the last of them has
     * ended or was cancelled. It may have been answered or not. `operation` is the one for a single
     * message (sqs_operation_single). */
    void (*retries_ended)(void *userdata, enum sqs_operation operation);
    /* From now on, signatures use another clock. `change` is the reason, never UNCHANGED. With
     * LEARNT, `skew_sec` is AWS's clock minus this machine's. */
    void (*skew_changed)(void *userdata, enum clock_skew_change change, int64_t skew_sec);
    void *userdata;
};

/* All arguments are borrowed and must outlive the client. The observer's functions may be NULL.
 * request_timeout_usec: an attempt fails after this time without progress, beyond wait_usec. 0,
 * -ENOMEM, -EIO (OpenSSL). */
int sqs_client_new(sd_event *event, struct http_client *http, struct credentials *credentials,
                   const struct endpoint *endpoint, uint64_t request_timeout_usec,
                   const struct sqs_client_observer *observer, struct sqs_client **ret);

/* How an attempt has ended. */
enum sqs_attempt_result {
    SQS_ATTEMPT_SUCCEEDED,
    SQS_ATTEMPT_REFUSED, /* SQS refuses the request: a permission, a missing queue, ... */
    SQS_ATTEMPT_THROTTLED,
    SQS_ATTEMPT_UNAUTHORIZED, /* the keys or the time of the signature are refused */
    SQS_ATTEMPT_FAILED,       /* a server's error, or an answer that is not SQS's or is damaged */
    SQS_ATTEMPT_UNANSWERED,   /* not connected, cut off, timed out */
    SQS_ATTEMPT_N_RESULTS,
};

/* What the client has done since its start. */
struct sqs_client_counts {
    uint64_t attempts[SQS_N_OPERATIONS][SQS_ATTEMPT_N_RESULTS];
    uint64_t retries[SQS_N_OPERATIONS]; /* attempts that another one follows */
};
const struct sqs_client_counts *sqs_client_counts(const struct sqs_client *client);

/* Changes request_timeout_usec for later attempts. */
void sqs_client_set_request_timeout(struct sqs_client *client, uint64_t usec);

/* Cancels all calls, without callbacks. */
struct sqs_client *sqs_client_free(struct sqs_client *client);
DEFINE_CLEANUP(struct sqs_client *, sqs_client_free)

/* A call counts as stalled when it misses its own deadline by the first time, or waits for
 * credentials for the second. Each source of credentials has its own, much shorter limit. */
#define SQS_CALL_STUCK_USEC (10 * USEC_PER_SEC)
#define SQS_CALL_CREDENTIALS_STUCK_USEC (600 * USEC_PER_SEC)

/* Describes, for people, what is wrong with a stalled call; NULL: none is stalled. A stalled call
 * is a bug of this program. `now_usec`: the boot clock. */
const char *sqs_client_describe_stuck_call(const struct sqs_client *client, uint64_t now_usec);

/* Starts an operation. Takes the request, also on failure. `*ret` is valid until the callback runs
 * or sqs_call_cancel is called. 0, -ENOMEM, -EIO (OpenSSL), -EBUSY (too many calls wait for
 * credentials), -EINVAL or -E2BIG (the credentials or the endpoint cannot be signed or sent), or
 * the errno of the event loop. On failure the callback does not run. */
int sqs_client_call(struct sqs_client *client, struct sqs_request *request,
                    const struct sqs_call_options *options, sqs_done_fn done, void *userdata,
                    struct sqs_call **ret);

/* Prevents further attempts. If an attempt is under way, it is the last. If none is, the call ends
 * with its last error; the callback runs later, from the event loop. NULL is allowed. */
void sqs_call_stop_retrying(struct sqs_call *call);

/* Ends the call without its callback. A request that was sent may still take effect at SQS. NULL is
 * allowed. Returns NULL. */
struct sqs_call *sqs_call_cancel(struct sqs_call *call);
