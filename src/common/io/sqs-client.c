/* See sqs-client.h. A call is always in one of three states: waiting for credentials, waiting for
 * its reply, waiting for the time of its next attempt; `slot`, `credentials_slot` and the timer say
 * which. What fails inside sqs_client_call is its return value; all else comes from the loop, so
 * that a callback never runs inside sqs_client_call or sqs_call_last_attempt. Whatever may end a
 * call is the last thing that a function does with it. */
#include "sqs-client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "backoff.h"
#include "clock-skew.h"
#include "encode.h"
#include "loop-clock.h"
#include "random.h"
#include "sqs-headers.h"

struct sqs_call {
    struct sqs_client *client;
    struct sqs_call *previous, *next;
    struct sqs_request *request;
    struct sqs_call_options options;
    sqs_done_fn done; /* NULL while the callback runs */
    void *userdata;

    struct credentials_slot *credentials_slot;
    struct http_slot *slot;
    sd_event_source *timer; /* NULL until it is needed: most first attempts are the last */

    struct aws_credentials *credentials; /* that the attempt on its way was signed with */
    bool has_refreshed;                  /* refused once already: the forced look-up was made */
    bool has_corrected_clock;
    int64_t skew_sec; /* the correction it was signed with */
    unsigned attempts;
    unsigned failures; /* in a row, of the same kind of back-off */
    enum backoff_kind failure_kind;
    struct retry_pass pass;
    bool is_wakeable; /* it waits without tokens: an answer to another may end that (backoff.h) */
    struct sqs_error error; /* of the last attempt */
    char request_id[SQS_REQUEST_ID_SIZE];
    int http_status;
    uint64_t sent_usec;
    uint64_t timeout_usec; /* of the attempt on its way */
    uint64_t asked_usec; /* when it was asked for the credentials that it waits for */
    bool is_in_trouble;  /* counted in the client's n_in_trouble, as this operation: */
    enum sqs_operation troubled;
    bool is_last_attempt; /* the caller wants no more */
    bool is_answered;     /* by SQS, for good */
    bool is_answer_ready; /* the timer is to deliver `error`, not to try again */
};

struct sqs_client {
    sd_event *event;
    struct http_client *http;
    struct credentials *credentials;
    const struct endpoint *endpoint;
    uint64_t request_timeout_usec;
    struct sqs_client_observer observer;
    struct sqs_headers *headers;
    struct retry_quota quota;
    unsigned n_wakeable;
    int64_t skew_sec; /* AWS's clock minus ours */
    struct sqs_call *calls;
    unsigned n_in_trouble[SQS_N_OPERATIONS]; /* calls that failed and were not done then */
};

