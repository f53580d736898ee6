/* What came of a call's attempt, and what follows: its end, or another attempt, and when. A call
 * that has failed with no tokens left for another attempt (backoff.h) waits long, but an answer to
 * another ends its wait. */
#include "sqs-client-internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "clock.h"
#include "random.h"
#include "server-time.h"
#include "sqs-proof.h"

/* Attempts of a call that are repeated at once because another time is known to sign with. */
enum { CLOCK_CORRECTIONS_MAX = 3 };

/* --- Those who wait for SQS to be back --- */

/* The call has failed, and is to be repeated after a while. */
static void begin_trouble(struct sqs_call *call)
{
    if (call->is_in_trouble)
        return;
    call->is_in_trouble = true;
    call->troubled = sqs_operation_single(call->request->operation);
    call->client->n_in_trouble[call->troubled]++;
}

static void end_trouble(struct sqs_call *call)
{
    struct sqs_client *client = call->client;

    if (!call->is_in_trouble)
        return;
    call->is_in_trouble = false;
    if (--client->n_in_trouble[call->troubled] == 0 && client->observer.given_up)
        client->observer.given_up(client->observer.userdata, call->troubled);
}

void sqs_call_set_wakeable(struct sqs_call *call, bool is_wakeable)
{
    if (call->is_wakeable == is_wakeable)
        return;
    call->is_wakeable = is_wakeable;
    call->client->n_wakeable += is_wakeable ? 1 : -1U;
}

/* Those whose time would come first. */
static void wake(struct sqs_client *client, unsigned n)
{
    for (; n > 0 && client->n_wakeable > 0; n--) {
        struct sqs_call *first = NULL;

        LIST_FOREACH(&client->calls, link)
        {
            struct sqs_call *call = CONTAINER_OF(link, struct sqs_call, link);

            if (call->is_wakeable &&
                (!first || timer_usec(&call->timer) < timer_usec(&first->timer)))
                first = call;
        }
        assert(first);
        sqs_call_set_wakeable(first, false);
        /* Where this fails, it wakes by itself. */
        timer_set_after(&first->timer, 0);
    }
}

/* The last one that would have found out whether SQS is back may have gone: others wait for that.
 */
static void hand_on(struct sqs_client *client)
{
    if (client->quota.n_probes[false] == 0)
        wake(client, 1);
}

void sqs_call_leave(struct sqs_call *call)
{
    struct sqs_client *client = call->client;

    end_trouble(call);
    sqs_call_set_wakeable(call, false);
    retry_quota_leave(&client->quota, &call->pass);
    if (!call->is_answered)
        hand_on(client);
}

/* --- Errors --- */

/* A name of our own (sqs-error.h), or "". */
static void set_name(struct sqs_error *error, const char *name)
{
    snprintf(error->name, sizeof(error->name), "%s", name);
    error->code[0] = '\0';
}

void sqs_call_set_error(struct sqs_call *call, enum aws_error_class class, const char *name,
                        const char *text)
{
    call->error = (struct sqs_error){.class = class, .retry_after_usec = USEC_INFINITY};
    set_name(&call->error, name);
    snprintf(call->error.message, sizeof(call->error.message), "%s", text);
}

/* --- What follows --- */

static bool is_intercepted(const struct sqs_error *error)
{
    return streq(error->name, SQS_ERROR_NOT_OF_SQS) ||
           streq(error->name, SQS_ERROR_CREDENTIALS_INTERCEPTED) ||
           streq(error->name, SQS_ERROR_METADATA_INTERCEPTED);
}

static enum backoff_kind backoff_kind_of(const struct sqs_error *error)
{
    return is_intercepted(error) ? BACKOFF_SLOW : aws_error_backoff(error->class);
}

static void retry_after(struct sqs_call *call, uint64_t delay_usec)
{
    struct sqs_client *client = call->client;
    struct sqs_attempt attempt = {
        .operation = call->request->operation,
        .error = &call->error,
        .request_id = call->request_id,
        .attempt = call->attempts,
        .delay_usec = delay_usec,
    };

    if (delay_usec > 0)
        begin_trouble(call);
    if (client->observer.attempt_failed)
        client->observer.attempt_failed(client->observer.userdata, &attempt);
    if (sqs_call_set_timer(call, delay_usec) < 0)
        sqs_call_finish(call, NULL);
}

