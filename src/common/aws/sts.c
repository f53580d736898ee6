/* SPDX-License-Identifier: MIT */
/* A call always waits for its reply (`slot`) or for its timer. The timer starts the next attempt.
 * Or it reports an error that was known at once, since the callback must not run inside
 * sts_assume_role.
 *
 * The body is the same in all attempts, and each attempt is signed anew. If this machine's clock is
 * wrong, STS's refusal contains the right time (clock-correction.h). */
#include "aws/sts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "aws/backoff.h"
#include "aws/clock-correction.h"
#include "aws/endpoint.h"
#include "aws/sigv4-time.h"
#include "aws/sigv4.h"
#include "aws/sts-reply.h"
#include "util/clock.h"
#include "util/encode.h"
#include "util/random.h"
#include "util/timer.h"

enum {
    BODY_MAX_BYTES = 128 * 1024,
    HEADER_MAX_BYTES = 16 * 1024,
    ERROR_MAX_BYTES = 4096,
};

#define CONTENT_TYPE "application/x-www-form-urlencoded; charset=utf-8"

struct sts {
    sd_event *event;
    struct http_client *http;
    struct endpoint *endpoint; /* NULL: endpoint_error says why */
    char *endpoint_error;
    struct sigv4_signer *signer;
    struct clock_skew *skew;
    struct sts_call *calls;
};

struct sts_call {
    struct sts *sts;
    struct sts_call *previous, *next;
    sts_done_fn done;
    void *userdata;

    const char *action;
    char *role_arn;
    char *source;
    struct aws_credentials *credentials; /* NULL: not signed */
    struct buffer body;

    struct http_slot *slot;
    struct timer timer;
    unsigned attempts;
    struct clock_correction clock;
    char *error; /* the answer when the timer expires; NULL: try again then */
};

/* --- Ends --- */

static void call_free(struct sts_call *call)
{
    if (call->previous)
        call->previous->next = call->next;
    else
        call->sts->calls = call->next;
    if (call->next)
        call->next->previous = call->previous;
    http_slot_cancel(call->slot);
    timer_done(&call->timer);
    aws_credentials_unref(call->credentials);
    buffer_done(&call->body);
    free(call->role_arn);
    free(call->source);
    free(call->error);
    free(call);
}

static void finish(struct sts_call *call, enum credentials_outcome outcome,
                   struct aws_credentials *credentials, const char *error)
{
    sts_done_fn done = call->done;
    void *userdata = call->userdata;

    call_free(call);
    done(userdata, outcome, credentials, error);
}

/* "AssumeRole of <role> at <host> failed: ..." */
static void finish_failed(struct sts_call *call, enum credentials_outcome outcome,
                          const char *format, ...) PRINTF_FORMAT(3, 4);
static void finish_failed(struct sts_call *call, enum credentials_outcome outcome,
                          const char *format, ...)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(ERROR_MAX_BYTES);
    char reason[ERROR_MAX_BYTES / 2];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    buffer_printf(&text, "%s of %s", call->action, call->role_arn);
    if (call->sts->endpoint)
        buffer_printf(&text, " at %s", call->sts->endpoint->host);
    if (call->attempts > 1)
        buffer_printf(&text, " failed %u times: %s", call->attempts, reason);
    else
        buffer_printf(&text, " failed: %s", reason);
    finish(call, outcome, NULL, text.error < 0 ? reason : buffer_string(&text));
}

/* --- What follows a failed attempt --- */

/* `outcome`: the call's outcome if the error may pass but this was the last attempt. */
static void attempt_failed(struct sts_call *call, enum aws_error_class class,
                           enum credentials_outcome outcome, const char *reason)
{
    enum backoff_kind kind = aws_error_backoff(class);
    bool may_pass = kind != BACKOFF_SLOW; /* else a person must repair something first */

    if (!may_pass || call->attempts >= STS_ATTEMPTS_MAX ||
        timer_set_after(&call->timer, backoff_delay_usec(kind, call->attempts, true, USEC_INFINITY,
                                                         random_u64())) < 0)
        finish_failed(call, may_pass ? outcome : CREDENTIALS_FAILED, "%s", reason);
}

/* Learns from a refused signature. True: the signing time has changed (another call may have learnt
 * it in the meantime), and the next attempt is under way. If the server's own time is impossible,
 * it proves nothing about our clock: then *class changes. */
