/* SPDX-License-Identifier: MIT */
/* Handles the result of a call's attempt: it ends the call, or sets the time of the next attempt.
 * answer.h says what an answer means, and retry.h decides what follows a failure.
 *
 * A call that fails when no retry tokens are left (aws/backoff.h) waits long. An answer to another
 * call may end its wait. */
#include "sqs/client-internal.h"

#include <stdio.h>

#include "aws/sigv4-time.h"
#include "sqs/answer.h"
#include "util/clock.h"
#include "util/random.h"

static void count(struct sqs_call *call, enum sqs_attempt_result result)
{
    call->client->counts.attempts[call->request->operation][result]++;
}

static enum sqs_attempt_result result_of(const struct sqs_error *error)
{
    switch (error->class) {
    case AWS_ERROR_THROTTLED:
        return SQS_ATTEMPT_THROTTLED;
    case AWS_ERROR_CLOCK:
    case AWS_ERROR_CREDENTIALS:
        return SQS_ATTEMPT_UNAUTHORIZED;
    case AWS_ERROR_PERMANENT:
        return streq(error->name, SQS_ERROR_NOT_FROM_SQS) ? SQS_ATTEMPT_FAILED
                                                          : SQS_ATTEMPT_REFUSED;
    case AWS_ERROR_TRANSIENT:
        break;
    }
    return SQS_ATTEMPT_FAILED;
}

static bool is_last(const struct sqs_call *call)
{
    return call->is_last_attempt ||
           (call->options.attempts_max > 0 && call->attempts >= call->options.attempts_max);
}

static void schedule_attempt(struct sqs_call *call, uint64_t delay_usec)
{
    struct sqs_client *client = call->client;
    struct sqs_attempt attempt = {
        .operation = call->request->operation,
        .error = &call->error,
        .request_id = call->request_id,
        .attempt = call->attempts,
        .delay_usec = delay_usec,
    };

    client->counts.retries[call->request->operation]++;
    if (delay_usec > 0)
        sqs_call_mark_failing(call);
    if (client->observer.attempt_failed)
        client->observer.attempt_failed(client->observer.userdata, &attempt);
    if (sqs_call_set_timer(call, delay_usec) < 0)
        sqs_call_finish(call, NULL);
}

static void answered(struct sqs_call *call, const struct sqs_reply *reply)
{
    const struct sqs_client_observer *observer = &call->client->observer;

    call->is_answered = true;
    sqs_client_wake(call->client, RETRY_WAKES_PER_ANSWER);
    if (observer->answered && !call->options.is_probe)
        observer->answered(observer->userdata, call->request->operation, reply);
}

void sqs_call_attempt_failed(struct sqs_call *call)
{
    struct sqs_client *client = call->client;
    const struct sqs_error *error = &call->error;
    const struct sqs_retry_rules rules = {
        .is_last = is_last(call),
        .had_credentials = call->credentials != NULL,
        .keep_trying = call->options.keep_trying,
        .is_denial_final = call->options.is_denial_final,
        .denial_delay_max_usec = call->options.denial_delay_max_usec,
    };
    struct sqs_retry_step step;

    if (error->class == AWS_ERROR_CREDENTIALS && call->credentials)
        credentials_refused(client->credentials, call->credentials);
    step = sqs_retry_next(&call->retry, &client->quota, error, &rules, random_u64());
    switch (step.next) {
    case SQS_NEXT_FINISH:
        if (error->class == AWS_ERROR_PERMANENT && error->code[0] != '\0')
            answered(call, NULL);
        sqs_call_finish(call, NULL);
        break;
    case SQS_NEXT_NOW:
        schedule_attempt(call, 0);
        break;
    case SQS_NEXT_AFTER:
        if (step.is_slow)
            sqs_client_ensure_trial(client);
        sqs_call_set_wakeable(call, step.is_wakeable);
        schedule_attempt(call, step.delay_usec);
        break;
    }
}

void sqs_client_skew_changed(struct sqs_client *client, enum clock_skew_change change)
{
    struct clock_reading now;

    if (change == CLOCK_SKEW_UNCHANGED || !client->observer.skew_changed)
        return;
    now = clocks_read(client->event);
    client->observer.skew_changed(client->observer.userdata, change,
                                  clock_skew_sec(client->skew, &now));
}

