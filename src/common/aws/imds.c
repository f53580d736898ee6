/* SPDX-License-Identifier: MIT */
/* A read is one or two requests: a PUT for the token, once in a session, and a GET with the token.
 *
 * As in botocore, version 1 is tried if the PUT is answered with 403, 404 or 405, or is not
 * answered in time, unless a setting switches version 1 off. In a container the PUT often gets no
 * answer: the hop limit of IMDSv2 drops the answer on its way, although the connection is up. */
#include "aws/imds.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "util/buffer.h"
#include "util/clock.h"
#include "util/timer.h"

#define TOKEN_PATH "latest/api/token"

enum {
    TOKEN_MAX_BYTES = 4096,
    URL_MAX = 4096,
    TEXT_MAX = 8192,
};

enum token_state {
    TOKEN_UNKNOWN,
    TOKEN_KNOWN,
    TOKEN_NONE, /* version 1 */
};

struct imds {
    sd_event *event;
    struct http_client *http;
    struct imds_settings settings;
    enum token_state token_state;
    struct buffer token_header; /* "X-aws-ec2-metadata-token: ..." */
    bool token_timed_out;
    uint64_t end_usec; /* of the session, on the boot clock */

    /* State of the current read. */
    struct buffer url;
    struct http_slot *slot;
    struct timer pause;
    unsigned attempts; /* of the current request */
    imds_done_fn done;
    void *userdata;
};

struct imds *imds_free(struct imds *imds)
{
    if (!imds)
        return NULL;
    http_slot_cancel(imds->slot);
    timer_done(&imds->pause);
    imds_settings_done(&imds->settings);
    buffer_done(&imds->token_header);
    buffer_done(&imds->url);
    free(imds);
    return NULL;
}

int imds_new(sd_event *event, struct http_client *http, const char *profile, struct imds **ret,
             char **error)
{
    CLEANUP(imds_free) struct imds *imds = calloc(1, sizeof(*imds));
    int r;

    if (!imds)
        return -ENOMEM;
    imds->event = event;
    imds->http = http;
    imds->end_usec = clock_loop_usec(event) + IMDS_SESSION_MAX_USEC;
    imds->token_header = BUFFER_INIT(TOKEN_MAX_BYTES);
    imds->url = BUFFER_INIT(URL_MAX);
    r = imds_settings_read(profile, &imds->settings, error);
    if (r != 0)
        return r;
    *ret = TAKE(imds);
    return 0;
}

/* ---- Answers ---- */

/* Runs the callback, which may free the session. */
static void PRINTF_FORMAT(3, 4)
    end_read(struct imds *imds, enum imds_outcome outcome, const char *format, ...)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(TEXT_MAX);
    CLEANUP(free) char *what = NULL;
    va_list ap;

    va_start(ap, format);
    if (vasprintf(&what, format, ap) < 0)
        what = NULL;
    va_end(ap);
    buffer_printf(&text, "%s: %s", buffer_string(&imds->url), what ? what : "out of memory");
    imds->done(imds->userdata, outcome, "", 0, buffer_string(&text));
}

static int send_request(struct imds *imds);

static void on_pause_over(void *userdata)
{
    struct imds *imds = userdata;
    int r = send_request(imds);

    if (r < 0)
        end_read(imds, errno_is_transient(r) ? IMDS_SHORTAGE : IMDS_FAILED, "%s", strerror(-r));
}

/* Makes the request once more after a pause. False: no attempts or no time are left. */
static bool retry_later(struct imds *imds)
{
    int r;

    if (imds->attempts >= imds->settings.attempts ||
        clock_loop_usec(imds->event) + IMDS_PAUSE_USEC >= imds->end_usec)
        return false;
    timer_done(&imds->pause);
    r = timer_init(&imds->pause, imds->event, 10 * USEC_PER_MSEC, on_pause_over, imds);
    if (r >= 0)
        r = timer_set_after(&imds->pause, IMDS_PAUSE_USEC);
    return r >= 0;
}

/* Starts the GET after the PUT. */
static void request_value(struct imds *imds)
{
    int r;

    imds->attempts = 0;
    r = send_request(imds);
    if (r < 0)
        end_read(imds, errno_is_transient(r) ? IMDS_SHORTAGE : IMDS_FAILED, "%s", strerror(-r));
}