static bool is_clock_corrected(struct sts_call *call, const struct http_reply *reply,
                               const char *message, enum aws_error_class *class)
{
    const struct clock_reading now = clocks_read(call->sts->event);
    struct clock_lesson lesson;

    if ((*class != AWS_ERROR_CLOCK && *class != AWS_ERROR_CREDENTIALS) || !call->credentials)
        return false;
    clock_correction_refused(&call->clock, call->sts->skew, &now, *class,
                             http_reply_header(reply, "Date"), message, &lesson);
    clock_skew_leave_change(call->sts->skew, lesson.change);
    if (lesson.is_server_time_implausible)
        *class = AWS_ERROR_TRANSIENT;
    return lesson.is_time_corrected && timer_set_after(&call->timer, 0) >= 0;
}

/* --- Replies --- */

static void error_reply(struct sts_call *call, const struct http_reply *reply,
                        const struct sts_reply *parsed)
{
    enum aws_error_class class =
        aws_error_class_of_code(parsed->error_code, reply->status < 500 && reply->status != 429);
    char reason[1280];

    if (aws_error_is_about_clock(parsed->error_code, parsed->error_message))
        class = AWS_ERROR_CLOCK;
    if (is_clock_corrected(call, reply, parsed->error_message, &class))
        return;
    snprintf(reason, sizeof(reason), "%s%s%s%s", parsed->error_code,
             parsed->error_message ? ": " : "", parsed->error_message ? parsed->error_message : "",
             class == AWS_ERROR_CLOCK ? " (set this machine's clock: timedatectl)" : "");
    attempt_failed(call, class, CREDENTIALS_UNREACHABLE, reason);
}

static void good_reply(struct sts_call *call, const struct sts_reply *parsed)
{
    CLEANUP(aws_credentials_unref) struct aws_credentials *c = NULL;
    const char *flaw = aws_credentials_flaw(parsed->access_key_id, parsed->secret_access_key,
                                            parsed->session_token);
    int r;

    if (call->credentials)
        clock_correction_accepted(&call->clock, call->sts->skew);
    if (flaw) {
        finish_failed(call, CREDENTIALS_FAILED, "of the keys in the reply, %s", flaw);
        return;
    }
    r = aws_credentials_new(parsed->access_key_id, parsed->secret_access_key, parsed->session_token,
                            call->source, (uint64_t)parsed->expiration * USEC_PER_SEC, &c);
    if (r < 0)
        finish_failed(call, credentials_outcome_of_errno(r), "%s", strerror(-r));
    else
        finish(call, CREDENTIALS_FOUND, c, NULL);
}

/* The reply is not in STS's XML, so it may come from something else. */
static void other_reply(struct sts_call *call, const struct http_reply *reply, const char *error)
{
    char reason[512];

    if (reply->status == 200)
        snprintf(reason, sizeof(reason), "a damaged reply: %s", error ? error : "");
    else
        snprintf(reason, sizeof(reason), "HTTP status %d", reply->status);
    if (http_reply_is_intercepted(reply) ||
        (reply->status != 200 && !http_status_is_transient(reply->status)))
        finish_failed(call, CREDENTIALS_INTERCEPTED, "%s", reason);
    else
        attempt_failed(call, reply->status == 429 ? AWS_ERROR_THROTTLED : AWS_ERROR_TRANSIENT,
                       CREDENTIALS_UNREACHABLE, reason);
}

static void on_reply(void *userdata, const struct http_reply *reply)
{
    struct sts_call *call = userdata;
    CLEANUP(sts_reply_free) struct sts_reply *parsed = NULL;
    CLEANUP(free) char *error = NULL;
    int r;

    call->slot = NULL;
    if (reply->failure == HTTP_FAILURE_PROXY) {
        finish_failed(call, CREDENTIALS_INTERCEPTED, "%s", reply->failure_text);
        return;
    }
    if (reply->failure != HTTP_FAILURE_NONE) {
        attempt_failed(call, AWS_ERROR_TRANSIENT,
                       reply->failure == HTTP_FAILURE_SHORTAGE ? CREDENTIALS_SHORTAGE
                                                               : CREDENTIALS_UNREACHABLE,
                       reply->failure_text);
        return;
    }
    r = sts_reply_parse(reply->body, reply->body_bytes, &parsed, &error);
    if (r == 0 && parsed->is_error)
        error_reply(call, reply, parsed);
    else if (r == 0 && reply->status == 200)
        good_reply(call, parsed);
    else if (r < 0)
        attempt_failed(call, AWS_ERROR_TRANSIENT, credentials_outcome_of_errno(r), strerror(-r));
    else
        other_reply(call, reply, error);
}

