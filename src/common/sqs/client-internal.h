/* SPDX-License-Identifier: MIT */
/* What the files of the client share, each of which uses those that come after it: client.c
 * (the life of a call and of its attempts), attempt-result.c (what came of an attempt, and what
 * follows), call.c (the end of a call). Whatever may end a call is the last thing that a
 * function does with it: sqs_call_finish, sqs_call_attempt_failed and sqs_call_on_reply may. */
#pragma once

#include "aws/clock-skew.h"
#include "sqs/client.h"
#include "sqs/headers.h"
#include "sqs/retry.h"
#include "util/list.h"
#include "util/timer.h"

struct sqs_call {
    struct sqs_client *client;
    struct list link; /* among the client's calls */
    struct sqs_request *request;
    struct sqs_call_options options;
    sqs_done_fn done; /* NULL while the callback runs */
    void *userdata;

    struct credentials_slot *credentials_slot;
    struct http_slot *slot;
    struct timer timer; /* not initialized until it is needed: most first attempts are the last */

    struct aws_credentials *credentials; /* that the attempt on its way was signed with */
    unsigned n_clock_corrections;        /* repeated at once since the clock last seemed right */
    time_t signed_sec;                   /* the time that it was signed with */
    unsigned attempts;
    struct sqs_retry retry;
    bool is_wakeable; /* it waits without tokens: an answer to another may end that (util/backoff.h)
                       */
    struct sqs_error error; /* of the last attempt */
    char request_id[SQS_REQUEST_ID_SIZE];
    int http_status;
    uint64_t sent_usec;
    uint64_t timeout_usec; /* of the attempt on its way */
    uint64_t asked_usec;   /* when it was asked for the credentials that it waits for */
    bool is_failing;       /* counted in the client's n_failing, as this operation: */
    enum sqs_operation failing_operation;
    bool is_last_attempt; /* the caller wants no more */
    bool is_answered;     /* by SQS, for good */
    bool is_answer_ready; /* the timer is to deliver `error`, not to try again */
};

struct sqs_client {
    sd_event *event;
    void (*on_timer)(void *userdata); /* of a call: the next attempt */
    struct http_client *http;
    struct credentials *credentials;
    const struct endpoint *endpoint;
    uint64_t request_timeout_usec;
    struct sqs_client_observer observer;
    struct sqs_headers *headers;
    struct retry_quota quota;
    unsigned n_wakeable;
    struct clock_skew *skew;              /* that of the credentials */
    bool peer_sends_ids;                  /* a reply has had x-amzn-RequestId */
    struct list calls;                    /* the latest first */
    unsigned n_failing[SQS_N_OPERATIONS]; /* calls that failed and were not done then */
};

/* --- call.c --- */

/* Whether an answer to another call may end this one's wait. */
void sqs_call_set_wakeable(struct sqs_call *call, bool is_wakeable);

/* Ends the wait of `n` wakeable calls, of those whose time would come first. */
void sqs_client_wake(struct sqs_client *client, unsigned n);

/* Makes sure that some call finds out whether SQS is back: where no probe is left, wakes the one that
 * would wake first. */
void sqs_client_ensure_probe(struct sqs_client *client);

/* The call has failed and will be repeated: counts it in n_failing until it ends. */
void sqs_call_mark_failing(struct sqs_call *call);

/* The call ends, whatever came of it: lets others go that wait for it to find out whether SQS is
 * back, and the observer know where it was the last one in trouble. */
void sqs_call_leave(struct sqs_call *call);

/* `name`: AWS's, or one of our own (error.h), or "". Of a request that never left,
 * error.was_not_sent is to be set then. */
void sqs_call_set_error(struct sqs_call *call, enum aws_error_class class, const char *name,
                        const char *text);

/* Starts the time after which the next attempt is made. 0, or the errno of the event loop. */
int sqs_call_set_timer(struct sqs_call *call, uint64_t delay_usec);

/* Runs the callback, with the reply or the error that stands in the call (NULL), and frees the
 * call.
 */
void sqs_call_finish(struct sqs_call *call, struct sqs_reply *reply);

/* Silently. */
void sqs_call_free(struct sqs_call *call);

/* --- attempt-result.c --- */

/* The estimate of AWS's clock is another than before: tells the observer. */
void sqs_client_skew_changed(struct sqs_client *client, enum clock_skew_change change);

/* Does what follows a failed attempt, whose error stands in the call: another one, when, or the
 * end. */
void sqs_call_attempt_failed(struct sqs_call *call);

/* http_done_fn of an attempt. */
void sqs_call_on_reply(void *userdata, const struct http_reply *reply);