static const char *failure_text(const struct http_reply *reply)
{
    return is_set(reply->failure_text) ? reply->failure_text : "no answer";
}

/* The token is put into a header unchanged. */
static bool token_is_valid(const char *token, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (token[i] <= ' ' || token[i] > '~')
            return false;
    return size > 0;
}

/* The outcome if the service has answered before, or if nobody was asked. */
static enum imds_outcome outcome_of_failure(enum http_failure failure)
{
    if (failure == HTTP_FAILURE_SHORTAGE)
        return IMDS_SHORTAGE;
    return failure == HTTP_FAILURE_TOO_LARGE ? IMDS_FAILED : IMDS_UNREACHABLE;
}

static enum imds_outcome outcome_of_status(int status)
{
    return http_status_is_transient(status) ? IMDS_UNREACHABLE : IMDS_FAILED;
}

static void on_intercepted(struct imds *imds, const struct http_reply *reply)
{
    end_read(imds, IMDS_INTERCEPTED,
             "the server there is not the metadata service: HTTP status %d%s", reply->status,
             http_reply_is_html(reply) ? " with HTML" : "");
}

static void on_token_refused(struct imds *imds, const char *why)
{
    if (imds->settings.is_v1_disabled) {
        /* A host that drops the requests cannot be told from a lost answer. */
        end_read(imds, imds->token_timed_out ? IMDS_NO_ANSWER : IMDS_FAILED,
                 "asked for an IMDSv2 token: %s, and IMDSv1 is switched off "
                 "(AWS_EC2_METADATA_V1_DISABLED)",
                 why);
        return;
    }
    imds->token_state = TOKEN_NONE;
    request_value(imds);
}

static void on_token_status(struct imds *imds, const struct http_reply *reply)
{
    char why[64];

    snprintf(why, sizeof(why), "it answered HTTP status %d", reply->status);
    switch (reply->status) {
    case 200:
        if (http_reply_is_html(reply)) {
            on_intercepted(imds, reply);
            return;
        }
        if (!token_is_valid(reply->body, reply->body_bytes) ||
            buffer_append_string(&imds->token_header, "X-aws-ec2-metadata-token: ") < 0 ||
            buffer_append(&imds->token_header, reply->body, reply->body_bytes) < 0) {
            buffer_reset(&imds->token_header);
            end_read(imds, IMDS_FAILED,
                     "asked for an IMDSv2 token: its reply is not a token (%zu bytes)",
                     reply->body_bytes);
            return;
        }
        imds->token_state = TOKEN_KNOWN;
        request_value(imds);
        return;
    case 403:
    case 404:
    case 405:
        on_token_refused(imds, why);
        return;
    case 400:
        end_read(imds, IMDS_REFUSED, "asked for an IMDSv2 token: %s", why);
        return;
    default:
        if (http_reply_is_intercepted(reply))
            on_intercepted(imds, reply);
        else if (!retry_later(imds))
            end_read(imds, outcome_of_status(reply->status), "asked for an IMDSv2 token: %s", why);
    }
}

static void on_token_reply(struct imds *imds, const struct http_reply *reply)
{
    switch (reply->failure) {
    case HTTP_FAILURE_NONE:
        on_token_status(imds, reply);
        return;
    case HTTP_FAILURE_TIMEOUT:
        imds->token_timed_out = true;
        on_token_refused(imds, failure_text(reply));
        return;
    case HTTP_FAILURE_TLS:
    case HTTP_FAILURE_HANDSHAKE:
    case HTTP_FAILURE_TOO_LARGE:
    case HTTP_FAILURE_BROKEN:
    case HTTP_FAILURE_SHORTAGE: /* this machine is short: nobody was asked */
    case HTTP_FAILURE_REQUEST:
        if (!retry_later(imds))
            end_read(imds, outcome_of_failure(reply->failure), "asked for an IMDSv2 token: %s",
                     failure_text(reply));
        return;
    default:
        if (!retry_later(imds))
            end_read(imds, IMDS_NO_ANSWER, "asked for an IMDSv2 token: %s", failure_text(reply));
    }
}