static bool is_last(const struct sqs_call *call)
{
    return call->is_last_attempt ||
           (call->options.attempts_max > 0 && call->attempts >= call->options.attempts_max);
}

static bool is_denial(const struct sqs_error *error)
{
    return streq(error->name, "AccessDeniedException");
}

/* Faults that do not go away by themselves and say nothing against the request. */
static bool needs_a_person(const struct sqs_error *error)
{
    return error->class == AWS_ERROR_CREDENTIALS || error->class == AWS_ERROR_CLOCK ||
           sqs_error_is_of_queue(error) ||
           (error->class == AWS_ERROR_PERMANENT && error->name[0] == '\0');
}

/* Whether the last attempt's failure ends the call, as far as that depends on the failure. What
 * stands between here and SQS has no last word: people sign in to portals, proxies get mended. */
static bool is_final(const struct sqs_call *call)
{
    const struct sqs_error *error = &call->error;

    if (is_intercepted(error))
        return false;
    if (call->options.is_denial_final && is_denial(error))
        return true;
    return needs_a_person(error) ? !call->options.keep_trying : error->class == AWS_ERROR_PERMANENT;
}

static void answered(struct sqs_call *call, const struct sqs_reply *reply)
{
    const struct sqs_client_observer *observer = &call->client->observer;

    call->is_answered = true;
    wake(call->client, RETRY_WAKES);
    if (observer->answered && !call->options.is_probe)
        observer->answered(observer->userdata, call->request->operation, reply);
}

/* Of the failed attempt, until the next. */
static uint64_t delay_usec(const struct sqs_call *call, enum backoff_kind kind, bool in_quota)
{
    uint64_t delay = backoff_delay_usec(kind, call->failures, in_quota,
                                        call->error.retry_after_usec, random_u64());
    uint64_t max_usec = call->options.denial_delay_max_usec;

    return max_usec > 0 && is_denial(&call->error) ? MIN(delay, max_usec) : delay;
}

void sqs_call_attempt_failed(struct sqs_call *call)
{
    enum aws_error_class class = call->error.class;
    enum backoff_kind kind = backoff_kind_of(&call->error);
    bool is_told = call->error.retry_after_usec < USEC_INFINITY, in_quota;

    if (class == AWS_ERROR_CREDENTIALS && call->credentials) {
        credentials_refused(call->client->credentials, call->credentials);
        if (!call->has_refreshed && !is_last(call)) {
            call->has_refreshed = true;
            retry_after(call, 0);
            return;
        }
    }
    if (is_last(call) || is_final(call)) {
        if (class == AWS_ERROR_PERMANENT && call->error.code[0] != '\0')
            answered(call, NULL);
        sqs_call_finish(call, NULL);
        return;
    }

    call->failures = kind == call->failure_kind ? call->failures + 1 : 1;
    call->failure_kind = kind;
    in_quota = retry_quota_take(&call->client->quota, &call->pass, kind);
    if (kind == BACKOFF_SLOW)
        hand_on(call->client);
    sqs_call_set_wakeable(call, kind != BACKOFF_SLOW && call->pass.cost == 0 && !is_told);
    /* A time that the server has named is kept, with and without tokens. */
    retry_after(call, delay_usec(call, kind, in_quota || is_told));
}

static struct clock_reading read_clocks(const struct sqs_client *client)
{
    return (struct clock_reading){.wall_sec = clock_wall_sec(),
                                  .boot_usec = clock_loop_usec(client->event)};
}

void sqs_client_skew_changed(struct sqs_client *client, enum clock_skew_change change)
{
    const struct clock_reading now = read_clocks(client);

    if (change != CLOCK_SKEW_SAME && client->observer.skew_changed)
        client->observer.skew_changed(client->observer.userdata, change,
                                      clock_skew_sec(&client->skew, &now));
}

/* A server that does not know the time itself says nothing of ours: another answer may. */
static void distrust_server_time(struct sqs_call *call, time_t server_sec)
{
    char text[sizeof(call->error.message)], when[AWS_TIME_SIZE];

    aws_time_format(server_sec, when);
    snprintf(text, sizeof(text), "%.512s (by the server's clock it is %s, which cannot be)",
             call->error.message, when);
    memcpy(call->error.message, text, sizeof(text));
    call->error.class = AWS_ERROR_TRANSIENT;
}