/* --- Attempts --- */

/* Appends the Authorization header's line; `date` is the signing time as text. */
static int sign(struct sts_call *call, const char *date, struct buffer *line)
{
    const struct aws_credentials *c = call->credentials;
    const struct endpoint *endpoint = call->sts->endpoint;
    const struct sigv4_header headers[] = {
        {"content-type", CONTENT_TYPE},
        {"host", endpoint->host},
        {"x-amz-date", date},
        {"x-amz-security-token", c->session_token},
    };
    const struct sigv4_request request = {
        .method = "POST",
        .path = endpoint->path,
        .headers = headers,
        .n_headers = c->session_token ? 4 : 3,
        .body = call->body.data,
        .body_bytes = call->body.size,
    };

    buffer_append_string(line, "Authorization: ");
    return sigv4_authorize(call->sts->signer, &request,
                           &(struct sigv4_credentials){c->access_key_id, c->secret_access_key},
                           &(struct sigv4_scope){endpoint->region, "sts", call->clock.signed_sec},
                           line);
}

static int send_attempt(struct sts_call *call)
{
    const struct endpoint *endpoint = call->sts->endpoint;
    CLEANUP(buffer_done) struct buffer authorization = BUFFER_INIT(HEADER_MAX_BYTES);
    CLEANUP(buffer_done) struct buffer token = BUFFER_INIT(STS_REPLY_VALUE_MAX_BYTES + 64);
    char date[AWS_TIME_SIZE], date_header[48], host_header[512];
    const char *headers[8];
    size_t n = 0;
    int r = 0;

    snprintf(host_header, sizeof(host_header), "Host: %s", endpoint->host);
    headers[n++] = host_header;
    headers[n++] = "Content-Type: " CONTENT_TYPE;
    headers[n++] = "Accept: text/xml";
    if (call->credentials) {
        aws_time_format(call->clock.signed_sec, date);
        snprintf(date_header, sizeof(date_header), "X-Amz-Date: %s", date);
        headers[n++] = date_header;
        if (call->credentials->session_token) {
            buffer_printf(&token, "X-Amz-Security-Token: %s", call->credentials->session_token);
            headers[n++] = buffer_string(&token);
        }
        r = sign(call, date, &authorization);
        headers[n++] = buffer_string(&authorization);
    }
    headers[n] = NULL;
    if (r < 0 || token.error < 0)
        return r < 0 ? r : token.error;

    return http_client_submit(call->sts->http,
                              &(struct http_request){
                                  .method = "POST",
                                  .url = endpoint->url,
                                  .headers = headers,
                                  .body = call->body.data,
                                  .body_bytes = call->body.size,
                                  .timeout_usec = STS_ATTEMPT_MAX_USEC,
                                  .stall_usec = STS_TIMEOUT_USEC,
                                  .reply_max_bytes = STS_REPLY_MAX_BYTES,
                              },
                              on_reply, call, &call->slot);
}

static void on_timer(void *userdata)
{
    struct sts_call *call = userdata;
    const struct clock_reading now = clocks_read(call->sts->event);
    int r;

    if (call->error) {
        finish_failed(call, CREDENTIALS_FAILED, "%s", call->error);
        return;
    }
    call->attempts++;
    clock_correction_sign(&call->clock, call->sts->skew, &now);
    r = send_attempt(call);
    if (r < 0)
        finish_failed(call, credentials_outcome_of_errno(r), "cannot send the request: %s",
                      strerror(-r));
}

/* --- Calls --- */

static void append_parameter(struct buffer *body, const char *name, const char *value)
{
    buffer_printf(body, "&%s=", name);
    uri_encode(body, value, strlen(value), "");
}

