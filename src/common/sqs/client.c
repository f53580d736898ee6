/* SPDX-License-Identifier: MIT */
/* Starts and stops calls and their attempts. A call always waits for one of three things: for
 * credentials (`credentials_slot`), for its reply (`slot`), or for its timer. sqs_client_call
 * returns the failures that happen inside it. All other failures are reported from the event loop.
 * So no callback runs inside sqs_client_call or sqs_call_stop_retrying. */
#include "sqs/client-internal.h"
#include "util/clock.h"

#include <errno.h>
#include <stdio.h>

/* Ends the call with call->error, later, from the event loop. */
static void finish_later(struct sqs_call *call)
{
    sqs_call_set_wakeable(call, false);
    call->is_answer_ready = true;
    if (sqs_call_set_timer(call, 0) < 0)
        sqs_call_finish(call, NULL);
}

static int send_attempt(struct sqs_call *call)
{
    struct sqs_client *client = call->client;
    const char *const *headers;
    int r = sqs_headers_make(client->headers, call->request, call->credentials,
                             call->clock.signed_sec, &headers);

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
                                  .stall_usec = client->request_timeout_usec,
                                  .wait_usec = call->options.wait_usec,
                                  .reply_max_bytes = SQS_REPLY_MAX_BYTES,
                              },
                              sqs_call_on_reply, call, &call->slot);
}

static uint64_t timeout_usec(const struct sqs_call *call)
{
    uint64_t usec = call->options.timeout ? call->options.timeout(call->userdata) : USEC_INFINITY;
    uint64_t max_usec = MAX(SQS_ATTEMPT_MAX_USEC, 2 * call->client->request_timeout_usec);

    return MIN(usec, max_usec) + call->options.wait_usec;
}

static int attempt(struct sqs_call *call, struct aws_credentials *credentials)
{
    struct sqs_client *client = call->client;
    const struct clock_reading now = clocks_read(client->event);

    aws_credentials_unref(call->credentials);
    call->credentials = aws_credentials_ref(credentials);
    call->attempts++;
    call->sent_usec = now.boot_usec;
    clock_correction_sign(&call->clock, client->skew, &now);
    sqs_client_skew_changed(client, clock_skew_take_change(client->skew)); /* maybe STS's change */
    call->timeout_usec = timeout_usec(call);
    return send_attempt(call);
}

/* The attempt failed before anything was sent. */
static void not_sent(struct sqs_call *call, int r)
{
    bool is_hopeless = r == -EINVAL || r == -E2BIG;
    char text[128];

    snprintf(text, sizeof(text), "the request cannot be sent: %s", strerror(-r));
    sqs_call_set_error(call, is_hopeless ? AWS_ERROR_PERMANENT : AWS_ERROR_TRANSIENT, "", text);
    call->error.was_not_sent = true;
    call->http_status = 0;
    call->request_id[0] = '\0';
    sqs_call_attempt_failed(call);
}

