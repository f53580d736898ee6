/* SPDX-License-Identifier: MIT */
/* Posts each message to an application. A message is one POST, and has a connection to itself until
 * it is answered. Only the status of the reply counts. Its body is read to the end, because a
 * server may send it slowly to show that it is still at work; its beginning is kept for the log.
 *
 * Failures of messages are logged at most once a minute for each kind, the others at debug. The
 * caller logs that the application is not reached. */
#include "consumerd/handler/http.h"

#include <errno.h>
#include <stdio.h>

#include "consumerd/handler/http-destination.h"
#include "consumerd/handler/sandbox.h"
#include "consumerd/handler/sqsd-headers.h"
#include "daemon/failure-log.h"
#include "http/client.h"
#include "http/retry-after.h"
#include "util/clock.h"
#include "util/encode.h"
#include "util/log.h"

#define CONNECT_TIMEOUT_USEC (5 * USEC_PER_SEC) /* aws-sqsd's default, too */

enum {
    REPLY_KEPT_BYTES = 256, /* for the log */
    LOCATION_SHOWN_BYTES = 512,
    SHOWN_REPLY_MAX_BYTES = 4 * (REPLY_KEPT_BYTES + LOCATION_SHOWN_BYTES) + 1024,
    AWAY_MAX_BYTES = SHOWN_REPLY_MAX_BYTES + 4096,
};

/* Each has a rate limit of its own in the log. */
enum failure_kind {
    FAILURE_REPLY,   /* no complete reply within the timeout */
    FAILURE_PASSING, /* a status that usually passes (http_status_is_transient) */
    FAILURE_STATUS,  /* another status: often the message is to blame */
    FAILURE_HEADERS, /* no header can carry an attribute */
    N_FAILURE_KINDS,
};

struct http_handler {
    struct handler head;
    sd_event *event;
    struct http_client *client;
    struct http_destination *destination;
    struct http_destination *next_destination; /* made by `prepare`; NULL: none */
    char *queue_name;
    struct sqsd_headers headers; /* of the message that is being sent; kept to reuse its memory */
    struct failure_log failures[N_FAILURE_KINDS];
    struct buffer why_not_reached; /* see handler_ops.why_not_reached */
};

struct handler_run {
    struct http_handler *handler;
    struct http_destination *destination;
    const struct sqs_received_message *message;
    struct http_slot *slot;
    handler_done_fn done;
    void *userdata;
    size_t headers_bytes, largest_header_bytes;
};

/* --- The log --- */

static uint64_t now_usec(const struct http_handler *h)
{
    return clock_loop_usec(h->event);
}

static enum failure_kind kind_of(const struct http_reply *reply)
{
    if (reply->failure != HTTP_FAILURE_NONE)
        return FAILURE_REPLY;
    return http_status_is_transient(reply->status) ? FAILURE_PASSING : FAILURE_STATUS;
}

static void describe_redirect(const struct http_reply *reply, struct buffer *text)
{
    const char *location = http_reply_header(reply, "Location");

    if (reply->status < 300 || reply->status > 399 || !location)
        return;
    buffer_append_string(text, " to ");
    http_target_append_shown(text, location, LOCATION_SHOWN_BYTES);
    buffer_append_string(text,
                         ", and redirects are not followed: should consumer.url be that URL?");
}

/* "status 500: its text", or why there is no status. */
static void describe(const struct http_reply *reply, struct buffer *text)
{
    if (reply->failure != HTTP_FAILURE_NONE) {
        if (reply->head_status > 0)
            buffer_printf(text, "status %d, but the reply is incomplete: ", reply->head_status);
        buffer_append_string(text, reply->failure_text);
        return;
    }
    buffer_printf(text, "status %d", reply->status);
    describe_redirect(reply, text);
    if (reply->body_bytes > 0) {
        buffer_append_string(text, ": ");
        escape_for_log(text, reply->body, reply->body_bytes, REPLY_KEPT_BYTES);
        if (reply->body_bytes == REPLY_KEPT_BYTES)
            buffer_append_string(text, "...");
    }
}

