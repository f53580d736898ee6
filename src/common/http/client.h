/* SPDX-License-Identifier: MIT */
/* HTTP requests on an sd-event loop, by libcurl's multi interface. HTTP/1.1, no redirects, TLS 1.2
 * or newer with certificates always checked, connections kept and used again. */
#pragma once

#include <strings.h>

#include <systemd/sd-event.h>

#include "util/macro.h"

struct http_client;
struct http_slot; /* a request in progress */

/* Runs once after the callbacks of requests that ended together, never inside one of them. It does
 * not run after a request that timed out. It may submit and cancel requests; what it submits starts
 * at once, in the same round of the event loop. */
typedef void (*http_replied_fn)(void *userdata);

struct http_client_options {
    const char *user_agent;
    const char *ca_bundle;         /* PEM file instead of the system's; NULL or "": the system's */
    uint64_t connect_timeout_usec; /* name look-up, TCP and TLS together; more than 0 */
    unsigned connections_max;      /* connections at once; other requests wait; 0: no bound */
    size_t reply_memory_bytes;     /* when the replies being received use this much, all but the
                                    * oldest are paused; 0: no bound */
    http_replied_fn replied;       /* NULL: none */
    void *userdata;                /* of `replied` */
};

enum {
    HTTP_SMALL_REPLY_BYTES = 65536,
    HTTP_IDLE_HANDLES_MAX = 32,        /* finished requests whose memory is kept for the next */
    HTTP_CONNECTION_MAX_AGE_SEC = 300, /* an older connection is not used again */
    HTTP_CONNECTION_MAX_IDLE_SEC = 50, /* nor one idle for longer; load balancers close at 60 */
    HTTP_DNS_MAX_AGE_SEC = 60,
    HTTP_HEADERS_MAX = 30, /* header lines of a request */
    HTTP_HEADERS_MAX_BYTES = 1024 * 1024,
};

struct http_request {
    const char *method; /* "POST" */
    const char *url;
    const char *unix_socket; /* connect to this path instead of the URL's host, trying again while
                                its listener's queue is full; NULL: none */
    const char *const
        *headers;     /* "Name: value", NULL-terminated; Host is sent as it stands there */
    const void *body; /* borrowed until the request ends; not sent with GET */
    size_t body_bytes;
    uint64_t timeout_usec;  /* from submission to the reply's last byte; USEC_INFINITY: none */
    uint64_t stall_usec;    /* how long no byte may move, in either direction, once connected; 0:
                             * for ever. Ignored on a Unix socket. */
    uint64_t wait_usec;     /* added to stall_usec while it waits for the reply's first byte */
    bool timeout_grows;     /* each connection time-out to the host doubles timeout_usec, up to
                             * 60 s, until a connection succeeds in time */
    size_t reply_max_bytes; /* a larger body fails the request */
    bool send_once;         /* it must not take effect twice: it is sent again only once, over a new
                             * connection, if a kept one was found closed at once */
    bool cut_reply;         /* a larger body does not fail: the rest is read and thrown away */
    bool no_proxy;          /* ignore the environment's proxy, as requests to a Unix socket always
                             * do. The environment is read when the client is made. */
};

enum http_failure {
    HTTP_FAILURE_NONE,      /* a whole reply came, with any status */
    HTTP_FAILURE_RESOLVE,   /* the name could not be looked up */
    HTTP_FAILURE_CONNECT,   /* no connection to the host */
    HTTP_FAILURE_TLS,       /* the peer's certificate is not accepted */
    HTTP_FAILURE_HANDSHAKE, /* no TLS with the peer: reset, cut off, no TLS at all */
    HTTP_FAILURE_PROXY,     /* the proxy refuses to connect: a person must act */
    HTTP_FAILURE_SHORTAGE,  /* no socket could be opened: no file descriptor, no memory */
    HTTP_FAILURE_TIMEOUT,   /* timeout_usec or stall_usec passed, or the connect time-out */
    HTTP_FAILURE_TOO_LARGE, /* the body passed reply_max_bytes */
    HTTP_FAILURE_BROKEN,    /* reset, cut off, not HTTP */
    HTTP_FAILURE_REQUEST,   /* the request could not be made at all: a bad URL, no memory */
};

/* How far a request got. */
enum http_phase {
    HTTP_PHASE_QUEUED,    /* it waits for other requests to end */
    HTTP_PHASE_LOOK_UP,   /* the host's name is looked up */
    HTTP_PHASE_CONNECT,   /* it connects */
    HTTP_PHASE_HANDSHAKE, /* TLS, or a proxy's CONNECT */
    HTTP_PHASE_SEND,      /* not all of its body has left yet */
    HTTP_PHASE_WAIT,      /* all has left, no byte of the reply has come */
    HTTP_PHASE_RECEIVE,   /* the reply has begun */
};