static int make_body(struct sts_call *call, const struct sts_request *request)
{
    struct buffer *b = &call->body;
    char duration[16], session_name[32];

    buffer_printf(b, "Action=%s&Version=2011-06-15", call->action);
    append_parameter(b, "RoleArn", request->role_arn);
    snprintf(session_name, sizeof(session_name), "sqs-demo-%lld", (long long)clock_wall_sec());
    append_parameter(b, "RoleSessionName",
                     request->role_session_name ? request->role_session_name : session_name);
    if (is_set(request->external_id))
        append_parameter(b, "ExternalId", request->external_id);
    if (request->duration_sec > 0) {
        snprintf(duration, sizeof(duration), "%u", request->duration_sec);
        append_parameter(b, "DurationSeconds", duration);
    }
    if (is_set(request->web_identity_token))
        append_parameter(b, "WebIdentityToken", request->web_identity_token);
    return b->error;
}

static int fill_call(struct sts_call *call, const struct sts_request *request)
{
    bool has_token = is_set(request->web_identity_token);
    int r;

    call->action = has_token ? "AssumeRoleWithWebIdentity" : "AssumeRole";
    call->credentials = has_token ? NULL : aws_credentials_ref(request->credentials);
    call->role_arn = strdup(request->role_arn);
    call->source = strdup(request->source);
    if (!call->role_arn || !call->source)
        return -ENOMEM;
    if (call->sts->endpoint_error) {
        call->error = strdup(call->sts->endpoint_error);
        if (!call->error)
            return -ENOMEM;
    }
    r = make_body(call, request);
    if (r < 0)
        return r;
    r = timer_init(&call->timer, call->sts->event, 10 * USEC_PER_MSEC, on_timer, call);
    return r < 0 ? r : timer_set_after(&call->timer, 0);
}

int sts_assume_role(struct sts *sts, const struct sts_request *request, sts_done_fn done,
                    void *userdata, struct sts_call **ret)
{
    struct sts_call *call;
    int r;

    if (is_set(request->web_identity_token) == (request->credentials != NULL))
        return -EINVAL;
    call = calloc(1, sizeof(*call));
    if (!call)
        return -ENOMEM;
    call->sts = sts;
    call->done = done;
    call->userdata = userdata;
    call->body = BUFFER_INIT(BODY_MAX_BYTES);
    call->next = sts->calls;
    if (call->next)
        call->next->previous = call;
    sts->calls = call;
    r = fill_call(call, request);
    if (r < 0) {
        call_free(call);
        return r;
    }
    *ret = call;
    return 0;
}

struct sts_call *sts_call_cancel(struct sts_call *call)
{
    if (call)
        call_free(call);
    return NULL;
}

/* --- The service --- */

static int resolve(struct sts *sts, const struct sts_options *options)
{
    bool is_custom = is_set(options->endpoint_url);
    CLEANUP(free) char *url = NULL;
    int r;

    if (!is_custom) {
        url = endpoint_sts_url(options->region, options->use_fips, options->use_dualstack);
        if (!url)
            return -ENOMEM;
    }
    r = endpoint_resolve(
        &(struct endpoint_settings){
            .region = options->region,
            .endpoint_url = is_custom ? options->endpoint_url : url,
            .use_fips = is_custom && options->use_fips,
            .use_dualstack = is_custom && options->use_dualstack,
        },
        &sts->endpoint, &sts->endpoint_error);
    return r > 0 ? 0 : r;
}

int sts_new(sd_event *event, struct http_client *http, const struct sts_options *options,
            struct sts **ret)
{
    CLEANUP(sts_free) struct sts *sts = calloc(1, sizeof(*sts));
    int r;

    if (!sts)
        return -ENOMEM;
    sts->event = sd_event_ref(event);
    sts->http = http;
    sts->skew = options->skew;
    r = sigv4_signer_new(&sts->signer);
    if (r == 0)
        r = resolve(sts, options);
    if (r < 0)
        return r;
    *ret = TAKE(sts);
    return 0;
}

struct sts *sts_free(struct sts *sts)
{
    if (!sts)
        return NULL;
    while (sts->calls)
        call_free(sts->calls);
    endpoint_free(sts->endpoint);
    free(sts->endpoint_error);
    sigv4_signer_free(sts->signer);
    sd_event_unref(sts->event);
    free(sts);
    return NULL;
}
