/* SPDX-License-Identifier: MIT */
/* A fetch is one request. It is repeated one second after each failure of any kind, as in botocore,
 * because many endpoints answer 403 for a moment after the container's start. */
#include "aws/credentials-container.h"

#include <errno.h>

#include "aws/metadata-url.h"
#include "util/encode.h"
#include "util/file.h"
#include "util/timer.h"

enum { VALUE_SHOWN_BYTES = 300 };

struct container_provider {
    struct credentials_provider head;
    sd_event *event;
    struct http_client *http;
    uint64_t timeout_usec; /* of one attempt */

    /* State of the current fetch. */
    char *url;
    struct buffer authorization; /* the header's line; empty: none is sent */
    struct buffer shown_url;     /* without a query, which may hold a secret */
    struct http_slot *slot;
    struct timer pause;
    unsigned attempts;
};

static void stop(struct credentials_provider *provider)
{
    struct container_provider *p = (struct container_provider *)provider;

    p->slot = http_slot_cancel(p->slot);
    timer_done(&p->pause);
    buffer_reset(&p->authorization);
    buffer_reset(&p->shown_url);
    free(TAKE(p->url));
}

static void fail(struct container_provider *p, enum credentials_outcome outcome, const char *text)
{
    stop(&p->head);
    credentials_provider_fail(&p->head, outcome, text);
}

/* ---- The request's parts ---- */

/* Checks a token and makes the header's line. 0, -ENOMEM, or 1 with what is wrong in `text`. */
static int set_authorization(struct container_provider *p, const char *source, const char *token,
                             size_t size, struct buffer *text)
{
    const char *fault = size == 0 ? "is empty" : NULL;

    for (size_t i = 0; i < size && !fault; i++) {
        unsigned char c = (unsigned char)token[i];

        if (c == '\r' || c == '\n')
            fault = "has a line break in it: it must be the token alone, without a line break at "
                    "its end";
        else if (c < ' ' || c > '~')
            fault = "has a control character or a byte that is not ASCII in it";
    }
    if (fault) {
        buffer_append_string(text, source);
        buffer_printf(text, " %s", fault);
        return text->error < 0 ? text->error : 1;
    }
    buffer_append_string(&p->authorization, "Authorization: ");
    return buffer_append(&p->authorization, token, size);
}