/* Servers refuse large headers with 431 or 400, or only close the connection. */
static void describe_headers(const struct handler_run *run, const struct http_reply *reply,
                             struct buffer *text)
{
    bool may_be_why = reply->failure == HTTP_FAILURE_NONE
                          ? reply->status >= 400 && reply->status <= 499
                          : reply->head_status == 0;

    if (may_be_why && (run->headers_bytes > SQSD_HEADERS_COMMON_BYTES ||
                       run->largest_header_bytes > SQSD_HEADER_COMMON_BYTES))
        buffer_printf(text,
                      " (its headers are %zu bytes, the largest one %zu, because of the message's "
                      "attributes; many servers accept at most 16 KiB in all and 8 KiB for one)",
                      run->headers_bytes, run->largest_header_bytes);
}

/* Writes a warning, or a line at debug if the last warning of this kind is too recent. `delay_usec`
 * is the delay of the handler's answer. */
static void log_failure(const struct handler_run *run, const struct http_reply *reply,
                        uint64_t delay_usec)
{
    struct http_handler *h = run->handler;
    const struct sqs_received_message *message = run->message;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(SHOWN_REPLY_MAX_BYTES);
    struct failure_log *log = &h->failures[kind_of(reply)];
    uint64_t now = now_usec(h);
    int priority = failure_log_add(log, "", "", now) ? LOG_WARNING : LOG_DEBUG;
    char status[16] = "", when[64] = "", more[96] = "";

    if (!log_enabled(priority))
        return;
    describe(reply, &text);
    describe_headers(run, reply, &text);
    if (reply->failure == HTTP_FAILURE_NONE)
        snprintf(status, sizeof(status), "%d", reply->status);
    if (delay_usec != HANDLER_DELAY_DEFAULT)
        snprintf(when, sizeof(when), " in %u s or later, as the server asks",
                 (unsigned)(delay_usec / USEC_PER_SEC));
    if (priority == LOG_WARNING && log->failures > 1)
        snprintf(more, sizeof(more), " (%u such failures in a row, within %u s)", log->failures,
                 (unsigned)((now - log->since_usec) / USEC_PER_SEC));
    log_write(priority, NULL, LOG_FIELDS(MESSAGE_FIELDS(message), {"SQS_HTTP_STATUS", status}),
              "Message %s (receive %u) is not handled, it comes back%s: %s: %s%s",
              message->message_id, message->receive_count, when, run->destination->shown_url,
              buffer_string(&text), more);
}

static void log_success(const struct handler_run *run)
{
    struct http_handler *h = run->handler;
    unsigned failures = 0;
    uint64_t since_usec = UINT64_MAX;

    for (size_t i = 0; i < FAILURE_HEADERS; i++) {
        struct failure_log ended;

        /* Success of one message does not mean that the refused one would now succeed. */
        if (!failure_log_end(&h->failures[i], &ended) || i == FAILURE_STATUS)
            continue;
        failures += ended.failures;
        since_usec = MIN(since_usec, ended.since_usec);
    }
    if (failures > 0)
        log_notice("%s handles messages again; %u failed within %u s.", run->destination->shown_url,
                   failures, (unsigned)((now_usec(h) - since_usec) / USEC_PER_SEC));
}

static void log_left_out(struct http_handler *h, const struct sqs_received_message *message)
{
    bool is_worth_it = failure_log_add(&h->failures[FAILURE_HEADERS], "", "", now_usec(h));

    log_write(is_worth_it ? LOG_WARNING : LOG_DEBUG, NULL, LOG_FIELDS(MESSAGE_FIELDS(message)),
              "Message %s is posted without %u of its attributes, which no header can carry "
              "(control characters, or too large); the first is \"%.256s\".",
              message->message_id, h->headers.n_left_out, h->headers.left_out);
}

/* --- A message --- */

/* The pause after a refusal by a proxy: a wrong password that is tried often may lock the
 * account. */
#define PROXY_PAUSE_USEC (60 * USEC_PER_SEC)

static bool is_gateway_status(int status)
{
    return status >= 502 && status <= 504;
}