/* Of a refusal that may be due to our clock. True: another attempt is worth making at once. */
static bool is_clock_corrected(struct sqs_call *call, const struct http_reply *reply)
{
    struct sqs_client *client = call->client;
    const struct clock_reading now = read_clocks(client);
    struct clock_refusal refusal = {
        .signed_sec = call->signed_sec,
        .signed_usec = call->sent_usec,
        .is_for_time = call->error.class == AWS_ERROR_CLOCK,
    };
    enum clock_skew_change change;
    bool is_other_time;

    refusal.has_server_time = server_time_read(reply, call->error.message, &refusal.server_sec);
    is_other_time = clock_skew_refused(&client->skew, &refusal, &now, &change);
    sqs_client_skew_changed(client, change);
    if (refusal.is_for_time && refusal.has_server_time &&
        !server_time_is_plausible(refusal.server_sec))
        distrust_server_time(call, refusal.server_sec);
    if (!is_other_time || is_last(call) || call->n_clock_corrections >= CLOCK_CORRECTIONS_MAX)
        return false;
    call->n_clock_corrections++;
    return true;
}

/* SQS has looked at the request itself: the signature was good. */
static void signature_accepted(struct sqs_call *call)
{
    call->n_clock_corrections = 0;
    clock_skew_accepted(&call->client->skew, call->signed_sec, call->sent_usec);
}

static void error_reply(struct sqs_call *call, const struct http_reply *reply)
{
    sqs_error_parse(reply->status, http_reply_header(reply, "x-amzn-query-error"),
                    http_reply_header(reply, "x-amzn-errortype"),
                    http_reply_header(reply, "x-amz-retry-after"), reply->body, reply->body_bytes,
                    &call->error);
    call->error.was_repeated = reply->n_begun > 1;
    /* Portals, proxies and gateways answer as well, some in JSON with a "code" of their own; a "no"
     * of theirs is none of SQS's, which gives each request an id. */
    if (call->request_id[0] == '\0' && call->error.class == AWS_ERROR_PERMANENT &&
        !aws_error_find(call->error.name))
        set_name(&call->error, SQS_ERROR_NOT_OF_SQS);
    if (call->request_id[0] == '\0' && reply->status == HTTP_NETWORK_AUTHENTICATION_REQUIRED)
        set_name(&call->error, SQS_ERROR_NOT_OF_SQS);
    if (call->error.class == AWS_ERROR_CLOCK || call->error.class == AWS_ERROR_CREDENTIALS) {
        if (is_clock_corrected(call, reply)) {
            retry_after(call, 0);
            return;
        }
    } else if (call->error.class == AWS_ERROR_PERMANENT && call->request_id[0] != '\0') {
        signature_accepted(call);
    }
    sqs_call_attempt_failed(call);
}

static void unusable_reply(struct sqs_call *call, const struct http_reply *reply, const char *error)
{
    bool is_of_sqs =
        call->request_id[0] != '\0' || http_reply_text(reply)[0] != '<'; /* HTML or XML */

    sqs_call_set_error(call, AWS_ERROR_TRANSIENT, is_of_sqs ? "" : SQS_ERROR_NOT_OF_SQS, error);
    call->error.http_status = reply->status;
    sqs_call_attempt_failed(call);
}

/* Whether it is SQS that has answered; else the error stands in the call. */
static bool is_proven(struct sqs_call *call, const struct sqs_reply *reply)
{
    struct sqs_client *client = call->client;
    struct sqs_proof_facts facts = {
        .has_request_id = call->request_id[0] != '\0',
        .peer_sends_ids = client->peer_sends_ids,
        .wait_usec = call->options.wait_usec,
        .elapsed_usec = clock_loop_usec(client->event) - call->sent_usec,
    };
    char text[128];

    client->peer_sends_ids = client->peer_sends_ids || facts.has_request_id;
    switch (sqs_proof_of(reply, &facts)) {
    case SQS_PROOF_NONE:
        sqs_call_set_error(call, AWS_ERROR_PERMANENT, SQS_ERROR_NOT_OF_SQS,
                           "the reply is empty and has no x-amzn-RequestId");
        break;
    case SQS_PROOF_EARLY:
        snprintf(text, sizeof(text),
                 "a receive was answered without a message after %.3f s, though it asks SQS to "
                 "wait %.0f s for one",
                 (double)facts.elapsed_usec / USEC_PER_SEC, (double)facts.wait_usec / USEC_PER_SEC);
        sqs_call_set_error(call, AWS_ERROR_TRANSIENT, SQS_ERROR_TOO_EARLY, text);
        break;
    case SQS_PROOF_GOOD:
        return true;
    }
    call->error.http_status = call->http_status;
    return false;
}

