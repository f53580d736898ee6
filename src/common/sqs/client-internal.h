/* SPDX-License-Identifier: MIT */
/* The structures and functions that the files of the client share. Each file uses only the ones
 * after it: client.c (starts calls and attempts), attempt-result.c (handles the result of an
 * attempt), call.c (ends a call).
 *
 * sqs_call_finish, sqs_call_attempt_failed and sqs_call_on_reply may free the call: a function that
 * calls one of them must not use the call afterwards. */
#pragma once

#include "aws/clock-correction.h"
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
    struct timer timer; /* initialized when it is needed: most calls need no second attempt */

    struct aws_credentials *credentials; /* the last attempt was signed with these; NULL: none */
    struct clock_correction clock;       /* of the last attempt's signature */
    unsigned attempts;
    struct sqs_retry retry;
    bool is_wakeable; /* no tokens are left: another call's answer may end the wait (aws/backoff.h)
                       */
    struct sqs_error error; /* of the last attempt */
    char request_id[SQS_REQUEST_ID_SIZE];
    int http_status;
    uint64_t sent_usec;
    uint64_t timeout_usec;           /* of the last attempt */
    uint64_t credentials_asked_usec; /* when the call began to wait for credentials */
    bool is_failing;                 /* counted in the client's n_failing, as failing_operation */
    enum sqs_operation failing_operation;
    bool is_last_attempt; /* the caller wants no more attempts */
    bool is_answered;     /* SQS's own answer ends the call */
    bool is_answer_ready; /* when the timer expires, the call ends with `error` */
};

struct sqs_client {
    sd_event *event;
    void (*on_timer)(void *userdata); /* of a call's timer; starts the next attempt */
    struct http_client *http;
    struct credentials *credentials;
    const struct endpoint *endpoint;
    uint64_t request_timeout_usec;
    struct sqs_client_observer observer;
    struct sqs_headers *headers;
    struct sqs_client_counts counts;
    struct retry_quota quota;
    unsigned n_wakeable;
    struct clock_skew *skew;              /* the one of `credentials` */
    bool peer_sends_ids;                  /* some reply had x-amzn-RequestId */
    struct list calls;                    /* the latest first */
    unsigned n_failing[SQS_N_OPERATIONS]; /* calls that failed and have not ended */
};

/* --- call.c --- */

/* Sets whether an answer to another call may end this call's wait. */
void sqs_call_set_wakeable(struct sqs_call *call, bool is_wakeable);

/* Ends the wait of up to `n` wakeable calls, beginning with the one whose timer expires first. */
void sqs_client_wake(struct sqs_client *client, unsigned n);

/* Makes sure that some call finds out whether SQS is back. If no trial is left, it wakes the
 * wakeable call whose timer expires first. */
void sqs_client_ensure_trial(struct sqs_client *client);

/* The call has failed and is retried: counts it in n_failing until it ends. */
void sqs_call_mark_failing(struct sqs_call *call);

/* The call ends, with any result. If SQS has not answered it and no trial is left, another call is
 * woken to find out whether SQS is back. If it was the last failing call of its operation, the
 * observer is told (retries_ended). */
void sqs_call_leave(struct sqs_call *call);

/* Sets the call's error. `name`: AWS's, or one of our own (error.h), or "". If the request was
 * never sent, the caller then sets error.was_not_sent. */
void sqs_call_set_error(struct sqs_call *call, enum aws_error_class class, const char *name,
                        const char *text);

/* Sets the timer that starts the next attempt. 0, or the errno of the event loop. */
int sqs_call_set_timer(struct sqs_call *call, uint64_t delay_usec);

/* Runs the callback with the reply (NULL: with the call's error), and frees the call. */
void sqs_call_finish(struct sqs_call *call, struct sqs_reply *reply);

/* Frees the call without its callback. */
void sqs_call_free(struct sqs_call *call);

/* --- attempt-result.c --- */

/* Tells the observer that the estimate of AWS's clock has changed; UNCHANGED: does nothing. */
void sqs_client_skew_changed(struct sqs_client *client, enum clock_skew_change change);

/* An attempt failed with call->error: sets the time of the next attempt, or ends the call. */
void sqs_call_attempt_failed(struct sqs_call *call);

/* http_done_fn of an attempt. */
void sqs_call_on_reply(void *userdata, const struct http_reply *reply);