/* The call has failed, and is to be repeated after a while. */
static void begin_trouble(struct sqs_call *call)
{
    if (call->is_in_trouble)
        return;
    call->is_in_trouble = true;
    call->troubled = call->request->operation;
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

static void set_wakeable(struct sqs_call *call, bool is_wakeable)
{
    if (call->is_wakeable == is_wakeable)
        return;
    call->is_wakeable = is_wakeable;
    call->client->n_wakeable += is_wakeable ? 1 : -1U;
}

static uint64_t timer_usec(const struct sqs_call *call)
{
    uint64_t usec = USEC_INFINITY;

    sd_event_source_get_time(call->timer, &usec);
    return usec;
}

/* Those whose time would come first. */
static void wake(struct sqs_client *client, unsigned n)
{
    for (; n > 0 && client->n_wakeable > 0; n--) {
        struct sqs_call *first = NULL;

        for (struct sqs_call *call = client->calls; call; call = call->next)
            if (call->is_wakeable && (!first || timer_usec(call) < timer_usec(first)))
                first = call;
        assert(first);
        set_wakeable(first, false);
        /* Where this fails, it wakes by itself. */
        sd_event_source_set_time_relative(first->timer, 0);
    }
}

/* The last one that would have found out whether SQS is back may have gone: others wait for that.
 */
static void hand_on(struct sqs_client *client)
{
    if (client->quota.n_probes[false] == 0)
        wake(client, 1);
}

static void call_free(struct sqs_call *call)
{
    struct sqs_client *client = call->client;

    end_trouble(call);
    set_wakeable(call, false);
    retry_quota_leave(&client->quota, &call->pass);
    if (!call->is_answered)
        hand_on(client);

    credentials_slot_cancel(call->credentials_slot);
    http_slot_cancel(call->slot);
    sd_event_source_disable_unref(call->timer);
    aws_credentials_unref(call->credentials);
    sqs_request_free(call->request);
    if (call->previous)
        call->previous->next = call->next;
    else
        client->calls = call->next;
    if (call->next)
        call->next->previous = call->previous;
    free(call);
}

static void finish(struct sqs_call *call, struct sqs_reply *reply)
{
    sqs_done_fn done = TAKE(call->done);
    struct sqs_result result = {
        .reply = reply,
        .error = reply ? NULL : &call->error,
        .request_id = call->request_id,
        .http_status = call->http_status,
        .attempts = call->attempts,
        .sent_usec = call->sent_usec,
    };

    done(call->userdata, &result);
    call_free(call);
}

/* A name of our own (sqs-error.h), or "". */
static void set_name(struct sqs_error *error, const char *name)
{
    snprintf(error->name, sizeof(error->name), "%s", name);
    error->code[0] = '\0';
}

static void set_error(struct sqs_call *call, enum sqs_error_class class, const char *name,
                      const char *text)
{
    call->error = (struct sqs_error){.class = class, .retry_after_usec = USEC_INFINITY};
    set_name(&call->error, name);
    snprintf(call->error.message, sizeof(call->error.message), "%s", text);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

static int set_timer(struct sqs_call *call, uint64_t delay_usec)
{
    int r;

    if (!call->timer)
        return sd_event_add_time_relative(call->client->event, &call->timer, CLOCK_BOOTTIME,
                                          delay_usec, USEC_PER_MSEC, on_timer, call);
    r = sd_event_source_set_time_relative(call->timer, delay_usec);
    return r < 0 ? r : sd_event_source_set_enabled(call->timer, SD_EVENT_ONESHOT);
}

/* The answer is the error that stands in the call; it leaves from the event loop. */
static void finish_later(struct sqs_call *call)
{
    set_wakeable(call, false);
    call->is_answer_ready = true;
    if (set_timer(call, 0) < 0)
        finish(call, NULL);
}

static enum backoff_kind backoff_kind_of(const struct sqs_error *error)
{
    switch (error->class) {
    case SQS_ERROR_THROTTLED:
        return BACKOFF_THROTTLED;
    case SQS_ERROR_TRANSIENT:
        return BACKOFF_TRANSIENT;
    case SQS_ERROR_CREDENTIALS:
    case SQS_ERROR_CLOCK:
    case SQS_ERROR_PERMANENT: /* of the queue: a person must mend it */
        break;
    }
    return BACKOFF_SLOW;
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
    if (set_timer(call, delay_usec) < 0)
        finish(call, NULL);
}

static bool is_last(const struct sqs_call *call)
{
    return call->is_last_attempt ||
           (call->options.attempts_max > 0 && call->attempts >= call->options.attempts_max);
}

/* Faults that do not go away by themselves and say nothing against the request. */
static bool needs_a_person(const struct sqs_error *error)
{
    return error->class == SQS_ERROR_CREDENTIALS || error->class == SQS_ERROR_CLOCK ||
           sqs_error_is_of_queue(error) ||
           (error->class == SQS_ERROR_PERMANENT && error->name[0] == '\0');
}

/* Whether the last attempt's failure ends the call, as far as that depends on the failure. What
 * stands between here and SQS has no last word: people sign in to portals, proxies get mended. */
static bool is_final(const struct sqs_call *call)
{
    const struct sqs_error *error = &call->error;

    if (streq(error->name, SQS_ERROR_NOT_OF_SQS))
        return false;
    if (call->options.is_denial_final && streq(error->name, "AccessDeniedException"))
        return true;
    return needs_a_person(error) ? !call->options.keep_trying : error->class == SQS_ERROR_PERMANENT;
}

static void answered(struct sqs_call *call)
{
    const struct sqs_client_observer *observer = &call->client->observer;

    call->is_answered = true;
    wake(call->client, RETRY_WAKES);
    if (observer->answered)
        observer->answered(observer->userdata, call->request->operation);
}

/* Decides what follows a failed attempt: another one, when, or the end. */
static void attempt_failed(struct sqs_call *call)
{
    enum sqs_error_class class = call->error.class;
    enum backoff_kind kind = backoff_kind_of(&call->error);
    bool is_told = call->error.retry_after_usec < USEC_INFINITY, in_quota;

    if (class == SQS_ERROR_CREDENTIALS && call->credentials) {
        credentials_refused(call->client->credentials, call->credentials);
        if (!call->has_refreshed && !is_last(call)) {
            call->has_refreshed = true;
            retry_after(call, 0);
            return;
        }
    }
    if (is_last(call) || is_final(call)) {
        if (class == SQS_ERROR_PERMANENT && call->error.code[0] != '\0')
            answered(call);
        finish(call, NULL);
        return;
    }

    call->failures = kind == call->failure_kind ? call->failures + 1 : 1;
    call->failure_kind = kind;
    in_quota = retry_quota_take(&call->client->quota, &call->pass, kind);
    if (kind == BACKOFF_SLOW)
        hand_on(call->client);
    set_wakeable(call, kind != BACKOFF_SLOW && call->pass.cost == 0 && !is_told);
    /* A time that the server has named is kept, with and without tokens. */
    retry_after(call, backoff_delay_usec(kind, call->failures, in_quota || is_told,
                                         call->error.retry_after_usec, random_u64()));
}

/* Learns the skew from a reply's Date, or from the error's text. */
static void learn_skew(struct sqs_call *call, const char *date)
{
    struct sqs_client *client = call->client;
    int64_t skew;
    time_t server;

    if (date && http_date_parse(date, &server) == 0)
        skew = server - time(NULL);
    else if (call->error.has_server_time)
        skew = call->error.server_time - time(NULL);
    else
        return;
    if (!is_other_clock_skew(skew, client->skew_sec))
        return;
    client->skew_sec = skew;
    if (client->observer.skew_learnt)
        client->observer.skew_learnt(client->observer.userdata, skew);
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
    if (call->request_id[0] == '\0' && call->error.class == SQS_ERROR_PERMANENT &&
        !sqs_error_find(call->error.name))
        set_name(&call->error, SQS_ERROR_NOT_OF_SQS);
    if (call->error.class == SQS_ERROR_CLOCK || call->error.class == SQS_ERROR_CREDENTIALS) {
        learn_skew(call, http_reply_header(reply, "Date"));
        /* Another call may have learnt it since this one was signed: that counts as well. */
        if (is_other_clock_skew(call->client->skew_sec, call->skew_sec) &&
            !call->has_corrected_clock && !is_last(call)) {
            call->has_corrected_clock = true;
            retry_after(call, 0);
            return;
        }
    }
    attempt_failed(call);
}

static void good_reply(struct sqs_call *call, const struct http_reply *reply)
{
    struct sqs_client *client = call->client;
    CLEANUP(sqs_reply_unref) struct sqs_reply *parsed = NULL;
    CLEANUP(free) char *error = NULL;
    int r = sqs_reply_parse(call->request, reply->body, reply->body_bytes, &parsed, &error);

    if (r != 0) {
        set_error(call, SQS_ERROR_TRANSIENT, "",
                  r == SQS_REPLY_E_DAMAGED && error ? error : strerror(ENOMEM));
        call->error.http_status = reply->status;
        attempt_failed(call);
        return;
    }
    retry_quota_refund(&client->quota, &call->pass);
    answered(call);
    finish(call, parsed);
}

static const char *name_of_failure(enum http_failure failure)
{
    switch (failure) {
    case HTTP_FAILURE_RESOLVE:
    case HTTP_FAILURE_CONNECT:
    case HTTP_FAILURE_TIMEOUT:
    case HTTP_FAILURE_BROKEN:
        return SQS_ERROR_NETWORK;
    case HTTP_FAILURE_TLS:
        return SQS_ERROR_TLS;
    case HTTP_FAILURE_NONE:
    case HTTP_FAILURE_TOO_LARGE:
    case HTTP_FAILURE_REQUEST:
        break;
    }
    return "";
}

static void on_reply(void *userdata, const struct http_reply *reply)
{
    struct sqs_call *call = userdata;
    const char *request_id;

    call->slot = NULL;
    call->http_status = reply->status;
    call->request_id[0] = '\0';
    if (reply->failure != HTTP_FAILURE_NONE) {
        set_error(call, SQS_ERROR_TRANSIENT, name_of_failure(reply->failure), reply->failure_text);
        call->error.was_not_sent = reply->n_begun == 0;
        attempt_failed(call);
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

static int send_attempt(struct sqs_call *call)
{
    struct sqs_client *client = call->client;
    const char *const *headers;
    int r = sqs_headers_make(client->headers, call->request, call->credentials,
                             time(NULL) + client->skew_sec, &headers);

    if (r < 0)
        return r;
    return http_client_submit(client->http,
                              &(struct http_request){
                                  .method = "POST",
                                  .url = client->endpoint->url,
                                  .headers = headers,
                                  .body = call->request->json.data,
                                  .body_bytes = call->request->json.size,
                                  .timeout_usec = call->timeout_usec,
                                  .reply_max_bytes = SQS_REPLY_MAX_BYTES,
                              },
                              on_reply, call, &call->slot);
}

static uint64_t timeout_usec(const struct sqs_call *call)
{
    uint64_t usec = call->options.timeout ? call->options.timeout(call->userdata) : USEC_INFINITY;

    return MIN(usec, call->client->request_timeout_usec) + call->options.wait_usec;
}

static int attempt(struct sqs_call *call, struct aws_credentials *credentials)
{
    aws_credentials_unref(call->credentials);
    call->credentials = aws_credentials_ref(credentials);
    call->skew_sec = call->client->skew_sec;
    call->attempts++;
    call->sent_usec = loop_now_usec(call->client->event);
    call->timeout_usec = timeout_usec(call);
    return send_attempt(call);
}

/* An attempt that could not even be made. */
static void not_sent(struct sqs_call *call, int r)
{
    bool is_hopeless = r == -EINVAL || r == -E2BIG;
    char text[128];

    snprintf(text, sizeof(text), "the request cannot be sent: %s", strerror(-r));
    set_error(call, is_hopeless ? SQS_ERROR_PERMANENT : SQS_ERROR_TRANSIENT, "", text);
    call->error.was_not_sent = true;
    call->http_status = 0;
    call->request_id[0] = '\0';
    attempt_failed(call);
}

/* Whether the caller still wants the next attempt; else the call is to end with its error. */
static bool is_wanted(struct sqs_call *call)
{
    bool is_first = call->attempts == 0;

    if (!call->options.before_attempt ||
        call->options.before_attempt(call->userdata, is_first ? NULL : &call->error,
                                     &call->request))
        return true;
    if (is_first) {
        set_error(call, SQS_ERROR_TRANSIENT, "", "given up before the first attempt");
        call->error.was_not_sent = true;
    }
    return false;
}

static void on_credentials(void *userdata, enum credentials_outcome outcome,
                           struct aws_credentials *credentials, const char *error)
{
    struct sqs_call *call = userdata;

    int r;

    call->credentials_slot = NULL;
    if (credentials) {
        if (!is_wanted(call)) {
            finish(call, NULL);
            return;
        }
        r = attempt(call, credentials);
        if (r < 0)
            not_sent(call, r);
        return;
    }
    call->credentials = aws_credentials_unref(call->credentials);
    call->attempts++;
    call->http_status = 0;
    call->request_id[0] = '\0';
    if (outcome == CREDENTIALS_UNREACHABLE)
        set_error(call, SQS_ERROR_TRANSIENT, SQS_ERROR_CREDENTIALS_UNREACHABLE, error);
    else
        set_error(call, SQS_ERROR_CREDENTIALS, SQS_ERROR_NO_CREDENTIALS, error);
    call->error.was_not_sent = true;
    attempt_failed(call);
}

/* On failure nothing is on its way. */
static int start_attempt(struct sqs_call *call)
{
    struct aws_credentials *cached = credentials_peek(call->client->credentials);

    int r;

    if (cached)
        return attempt(call, cached);
    call->asked_usec = loop_now_usec(call->client->event);
    r = credentials_get(call->client->credentials, on_credentials, call, &call->credentials_slot);
    if (r < 0)
        call->attempts++;
    return r;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct sqs_call *call = userdata;
    int r;

    set_wakeable(call, false);
    if (call->is_answer_ready || !is_wanted(call)) {
        finish(call, NULL);
        return 0;
    }
    r = start_attempt(call);
    if (r < 0)
        not_sent(call, r);
    return 0;
}

int sqs_client_new(sd_event *event, struct http_client *http, struct credentials *credentials,
                   const struct endpoint *endpoint, uint64_t request_timeout_usec,
                   const struct sqs_client_observer *observer, struct sqs_client **ret)
{
    CLEANUP(sqs_client_free) struct sqs_client *client = calloc(1, sizeof(*client));
    int r;

    if (!client)
        return -ENOMEM;
    client->event = sd_event_ref(event);
    client->http = http;
    client->credentials = credentials;
    client->endpoint = endpoint;
    client->request_timeout_usec = request_timeout_usec;
    if (observer)
        client->observer = *observer;
    client->quota = RETRY_QUOTA_INIT;
    r = sqs_headers_new(endpoint, &client->headers);
    if (r < 0)
        return r;
    *ret = TAKE(client);
    return 0;
}

struct sqs_client *sqs_client_free(struct sqs_client *client)
{
    if (!client)
        return NULL;
    client->observer = (struct sqs_client_observer){};
    while (client->calls)
        call_free(client->calls);
    sqs_headers_free(client->headers);
    sd_event_unref(client->event);
    free(client);
    return NULL;
}

static const char *what_hangs(const struct sqs_call *call, uint64_t now_usec)
{
    uint64_t due_usec = 0;

    if (call->slot) {
        due_usec = call->sent_usec + call->timeout_usec;
        return now_usec > due_usec + SQS_CALL_LATE_MAX_USEC
                   ? "a request to SQS has outlived its time-out"
                   : NULL;
    }
    if (call->credentials_slot)
        return now_usec > call->asked_usec + SQS_CALL_CREDENTIALS_MAX_USEC
                   ? "a request has waited for credentials for 10 minutes"
                   : NULL;
    if (!call->timer || sd_event_source_get_enabled(call->timer, NULL) <= 0)
        return "a request waits for nothing";
    sd_event_source_get_time(call->timer, &due_usec);
    return now_usec > due_usec + SQS_CALL_LATE_MAX_USEC
               ? "the time to repeat a request is over, and it was not repeated"
               : NULL;
}

const char *sqs_client_what_hangs(const struct sqs_client *client, uint64_t now_usec)
{
    const char *what = NULL;

    for (const struct sqs_call *call = client->calls; call && !what; call = call->next)
        what = what_hangs(call, now_usec);
    return what;
}

int sqs_client_call(struct sqs_client *client, struct sqs_request *request,
                    const struct sqs_call_options *options, sqs_done_fn done, void *userdata,
                    struct sqs_call **ret)
{
    struct sqs_call *call = calloc(1, sizeof(*call));
    int r;

    if (!call) {
        sqs_request_free(request);
        return -ENOMEM;
    }
    call->client = client;
    call->request = request;
    call->options = *options;
    call->done = done;
    call->userdata = userdata;
    call->pass.is_poll = options->wait_usec > 0;
    call->next = client->calls;
    if (client->calls)
        client->calls->previous = call;
    client->calls = call;

    r = start_attempt(call);
    if (r < 0) {
        call_free(call);
        return r;
    }
    *ret = call;
    return 0;
}

bool sqs_call_is_out(const struct sqs_call *call)
{
    return call->slot;
}

void sqs_call_last_attempt(struct sqs_call *call)
{
    if (!call || !call->done)
        return;
    call->is_last_attempt = true;
    if (call->slot)
        return;
    /* Between attempts, or waiting for credentials: nothing of it is at SQS. */
    call->credentials_slot = credentials_slot_cancel(call->credentials_slot);
    if (call->attempts == 0) {
        set_error(call, SQS_ERROR_TRANSIENT, "", "stopped before the first attempt");
        call->error.was_not_sent = true;
    }
    finish_later(call);
}

struct sqs_call *sqs_call_cancel(struct sqs_call *call)
{
    /* done is NULL while the call's own callback runs: it has ended then. */
    if (call && call->done)
        call_free(call);
    return NULL;
}