static void good_reply(struct sqs_call *call, const struct http_reply *reply)
{
    struct sqs_client *client = call->client;
    CLEANUP(sqs_reply_unref) struct sqs_reply *parsed = NULL;
    CLEANUP(free) char *error = NULL;
    int r = sqs_reply_parse(call->request, reply->body, reply->body_bytes, &parsed, &error);

    if (r != 0) {
        unusable_reply(call, reply, r == SQS_REPLY_E_DAMAGED && error ? error : strerror(ENOMEM));
        return;
    }
    if (!is_proven(call, parsed)) {
        sqs_call_attempt_failed(call);
        return;
    }
    signature_accepted(call);
    retry_quota_refund(&client->quota, &call->pass);
    answered(call, parsed);
    sqs_call_finish(call, parsed);
}

static const char *name_of_failure(const struct http_reply *reply)
{
    if (reply->failure == HTTP_FAILURE_TIMEOUT && reply->n_begun == 0)
        return SQS_ERROR_CONNECT_TIMEOUT;
    switch (reply->failure) {
    case HTTP_FAILURE_RESOLVE:
    case HTTP_FAILURE_CONNECT:
    case HTTP_FAILURE_HANDSHAKE:
    case HTTP_FAILURE_TIMEOUT:
    case HTTP_FAILURE_BROKEN:
        return SQS_ERROR_NETWORK;
    case HTTP_FAILURE_TLS:
        return SQS_ERROR_TLS;
    case HTTP_FAILURE_PROXY:
        return SQS_ERROR_NOT_OF_SQS;
    case HTTP_FAILURE_NONE:
    case HTTP_FAILURE_TOO_LARGE:
    case HTTP_FAILURE_REQUEST:
    case HTTP_FAILURE_SHORTAGE:
        break;
    }
    return "";
}

static enum sqs_stall stall_of(const struct http_reply *reply)
{
    if (reply->failure != HTTP_FAILURE_TIMEOUT || reply->n_begun == 0)
        return SQS_STALL_NONE;
    switch (reply->phase) {
    case HTTP_PHASE_SEND:
        return SQS_STALL_SEND;
    case HTTP_PHASE_WAIT:
        return SQS_STALL_WAIT;
    case HTTP_PHASE_RECEIVE:
        return SQS_STALL_RECEIVE;
    case HTTP_PHASE_QUEUED:
    case HTTP_PHASE_LOOK_UP:
    case HTTP_PHASE_CONNECT:
    case HTTP_PHASE_HANDSHAKE:
        break;
    }
    return SQS_STALL_NONE;
}

void sqs_call_on_reply(void *userdata, const struct http_reply *reply)
{
    struct sqs_call *call = userdata;
    const char *request_id;

    call->slot = NULL;
    call->http_status = reply->status;
    call->request_id[0] = '\0';
    if (reply->failure != HTTP_FAILURE_NONE) {
        enum sqs_stall stall = stall_of(reply);

        sqs_call_set_error(call, AWS_ERROR_TRANSIENT,
                           stall != SQS_STALL_NONE ? SQS_ERROR_STALLED : name_of_failure(reply),
                           reply->failure_text);
        call->error.stall = stall;
        call->error.was_not_sent = reply->n_begun == 0;
        sqs_call_attempt_failed(call);
        return;
    }
    request_id = http_reply_header(reply, "x-amzn-RequestId");
    if (request_id)
        snprintf(call->request_id, sizeof(call->request_id), "%s", request_id);
    if (reply->status == 200)
        good_reply(call, reply);
    else
        error_reply(call, reply);
}