static enum handler_outcome outcome_of(const struct http_reply *reply)
{
    switch (reply->failure) {
    case HTTP_FAILURE_NONE:
        return reply->status == 200               ? HANDLER_DONE
               : is_gateway_status(reply->status) ? HANDLER_UNAVAILABLE
                                                  : HANDLER_RETRY;
    case HTTP_FAILURE_RESOLVE:
    case HTTP_FAILURE_CONNECT:
    case HTTP_FAILURE_TLS:
    case HTTP_FAILURE_HANDSHAKE:
    case HTTP_FAILURE_PROXY:
    case HTTP_FAILURE_SHORTAGE:
        /* If a kept connection ended with the message on it, the message may be the cause. */
        return reply->n_begun == 0 ? HANDLER_NOT_REACHED : HANDLER_UNAVAILABLE;
    case HTTP_FAILURE_TIMEOUT:
    case HTTP_FAILURE_TOO_LARGE:
    case HTTP_FAILURE_BROKEN:
    case HTTP_FAILURE_REQUEST:
        break;
    }
    return reply->n_begun == 0 ? HANDLER_NOT_REACHED : HANDLER_UNANSWERED;
}

/* The delay of the handler's answer. */
static uint64_t delay_of(const struct http_reply *reply)
{
    const char *value = reply->status == 429 || reply->status == 503
                            ? http_reply_header(reply, "Retry-After")
                            : NULL;
    unsigned sec;

    if (reply->failure == HTTP_FAILURE_PROXY)
        return PROXY_PAUSE_USEC;
    if (!value || retry_after_parse(value, (time_t)(clock_wall_usec() / USEC_PER_SEC),
                                    SQS_VISIBILITY_MAX_SEC, &sec) < 0)
        return HANDLER_DELAY_DEFAULT;
    return sec * USEC_PER_SEC;
}

static void note_not_reached(const struct handler_run *run, const struct http_reply *reply)
{
    struct http_handler *h = run->handler;

    buffer_reset(&h->why_not_reached);
    buffer_append_string(&h->why_not_reached, run->destination->shown_url);
    buffer_append_string(&h->why_not_reached, ": ");
    describe(reply, &h->why_not_reached);
}

static void on_reply(void *userdata, const struct http_reply *reply)
{
    struct handler_run ended = *(struct handler_run *)userdata;
    enum handler_outcome outcome = outcome_of(reply);
    uint64_t delay_usec = outcome == HANDLER_DONE ? 0 : delay_of(reply);

    free(userdata);
    if (outcome == HANDLER_DONE)
        log_success(&ended);
    else if (outcome == HANDLER_NOT_REACHED || outcome == HANDLER_UNAVAILABLE)
        note_not_reached(&ended, reply);
    else
        log_failure(&ended, reply, delay_usec);
    http_destination_unref(ended.destination);
    ended.done(ended.userdata, outcome, delay_usec);
}

static const char *why_not_reached(const struct handler *handler)
{
    return buffer_string(&((const struct http_handler *)(const void *)handler)->why_not_reached);
}

static void run_free(struct handler_run *run)
{
    http_destination_unref(run->destination);
    free(run);
}
DEFINE_CLEANUP(struct handler_run *, run_free)

static int run(struct handler *handler, const struct sqs_received_message *message,
               handler_done_fn done, void *userdata, struct handler_run **ret_run)
{
    struct http_handler *h = (struct http_handler *)(void *)handler;
    struct http_destination *d = h->destination;
    const struct sqsd_fixed fixed = {d->content_type, h->queue_name, d->target.path};
    CLEANUP(run_free) struct handler_run *new = calloc(1, sizeof(*new));
    int r;

    if (!new)
        return -ENOMEM;
    *new = (struct handler_run){.handler = h,
                                .destination = http_destination_ref(d),
                                .message = message,
                                .done = done,
                                .userdata = userdata};
    r = sqsd_headers_make(&fixed, message, &h->headers);
    if (r < 0)
        return r;
    if (h->headers.n_left_out > 0)
        log_left_out(h, message);
    new->headers_bytes = h->headers.bytes;
    new->largest_header_bytes = h->headers.largest_bytes;
    r = http_client_submit(h->client,
                           &(struct http_request){
                               .method = "POST",
                               .url = d->target.url,
                               .unix_socket = d->target.unix_socket,
                               .headers = h->headers.lines,
                               .body = message->body,
                               .body_bytes = message->body_bytes,
                               .timeout_usec = d->timeout_usec,
                               .reply_max_bytes = REPLY_KEPT_BYTES,
                               .cut_reply = true,
                               .send_once = true,
                               .no_proxy = d->target.no_proxy,
                           },
                           on_reply, new, &new->slot);
    if (r < 0)
        return r;
    *ret_run = TAKE(new);
    return 0;
}

