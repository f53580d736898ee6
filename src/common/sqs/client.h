/* SPDX-License-Identifier: MIT */
/* One SQS operation from its start to its one answer: credentials, signing, sending, classifying,
 * retrying, correcting the clock skew.
 *
 * Every attempt signs anew, with the credentials and the clock of that moment. Transient and
 * throttling failures are retried without end (or up to a bound that the caller sets), after the
 * SDKs' standard retry mode (util/backoff.h); so, slowly, are answers that are not SQS's but those
 * of a portal, a proxy, a gateway (SQS_ERROR_NOT_FROM_SQS). Refused credentials are looked up anew
 * once.
 */
#pragma once

#include <systemd/sd-event.h>

#include "aws/clock-skew.h"
#include "aws/credentials.h"
#include "aws/endpoint.h"
#include "http/client.h"
#include "sqs/error.h"
#include "sqs/reply.h"

struct sqs_client;
struct sqs_call; /* an operation on its way */

enum { SQS_REQUEST_ID_SIZE = 129 };

/* So long an attempt may take at most, beyond its wait, be it that bytes still move; or twice
 * request_timeout_usec where that is more. */
#define SQS_ATTEMPT_MAX_USEC (300 * USEC_PER_SEC)

/* What a call came to. All borrowed for the length of the callback. */
struct sqs_result {
    struct sqs_reply *reply;       /* NULL on failure; sqs_reply_ref to keep it */
    const struct sqs_error *error; /* NULL on success */
    const char *request_id;        /* x-amzn-RequestId of the last reply; "" where none came */
    int http_status;               /* of the last attempt; 0: no reply */
    unsigned attempts;
    uint64_t sent_usec; /* when the last attempt went out, on the boot clock */
};

/* Runs exactly once for each call that was not cancelled, never from inside sqs_client_call. It may
 * start and cancel calls, but not free the client. */
typedef void (*sqs_done_fn)(void *userdata, const struct sqs_result *result);

struct sqs_call_options {
    uint64_t wait_usec;    /* how long SQS itself is asked to wait (long polling) */
    unsigned attempts_max; /* 0: no bound */
    bool keep_trying;     /* faults that only a person can mend are retried too, slowly: missing and
                             refused credentials, a missing queue, a denied action, a KMS key. Then a
                             failure is SQS's "no" to this very request. */
    bool is_denial_final; /* but a denied action is not: the caller can do without */
    uint64_t denial_delay_max_usec; /* a denied action is tried again after so long at most; 0: as
                                       what else only a person can mend */
    bool is_probe; /* its answer is for the caller alone: the observer is not told of it */
    /* Runs before each attempt that does not go out from inside sqs_client_call, when its time has
     * come, and once more where it had to wait for credentials then: so nothing is sent that was
     * not asked about just before. `error` is what the attempt before came to, NULL for the first;
     * `userdata` is the call's. It may free *request and put another in its place, and may not end
     * or start calls. False: no further attempt, the call ends with that error. May be NULL. */
    bool (*before_attempt)(void *userdata, const struct sqs_error *error,
                           struct sqs_request **request);
    /* How long an attempt may take, beyond wait_usec; asked as each goes out, also from inside
     * sqs_client_call. It may not end or start calls. NULL or USEC_INFINITY: as long as its bytes
     * move, within SQS_ATTEMPT_MAX_USEC. */
    uint64_t (*timeout)(void *userdata);
};

/* An attempt that failed and will be repeated. For the log. */
struct sqs_attempt {
    enum sqs_operation operation;
    const struct sqs_error *error; /* code is "" where no answer of AWS's came */
    const char *request_id;        /* "" where none came */
    unsigned attempt;              /* 1: the first */
    uint64_t delay_usec;           /* until the next */
};

/* What all calls of a client tell. The functions must not start, cancel or free anything here. */
struct sqs_client_observer {
    void (*attempt_failed)(void *userdata, const struct sqs_attempt *attempt);
    /* A call got SQS's own answer, and ends with it. `reply`: NULL where SQS said no. */
    void (*answered)(void *userdata, enum sqs_operation operation, const struct sqs_reply *reply);
    /* Calls of that operation, or of the one that does the same for many, were waiting for their
     * next attempt, and the last of them has ended or was cancelled: maybe answered before, maybe
     * not. Told as the operation for one message. */
    void (*retries_ended)(void *userdata, enum sqs_operation operation);
    /* Signatures are made with another clock from now on, for that reason (never SAME). With
     * LEARNT, this machine's clock is off by that many seconds (positive: it is behind). */
    void (*skew_changed)(void *userdata, enum clock_skew_change change, int64_t skew_sec);
    void *userdata;
};

/* All arguments are borrowed and must outlive the client; the observer's functions may be NULL.
 * request_timeout_usec: for how long nothing of an attempt may move, beyond wait_usec. 0, -ENOMEM,
 * -EIO (OpenSSL). */
int sqs_client_new(sd_event *event, struct http_client *http, struct credentials *credentials,
                   const struct endpoint *endpoint, uint64_t request_timeout_usec,
                   const struct sqs_client_observer *observer, struct sqs_client **ret);

/* Cancels what is on its way, silently. */
struct sqs_client *sqs_client_free(struct sqs_client *client);
DEFINE_CLEANUP(struct sqs_client *, sqs_client_free)

/* How late a call may be with what it has a time for, and how long it may wait for credentials,
 * before it counts as hanging. Each place that is asked for keys has its own, much shorter bound.
 */
#define SQS_CALL_STUCK_USEC (10 * USEC_PER_SEC)
#define SQS_CALL_CREDENTIALS_STUCK_USEC (600 * USEC_PER_SEC)

/* What is wrong with a call that cannot go on any more, for people; NULL: all is well. That there
 * is one is a fault of this program. `now_usec`: the boot clock. */
const char *sqs_client_describe_stuck_call(const struct sqs_client *client, uint64_t now_usec);

/* Starts an operation. Takes the request, also on failure. `*ret` is valid until the callback runs
 * or sqs_call_cancel. 0, -ENOMEM, -EIO (OpenSSL), -EBUSY (too many wait for credentials), -EINVAL
 * or -E2BIG (credentials or an endpoint that cannot be signed or sent), or the errno of the event
 * loop: then there is no callback. */
int sqs_client_call(struct sqs_client *client, struct sqs_request *request,
                    const struct sqs_call_options *options, sqs_done_fn done, void *userdata,
                    struct sqs_call **ret);

/* No further attempts: the one on its way is the last, and where none is on its way the call ends
 * with its last error, from the loop. NULL is allowed. */
void sqs_call_stop_retrying(struct sqs_call *call);

/* Ends the call without its callback; what was sent may still take effect at SQS. NULL is allowed.
 * Returns NULL. */
struct sqs_call *sqs_call_cancel(struct sqs_call *call);