static void on_value_status(struct imds *imds, const struct http_reply *reply)
{
    imds_done_fn done = imds->done;

    if (http_reply_is_intercepted(reply)) {
        on_intercepted(imds, reply);
    } else if (reply->status == 200) {
        done(imds->userdata, IMDS_OK, reply->body, reply->body_bytes, "");
    } else if (reply->status == 404) {
        end_read(imds, IMDS_NOT_FOUND, "it answered HTTP status 404");
    } else if (reply->status == 401 && imds->token_state == TOKEN_NONE) {
        end_read(imds, IMDS_FAILED,
                 "it requires IMDSv2, but %s: in a container, the instance's "
                 "HttpPutResponseHopLimit must be 2 or more",
                 imds->token_timed_out ? "no token came in time" : "refused a token");
    } else if (!retry_later(imds)) {
        end_read(imds, outcome_of_status(reply->status), "it answered HTTP status %d",
                 reply->status);
    }
}

static void on_value_reply(struct imds *imds, const struct http_reply *reply)
{
    bool was_heard = imds->token_state == TOKEN_KNOWN;

    if (reply->failure == HTTP_FAILURE_NONE) {
        on_value_status(imds, reply);
        return;
    }
    if (retry_later(imds))
        return;
    was_heard = was_heard || reply->failure == HTTP_FAILURE_TOO_LARGE ||
                reply->failure == HTTP_FAILURE_BROKEN || reply->failure == HTTP_FAILURE_TLS ||
                reply->failure == HTTP_FAILURE_HANDSHAKE ||
                reply->failure == HTTP_FAILURE_SHORTAGE || reply->failure == HTTP_FAILURE_REQUEST;
    end_read(imds, was_heard ? outcome_of_failure(reply->failure) : IMDS_NO_ANSWER, "%s",
             failure_text(reply));
}

static void on_reply(void *userdata, const struct http_reply *reply)
{
    struct imds *imds = userdata;

    imds->slot = NULL;
    if (imds->token_state == TOKEN_UNKNOWN)
        on_token_reply(imds, reply);
    else
        on_value_reply(imds, reply);
}

/* ---- Requests ---- */

/* Limits the request's time-out to the session's remaining time, but to no less than a second. */
static void bound_time(const struct imds *imds, struct http_request *request)
{
    uint64_t now = clock_loop_usec(imds->event);
    uint64_t left = imds->end_usec > now ? imds->end_usec - now : 0;

    request->timeout_usec = MIN(imds->settings.timeout_usec, MAX(left, USEC_PER_SEC));
    request->timeout_grows = left >= IMDS_TIMEOUT_MAX_SEC * USEC_PER_SEC;
    request->stall_usec = request->timeout_usec;
}

/* Sends a PUT for a token, or a GET with or without one. */
static int send_request(struct imds *imds)
{
    CLEANUP(buffer_done) struct buffer token_url = BUFFER_INIT(URL_MAX);
    const char *const put_headers[] = {"X-aws-ec2-metadata-token-ttl-seconds: 21600", NULL};
    const char *get_headers[] = {buffer_string(&imds->token_header), NULL};
    struct http_request request = {
        .method = "GET",
        .url = buffer_string(&imds->url),
        .reply_max_bytes = IMDS_REPLY_MAX_BYTES,
        .no_proxy = true,
    };
    int r;

    if (imds->token_state == TOKEN_UNKNOWN) {
        r = buffer_printf(&token_url, "%s%s", imds->settings.base_url, TOKEN_PATH);
        if (r < 0)
            return r;
        request.method = "PUT";
        request.url = buffer_string(&token_url);
        request.headers = put_headers;
    } else if (imds->token_state == TOKEN_KNOWN) {
        request.headers = get_headers;
    }
    bound_time(imds, &request);
    imds->attempts++;
    return http_client_submit(imds->http, &request, on_reply, imds, &imds->slot);
}

int imds_get(struct imds *imds, const char *path, imds_done_fn done, void *userdata)
{
    int r;

    buffer_reset(&imds->url);
    r = buffer_printf(&imds->url, "%s%s", imds->settings.base_url, path);
    if (r < 0)
        return r;
    imds->done = done;
    imds->userdata = userdata;
    imds->attempts = 0;
    return send_request(imds);
}