static void cancel(struct handler_run *run, uint64_t grace_usec)
{
    struct handler_run ended = *run;

    http_slot_cancel(run->slot);
    run_free(run);
    ended.done(ended.userdata, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
}

static bool cancel_unreached(struct handler_run *run)
{
    if (http_slot_has_begun(run->slot))
        return false;
    http_slot_cancel(run->slot);
    run_free(run);
    return true;
}

static void abandon(struct handler_run *run)
{
    http_slot_cancel(run->slot);
    run_free(run);
}

/* --- Life --- */

static void http_handler_free(struct handler *handler)
{
    struct http_handler *h = (struct http_handler *)(void *)handler;

    http_client_free(h->client);
    sqsd_headers_done(&h->headers);
    buffer_done(&h->why_not_reached);
    http_destination_unref(h->destination);
    http_destination_unref(h->next_destination);
    free(h->queue_name);
    sd_event_unref(h->event);
    free(h);
}

static struct http_client_options client_options(const struct http_destination *d)
{
    return (struct http_client_options){
        .user_agent = SQSD_USER_AGENT,
        .connect_timeout_usec = MIN(CONNECT_TIMEOUT_USEC, d->timeout_usec),
        .connections_max = d->connections_max,
    };
}

static int prepare(struct handler *handler, const struct config *next, char **error)
{
    struct http_handler *h = (struct http_handler *)(void *)handler;
    struct http_destination *d;
    int r = http_destination_new(next, &d, error);

    if (r != 0)
        return r;
    http_destination_unref(h->next_destination);
    h->next_destination = d;
    return 0;
}

static void set_destination(struct http_handler *h, struct http_destination *d)
{
    http_destination_unref(h->destination);
    h->destination = d;
    h->head.target = d->shown_url;
}

static void reconfigure(struct handler *handler)
{
    struct http_handler *h = (struct http_handler *)(void *)handler;
    struct http_client_options options;

    if (!h->next_destination)
        return;
    set_destination(h, TAKE(h->next_destination));
    options = client_options(h->destination);
    (void)http_client_reconfigure(h->client, &options); /* fails with a ca_bundle alone */
}

static const struct handler_ops ops = {.run = run,
                                       .cancel = cancel,
                                       .abandon = abandon,
                                       .free = http_handler_free,
                                       .why_not_reached = why_not_reached,
                                       .prepare = prepare,
                                       .reconfigure = reconfigure,
                                       .cancel_unreached = cancel_unreached};

int handler_http_new(sd_event *event, const struct config *config, struct handler **ret,
                     char **error)
{
    CLEANUP(handler_free) struct handler *handler = NULL;
    const char *slash = strrchr(config->aws.queue_url, '/');
    struct http_handler *h = calloc(1, sizeof(*h));
    struct http_destination *destination;
    struct http_client_options options;
    int r;

    if (!h)
        return -ENOMEM;
    handler = &h->head;
    handler->ops = &ops;
    h->event = sd_event_ref(event);
    h->why_not_reached.max = AWAY_MAX_BYTES;
    h->queue_name = strdup(slash ? slash + 1 : config->aws.queue_url);
    if (!h->queue_name)
        return -ENOMEM;
    r = http_destination_new(config, &destination, error);
    if (r != 0)
        return r;
    set_destination(h, destination);
    options = client_options(destination);
    r = http_client_new(event, &options, &h->client);
    if (r < 0)
        return r;
    *ret = TAKE(handler);
    return 0;
}

void handler_http_warn_of_sandbox(const struct config *config)
{
    CLEANUP(http_target_done) struct http_target target = {};

    if (http_target_parse(config->consumer.url, &target, NULL) == 0 && target.unix_socket)
        sandbox_warn(config->instance, "url", target.unix_socket);
}