/* Makes the error transient, and says why. */
static void distrust_server_time(struct sqs_call *call, time_t server_sec)
{
    char text[sizeof(call->error.message)], when[AWS_TIME_SIZE];

    aws_time_format(server_sec, when);
    snprintf(text, sizeof(text), "%.512s (the server's clock says %s, which cannot be right)",
             call->error.message, when);
    memcpy(call->error.message, text, sizeof(text));
    call->error.class = AWS_ERROR_TRANSIENT;
}

/* Learns from a refusal that our clock may have caused. True: the signing time has changed, and the
 * caller should try again at once. */
static bool is_clock_corrected(struct sqs_call *call, const struct http_reply *reply)
{
    struct sqs_client *client = call->client;
    const struct clock_reading now = clocks_read(client->event);
    struct clock_lesson lesson;

    clock_correction_refused(&call->clock, client->skew, &now, call->error.class,
                             http_reply_header(reply, "Date"), call->error.message, &lesson);
    sqs_client_skew_changed(client, lesson.change);
    if (lesson.is_server_time_implausible)
        distrust_server_time(call, lesson.server_sec);
    return lesson.is_time_corrected && !is_last(call);
}

/* SQS looked at the request itself, so it accepted the signature. */
static void signature_accepted(struct sqs_call *call)
{
    clock_correction_accepted(&call->clock, call->client->skew);
}

static void error_reply(struct sqs_call *call, const struct http_reply *reply,
                        const struct sqs_answer_headers *headers)
{
    sqs_answer_refused(reply, headers, &call->error);
    count(call, result_of(&call->error));
    if (call->error.class == AWS_ERROR_CLOCK || call->error.class == AWS_ERROR_CREDENTIALS) {
        if (is_clock_corrected(call, reply)) {
            schedule_attempt(call, 0);
            return;
        }
    } else if (call->error.class == AWS_ERROR_PERMANENT && call->request_id[0] != '\0') {
        signature_accepted(call);
    }
    sqs_call_attempt_failed(call);
}

static void good_reply(struct sqs_call *call, const struct http_reply *reply)
{
    struct sqs_client *client = call->client;
    CLEANUP(sqs_reply_unref) struct sqs_reply *parsed = NULL;
    const struct sqs_proof_facts facts = {
        .has_request_id = call->request_id[0] != '\0',
        .peer_sends_ids = client->peer_sends_ids,
        .wait_usec = call->options.wait_usec,
        .elapsed_usec = clock_loop_usec(client->event) - call->sent_usec,
    };

    bool is_good = sqs_answer_read(call->request, reply, &facts, &parsed, &call->error);

    client->peer_sends_ids = client->peer_sends_ids || facts.has_request_id;
    count(call, is_good ? SQS_ATTEMPT_SUCCEEDED : SQS_ATTEMPT_FAILED);
    if (!is_good) {
        sqs_call_attempt_failed(call);
        return;
    }
    signature_accepted(call);
    retry_quota_refund(&client->quota, &call->retry.grant);
    answered(call, parsed);
    sqs_call_finish(call, parsed);
}

void sqs_call_on_reply(void *userdata, const struct http_reply *reply)
{
    struct sqs_call *call = userdata;
    struct sqs_answer_headers headers;

    call->slot = NULL;
    call->http_status = reply->status;
    call->request_id[0] = '\0';
    if (reply->failure != HTTP_FAILURE_NONE) {
        sqs_answer_failed(reply, &call->error);
        count(call, SQS_ATTEMPT_UNANSWERED);
        sqs_call_attempt_failed(call);
        return;
    }
    headers.request_id = http_reply_header(reply, "x-amzn-RequestId");
    if (headers.request_id)
        snprintf(call->request_id, sizeof(call->request_id), "%s", headers.request_id);
    if (reply->status == 200) {
        good_reply(call, reply);
        return;
    }
    headers.query_error = http_reply_header(reply, "x-amzn-query-error");
    headers.error_type = http_reply_header(reply, "x-amzn-errortype");
    headers.retry_after = http_reply_header(reply, "x-amz-retry-after");
    error_reply(call, reply, &headers);
}