/* The returns are those of set_authorization. */
static int read_authorization(struct container_provider *p, struct buffer *text)
{
    const char *path = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    CLEANUP(buffer_done) struct buffer source = BUFFER_INIT(CREDENTIALS_TEXT_MAX_BYTES);
    CLEANUP(buffer_done) struct buffer content = BUFFER_INIT(CREDENTIALS_CONTAINER_TOKEN_MAX_BYTES);
    int r;

    if (!is_set(path))
        return is_set(token) ? set_authorization(p, "AWS_CONTAINER_AUTHORIZATION_TOKEN", token,
                                                 strlen(token), text)
                             : 0;
    buffer_append_string(&source, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE ");
    escape_for_log(&source, path, strlen(path), VALUE_SHOWN_BYTES);
    r = file_read(path, CREDENTIALS_CONTAINER_TOKEN_MAX_BYTES, &content);
    if (errno_is_transient(r))
        return r;
    if (r < 0) {
        buffer_printf(text, "%s cannot be read: %s", buffer_string(&source),
                      r == -E2BIG ? "it is larger than 16384 bytes" : file_error_text(r));
        return text->error < 0 ? text->error : 1;
    }
    return set_authorization(p, buffer_string(&source), buffer_string(&content), content.size,
                             text);
}

/* ---- Attempts ---- */

static int attempt(struct container_provider *p);

static void on_pause_over(void *userdata)
{
    struct container_provider *p = userdata;
    int r = attempt(p);

    if (r < 0)
        fail(p, credentials_outcome_of_errno(r), strerror(-r));
}

/* Tries once more after a pause. If no attempt is left, ends with that outcome and the text. */
static void fail_attempt(struct container_provider *p, enum credentials_outcome outcome,
                         const struct buffer *text)
{
    int r;

    if (p->attempts >= CREDENTIALS_CONTAINER_ATTEMPTS) {
        fail(p, outcome, buffer_string(text));
        return;
    }
    timer_done(&p->pause);
    r = timer_init(&p->pause, p->event, 10 * USEC_PER_MSEC, on_pause_over, p);
    if (r >= 0)
        r = timer_set_after(&p->pause, CREDENTIALS_CONTAINER_PAUSE_USEC);
    if (r < 0)
        fail(p, outcome, buffer_string(text));
}

/* Reads the keys from a reply with status 200. 0, -ENOMEM, or 1 with what is wrong in `text`. */
static int read_keys(struct container_provider *p, const struct http_reply *reply,
                     struct buffer *text, struct aws_credentials **ret)
{
    CLEANUP(free) char *error = NULL;
    int r =
        credentials_provider_read_json(CREDENTIALS_JSON_CONTAINER, reply->body, reply->body_bytes,
                                       buffer_string(&p->shown_url), ret, &error);

    if (r > 0)
        buffer_printf(text, "its answer %s", error);
    return r;
}

static void on_reply(void *userdata, const struct http_reply *reply)
{
    struct container_provider *p = userdata;
    enum credentials_outcome outcome = CREDENTIALS_FAILED;
    CLEANUP(aws_credentials_unref) struct aws_credentials *c = NULL;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(CREDENTIALS_TEXT_MAX_BYTES);
    CLEANUP(buffer_done) struct buffer said = BUFFER_INIT(CREDENTIALS_TEXT_MAX_BYTES);

    p->slot = NULL;
    buffer_printf(&text, "%s: ", buffer_string(&p->shown_url));
    if (reply->failure != HTTP_FAILURE_NONE) {
        if (reply->failure != HTTP_FAILURE_TOO_LARGE)
            outcome = reply->failure == HTTP_FAILURE_SHORTAGE ? CREDENTIALS_SHORTAGE
                                                              : CREDENTIALS_UNREACHABLE;
        buffer_append_string(&text, reply->failure_text);
    } else if (http_reply_is_intercepted(reply)) {
        outcome = CREDENTIALS_METADATA_INTERCEPTED;
        buffer_printf(&text, "the server there does not give keys: HTTP status %d%s", reply->status,
                      http_reply_is_html(reply) ? " with HTML" : "");
    } else if (reply->status != 200) {
        if (http_status_is_transient(reply->status))
            outcome = CREDENTIALS_UNREACHABLE;
        buffer_printf(&text, "it answered HTTP status %d", reply->status);
        (void)credentials_json_append_failure(&said, reply->body, reply->body_bytes);
        if (said.size > 0)
            buffer_printf(&text, ", %s", buffer_string(&said));
        if ((reply->status == 401 || reply->status == 403) && p->authorization.size == 0)
            buffer_append_string(&text, " (no token was sent: neither AWS_CONTAINER_AUTHORIZATION_"
                                        "TOKEN_FILE nor AWS_CONTAINER_AUTHORIZATION_TOKEN is set)");
    } else {
        int r = read_keys(p, reply, &text, &c);

        if (r == 0) {
            stop(&p->head);
            credentials_provider_found(&p->head, c);
            return;
        }
        if (r < 0) {
            outcome = credentials_outcome_of_errno(r);
            buffer_append_string(&text, strerror(-r));
        }
    }
    fail_attempt(p, outcome, &text);
}

static int attempt(struct container_provider *p)
{
    const char *headers[] = {
        "Accept: application/json",
        p->authorization.size > 0 ? buffer_string(&p->authorization) : NULL,
        NULL,
    };
    struct http_request request = {
        .method = "GET",
        .url = p->url,
        .headers = headers,
        .timeout_usec = p->timeout_usec,
        .timeout_grows = true,
        .stall_usec = p->timeout_usec,
        .reply_max_bytes = CREDENTIALS_JSON_MAX_BYTES,
        .no_proxy = true,
    };

    p->attempts++;
    return http_client_submit(p->http, &request, on_reply, p, &p->slot);
}

static int prepare(struct container_provider *p, struct buffer *text)
{
    const char *relative = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    CLEANUP(free) char *error = NULL;
    int r = metadata_url_container(relative, full, &p->url, &error);

    if (r < 0)
        return r;
    if (r > 0) {
        buffer_append_string(text, error);
        return 1;
    }
    buffer_append_string(&p->shown_url, "container endpoint ");
    escape_for_log(&p->shown_url, p->url, strcspn(p->url, "?"), VALUE_SHOWN_BYTES);
    if (p->shown_url.error < 0)
        return p->shown_url.error;
    return read_authorization(p, text);
}

static int start(struct credentials_provider *provider)
{
    struct container_provider *p = (struct container_provider *)provider;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(CREDENTIALS_TEXT_MAX_BYTES);
    int r;

    if (!is_set(getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")) &&
        !is_set(getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI"))) {
        credentials_provider_fail(provider, CREDENTIALS_NOT_SET_UP,
                                  "neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor "
                                  "AWS_CONTAINER_CREDENTIALS_FULL_URI is set");
        return 0;
    }
    p->attempts = 0;
    r = prepare(p, &text);
    if (r == 0)
        r = attempt(p);
    if (r > 0)
        fail(p, CREDENTIALS_FAILED, buffer_string(&text));
    return r;
}

static void container_free(struct credentials_provider *provider)
{
    struct container_provider *p = (struct container_provider *)provider;

    buffer_done(&p->authorization);
    buffer_done(&p->shown_url);
}

static const struct credentials_provider_ops ops = {
    .start = start,
    .stop = stop,
    .free = container_free,
};

int credentials_container_new(sd_event *event, struct http_client *http, uint64_t timeout_usec,
                              struct credentials_provider **ret)
{
    struct credentials_provider *provider;
    struct container_provider *p;
    int r = credentials_provider_new(sizeof(*p), &ops, "container", NULL, &provider);

    if (r < 0)
        return r;
    p = (struct container_provider *)provider;
    p->event = event;
    p->http = http;
    p->timeout_usec = timeout_usec;
    p->authorization = BUFFER_INIT(CREDENTIALS_CONTAINER_TOKEN_MAX_BYTES + 32);
    p->shown_url = BUFFER_INIT(CREDENTIALS_TEXT_MAX_BYTES);
    *ret = provider;
    return 0;
}