/* Whether the caller still wants the next attempt. False: the call must end with call->error. */
static bool is_wanted(struct sqs_call *call)
{
    bool is_first = call->attempts == 0;

    if (!call->options.before_attempt ||
        call->options.before_attempt(call->userdata, is_first ? NULL : &call->error,
                                     &call->request))
        return true;
    if (is_first) {
        sqs_call_set_error(call, AWS_ERROR_TRANSIENT, "", "given up before the first attempt");
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
            sqs_call_finish(call, NULL);
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
    switch (outcome) {
    case CREDENTIALS_UNREACHABLE:
        sqs_call_set_error(call, AWS_ERROR_TRANSIENT, SQS_ERROR_CREDENTIALS_UNREACHABLE, error);
        break;
    case CREDENTIALS_SHORTAGE:
        sqs_call_set_error(call, AWS_ERROR_TRANSIENT, SQS_ERROR_CREDENTIALS_SHORTAGE, error);
        break;
    case CREDENTIALS_INTERCEPTED:
        sqs_call_set_error(call, AWS_ERROR_TRANSIENT, SQS_ERROR_CREDENTIALS_INTERCEPTED, error);
        break;
    case CREDENTIALS_METADATA_INTERCEPTED:
        sqs_call_set_error(call, AWS_ERROR_TRANSIENT, SQS_ERROR_METADATA_INTERCEPTED, error);
        break;
    case CREDENTIALS_NO_ANSWER_YET:
        sqs_call_set_error(call, AWS_ERROR_TRANSIENT, SQS_ERROR_NO_CREDENTIALS_YET, error);
        break;
    case CREDENTIALS_NOT_SET_UP:
        sqs_call_set_error(call, AWS_ERROR_CREDENTIALS, SQS_ERROR_NO_CREDENTIALS, error);
        break;
    case CREDENTIALS_FAILED:
    case CREDENTIALS_FOUND: /* handled above */
        sqs_call_set_error(call, AWS_ERROR_CREDENTIALS, SQS_ERROR_CREDENTIALS_FAILED, error);
        break;
    }
    call->error.was_not_sent = true;
    sqs_call_attempt_failed(call);
}

/* On failure the call waits for nothing. */
static int start_attempt(struct sqs_call *call)
{
    struct aws_credentials *cached = credentials_peek(call->client->credentials);
    int r;

    if (cached)
        return attempt(call, cached);
    call->credentials_asked_usec = clock_loop_usec(call->client->event);
    r = credentials_get(call->client->credentials, on_credentials, call, &call->credentials_slot);
    if (r < 0)
        call->attempts++;
    return r;
}

static void on_timer(void *userdata)
{
    struct sqs_call *call = userdata;
    int r;

    sqs_call_set_wakeable(call, false);
    if (call->is_answer_ready || !is_wanted(call)) {
        sqs_call_finish(call, NULL);
        return;
    }
    r = start_attempt(call);
    if (r < 0)
        not_sent(call, r);
}

int sqs_client_new(sd_event *event, struct http_client *http, struct credentials *credentials,
                   const struct endpoint *endpoint, uint64_t request_timeout_usec,
                   const struct sqs_client_observer *observer, struct sqs_client **ret)
{
    CLEANUP(sqs_client_free) struct sqs_client *client = calloc(1, sizeof(*client));
    int r;

    if (!client)
        return -ENOMEM;
    list_init(&client->calls);
    client->event = sd_event_ref(event);
    client->http = http;
    client->on_timer = on_timer;
    client->credentials = credentials;
    client->skew = credentials_skew(credentials);
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

const struct sqs_client_counts *sqs_client_counts(const struct sqs_client *client)
{
    return &client->counts;
}

void sqs_client_set_request_timeout(struct sqs_client *client, uint64_t usec)
{
    client->request_timeout_usec = usec;
}

struct sqs_client *sqs_client_free(struct sqs_client *client)
{
    if (!client)
        return NULL;
    client->observer = (struct sqs_client_observer){};
    while (!list_is_empty(&client->calls))
        sqs_call_free(CONTAINER_OF(client->calls.next, struct sqs_call, link));
    sqs_headers_free(client->headers);
    sd_event_unref(client->event);
    free(client);
    return NULL;
}

static const char *describe_stuck_call(const struct sqs_call *call, uint64_t now_usec)
{
    if (call->slot)
        return now_usec > call->sent_usec + call->timeout_usec + SQS_CALL_STUCK_USEC
                   ? "a request to SQS did not end at its time-out"
                   : NULL;
    if (call->credentials_slot)
        return now_usec > call->credentials_asked_usec + SQS_CALL_CREDENTIALS_STUCK_USEC
                   ? "a request has waited for credentials for 10 minutes"
                   : NULL;
    if (!timer_is_set(&call->timer))
        return "a request waits, but nothing will continue it";
    return now_usec > timer_usec(&call->timer) + SQS_CALL_STUCK_USEC
               ? "a retry of a request was due, but was not made"
               : NULL;
}

const char *sqs_client_describe_stuck_call(const struct sqs_client *client, uint64_t now_usec)
{
    const char *what = NULL;

    LIST_FOREACH(&client->calls, link)
    {
        what = describe_stuck_call(CONTAINER_OF(link, struct sqs_call, link), now_usec);
        if (what)
            break;
    }
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
    call->retry.grant.is_poll = options->wait_usec > 0;
    list_prepend(&client->calls, &call->link);

    r = start_attempt(call);
    if (r < 0) {
        sqs_call_free(call);
        return r;
    }
    *ret = call;
    return 0;
}

void sqs_call_stop_retrying(struct sqs_call *call)
{
    if (!call || !call->done)
        return;
    call->is_last_attempt = true;
    if (call->slot)
        return;
    /* No request is under way: the call waits for its timer or for credentials. */
    call->credentials_slot = credentials_slot_cancel(call->credentials_slot);
    if (call->attempts == 0) {
        sqs_call_set_error(call, AWS_ERROR_TRANSIENT, "", "stopped before the first attempt");
        call->error.was_not_sent = true;
    }
    finish_later(call);
}

struct sqs_call *sqs_call_cancel(struct sqs_call *call)
{
    /* done is NULL while the call's callback runs; sqs_call_finish frees the call after it. */
    if (call && call->done)
        sqs_call_free(call);
    return NULL;
}