struct http_reply {
    enum http_failure failure;
    const char *failure_text; /* "" without a failure; names the host or what was waited for */
    int status;               /* 200; 0 on failure */
    const char *body;         /* NUL-terminated beyond body_bytes; "" on failure */
    size_t body_bytes;
    /* How often libcurl began to send the request, also on failure. 0: nothing of it has left. More
     * than 1: a kept connection was closed while the request was sent, so it was sent again. The
     * peer may have received it more than once. */
    unsigned n_begun;
    /* Only on failure: how far the request got. */
    int head_status; /* the reply's status; 0: its head is not complete */
    enum http_phase phase;
    uint64_t sent_bytes;     /* of the request's body; after a time-out, acknowledged ones */
    uint64_t received_bytes; /* of the reply's body */
    uint64_t expected_bytes; /* of the reply's body, by its head; 0: not known */
    void *handle;            /* for http_reply_header; NULL on failure */
};

enum { HTTP_NETWORK_AUTHENTICATION_REQUIRED = 511 }; /* RFC 6585, section 6: a captive portal */

/* Whether a status is temporary: overload, an error of the server itself, or a time-out of the
 * server. */
static inline bool http_status_is_transient(int status)
{
    return status >= 500 || status == 429 || status == 408;
}

/* The reply's body, without leading white space and byte order mark. */
static inline const char *http_reply_text(const struct http_reply *reply)
{
    return reply->body + strspn(reply->body, " \t\r\n\xef\xbb\xbf");
}

static inline bool http_reply_is_html(const struct http_reply *reply)
{
    const char *text = http_reply_text(reply);

    return strncasecmp(text, "<!doctype", 9) == 0 || strncasecmp(text, "<html", 5) == 0;
}

/* Whether the reply comes from a proxy or from a network's sign-in page (captive portal), and not
 * from the service. This is for services that never redirect and never answer 200 with HTML. */
static inline bool http_reply_is_intercepted(const struct http_reply *reply)
{
    if (reply->failure != HTTP_FAILURE_NONE)
        return reply->failure == HTTP_FAILURE_PROXY;
    if (reply->status == 200)
        return http_reply_is_html(reply);
    return (reply->status >= 300 && reply->status < 400) || reply->status == 407 ||
           reply->status == HTTP_NETWORK_AUTHENTICATION_REQUIRED;
}

/* Runs exactly once for each request that is not cancelled, never from inside http_client_submit.
 * The reply is borrowed for the length of the call. The callback may submit and cancel requests,
 * but must not free the client. */
typedef void (*http_done_fn)(void *userdata, const struct http_reply *reply);

/* Returns 0, -ENOMEM, or the errno of the event loop. The loop is borrowed and must outlive the
 * client. */
int http_client_new(sd_event *event, const struct http_client_options *options,
                    struct http_client **ret);

/* Changes what later requests and connections use; requests in flight keep what they have. Of the
 * options those before `replied` count, without user_agent. connections_max must be 0 if it was 0.
 * The file ca_bundle is read anew for the next connection, even if its path is the same. Growing
 * time-outs begin anew. Returns 0, or -ENOMEM: then nothing has changed. */
int http_client_reconfigure(struct http_client *client, const struct http_client_options *options);

/* Cancels all requests without their callbacks. NULL is allowed. Returns NULL. */
struct http_client *http_client_free(struct http_client *client);
DEFINE_CLEANUP(struct http_client *, http_client_free)

/* Tells the client how many bytes of received replies its owner still holds. They count against
 * reply_memory_bytes too. When they alone reach that bound, even the oldest reply is paused.
 * Replies up to HTTP_SMALL_REPLY_BYTES are never paused for this, since the owner may need them to
 * free memory. Must not be called from inside a http_done_fn. */
void http_client_set_owner_bytes(struct http_client *client, size_t bytes);

/* Starts a request. Everything but the body is copied. `*ret` belongs to the client. It is valid
 * until the callback runs or http_slot_cancel is called. Returns 0; -ENOMEM; -EINVAL for a URL that
 * libcurl refuses or whose scheme is not http or https, for a header line with a control character,
 * and for more than HTTP_HEADERS_MAX header lines; -E2BIG for more than HTTP_HEADERS_MAX_BYTES of
 * header lines; or an errno of the event loop. */
int http_client_submit(struct http_client *client, const struct http_request *request,
                       http_done_fn done, void *userdata, struct http_slot **ret);

/* Whether libcurl has begun to send the request (n_begun of struct http_reply). False: nothing of
 * it has left. */
bool http_slot_has_begun(const struct http_slot *slot);

/* Ends the request without its callback. NULL is allowed. Returns NULL. */
struct http_slot *http_slot_cancel(struct http_slot *slot);

/* The value of a header of the reply, or NULL if it is absent. Always NULL after a failure. Valid
 * for the length of the callback. */
const char *http_reply_header(const struct http_reply *reply, const char *name);
