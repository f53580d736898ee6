/* SPDX-License-Identifier: MIT */
/* What the files of the HTTP client share. Each file uses only those after it in this list:
 * client.c (creates clients, submits requests), failure.c (maps libcurl's result to a failure),
 * unix-socket.c (connects to Unix sockets), slot.c (ends requests), request.c (sets libcurl's
 * options), receive.c (receives replies), deadline.c (time-outs), connect.c (connections and
 * hosts), watch.c (libcurl on the event loop). */
#pragma once

#include <curl/curl.h>

#include "http/client.h"
#include "util/buffer.h"
#include "util/list.h"
#include "util/timer.h"

/* A request and its libcurl handle, which is kept for the next request. Each part belongs to one
 * file. */
struct http_slot {
    struct http_client *client;
    struct list link; /* in the client's list of busy slots, or of idle ones */
    CURL *easy;
    unsigned epoch; /* the client's when libcurl was told the CA bundle */
    http_done_fn done;
    void *userdata;

    struct {                        /* request.c */
        struct buffer header_lines; /* each ends in a NUL */
        struct curl_slist headers[HTTP_HEADERS_MAX + 2];
        size_t body_bytes;
        char *url;       /* the easy handle's URL; NULL: none yet */
        bool is_post;    /* the easy handle is set to POST */
        bool is_direct;  /* no_proxy has an entry "host:port" for the URL */
        bool is_proxied; /* libcurl reads the proxy from the environment */
        bool is_tls;
        bool is_unix;
        long ca_age_sec; /* how old libcurl's memory of ca_bundle may be; 0: not told */
    } request;

    struct {                    /* connect.c */
        struct http_host *host; /* of the URL */
        uint64_t timeout_usec;  /* of this request */
        bool is_looked_up_anew; /* libcurl was told to ignore its cache of names */
        bool is_fresh;          /* libcurl was told to use no kept connection */
        bool is_under_way;      /* a socket was opened, and is not connected yet */
        int socket_errno;       /* why opening a socket failed; 0: none failed */
    } connect;

    struct {                 /* connect.c: how often the request is sent */
        unsigned n_begun;    /* see http_reply */
        bool is_once;        /* see send_once */
        uint64_t begun_usec; /* when libcurl began to send it; only with send_once */
        bool is_repeated;    /* it was sent again, or is about to be */
        bool may_repeat;     /* http_resend has allowed the next time */
        bool wants_repeat;   /* over a new connection, by http_resend */
    } sending;

    struct {                 /* unix-socket.c: tries to connect where the backlog is full */
        struct timer timer;  /* the next try */
        unsigned n_full;     /* number of tries so far */
        uint64_t since_usec; /* time of the first one */
    } backlog;

    struct {                            /* deadline.c */
        struct timer timer;             /* set no later than due_usec, but may be earlier */
        uint64_t due_usec;              /* when to check for progress; USEC_INFINITY: never */
        uint64_t begun_usec, end_usec;  /* submission; total time-out. Set if there is a deadline */
        uint64_t stall_usec, wait_usec; /* see http_request; USEC_INFINITY: for ever */
        bool grows;                     /* see timeout_grows */
        bool had_late_read;             /* the one extension for unread bytes was given */
        uint64_t moved_usec;            /* last time bytes moved, as of the last check */
        uint64_t n_acked;               /* the connection's acknowledged bytes then */
        uint64_t slept_usec;            /* how long the machine had slept at submission */
    } deadline;

    struct { /* receive.c */
        struct buffer body;
        uint64_t n_received;   /* bytes of the body, those that are cut counted */
        bool is_cut;           /* what does not fit into `body` is thrown away */
        bool has_begun;        /* a line of its head has come */
        bool is_head_whole;    /* the empty line after the headers has come */
        struct list link;      /* in the client's list of replies that have begun */
        bool is_paused;        /* libcurl reads nothing for it */
        CURLcode resume_error; /* not CURLE_OK: resuming it has lost bytes */
    } reply;

    char error_text[CURL_ERROR_SIZE]; /* libcurl's, or one of our own */
};

/* A socket that libcurl has asked to watch. */
struct http_socket {
    sd_event_source *source;
    CURL *easy;          /* of the last request that used it; only compared, never used */
    bool is_opened_here; /* by http_watch_open_socket; http_socket_close closes it */
    bool is_wanted;
};

/* What is remembered about a host (connect.c). */
struct http_host {
    char *origin; /* "https://host:port"; NULL: this element is free */
    uint64_t connect_timeout_usec;
    bool is_suspect; /* its addresses may have changed */
};

enum { HTTP_HOSTS_MAX = 8 };

/* The sockets and the time-out that libcurl waits for. */
struct http_watch {
    struct http_socket *sockets; /* indexed by file descriptor */
    size_t n_sockets;
    struct timer timer;        /* set no later than `timeout_usec`, but may be earlier */
    sd_event_source *deferred; /* calls libcurl in the next round of the loop */
    void (*after_action)(struct http_client *client); /* after each action of libcurl */
    uint64_t timeout_usec; /* when libcurl wants to be called; USEC_INFINITY: never */
    bool is_timeout_due;   /* libcurl wants to be called at once */
    bool is_in_action;     /* libcurl is being called */
};

struct http_client {
    sd_event *event;
    CURLM *multi;
    struct http_watch watch;
    struct list busy, idle;
    unsigned n_busy, n_idle;
    char *user_agent;
    char *ca_bundle;
    bool has_proxy;         /* the environment names one */
    char *no_proxy;         /* the environment's; NULL: none */
    unsigned epoch;         /* how often it was reconfigured */
    uint64_t ca_since_usec; /* monotonic clock: when it was reconfigured last */
    uint64_t connect_timeout_usec;
    struct http_host hosts[HTTP_HOSTS_MAX];
    unsigned next_host; /* index that the next new host gets */
    unsigned n_connecting;
    struct timer connect_tick; /* calls libcurl while any request connects or waits */
    unsigned connections_max;
    struct list receiving;     /* replies that have begun and not ended, the oldest first */
    size_t n_held;             /* bytes of those replies */
    size_t owner_held_bytes;   /* see http_client_set_owner_bytes */
    size_t reply_memory_bytes; /* see http_client_options */
    http_replied_fn replied;   /* NULL: none */
    void *userdata;            /* of `replied` */
};

/* --- watch.c --- */

/* Registers the callbacks by which libcurl asks for sockets and time-outs. `after_action` runs
 * after each action of libcurl, and may submit and cancel requests. Returns 0 or an errno of the
 * event loop. */
int http_watch_set_up(struct http_client *client, void (*after_action)(struct http_client *client));
void http_watch_done(struct http_client *client);

/* Calls libcurl for all requests, also for those without a socket or a time-out. */
void http_watch_act_on_all(struct http_client *client);

/* Opens a socket, which is watched once libcurl asks for that. Returns the descriptor or a negative
 * errno. */
int http_watch_open_socket(struct http_client *client, const struct curl_sockaddr *address);

/* CURLOPT_CLOSESOCKETFUNCTION, with the client, since a connection may outlive the slot. */
int http_socket_close(void *userdata, curl_socket_t fd);

/* The socket of a request in flight. It belongs to libcurl. -1: none is known. */
int http_watch_socket_of(const struct http_slot *slot);

/* --- slot.c --- */

/* Frees the idle slots. */
void http_slots_free_idle(struct http_client *client);

/* Reports the end of a busy slot, and releases it. */
void http_slot_finish(struct http_slot *slot, enum http_failure failure, const char *text);

/* Ends a busy slot without its callback: takes it off the multi handle, and keeps it for the next
 * request or frees it. */
void http_slot_release(struct http_slot *slot);

void http_slot_free(struct http_slot *slot);

/* --- request.c --- */

/* Sets the options that all requests of the client share. Returns 0 or -ENOMEM. */
int http_slot_set_up(struct http_slot *slot);

/* Prepares the slot for a request and starts its deadline. Nothing of an earlier request remains.
 * Returns what http_client_submit returns. */
int http_slot_prepare(struct http_slot *slot, const struct http_request *request);

/* Wipes the request's header lines. */
void http_slot_forget_headers(struct http_slot *slot);

/* --- connect.c --- */

int http_connect_set_up(struct http_client *client); /* 0, or the errno of the event loop */
/* Every host has the client's connect_timeout_usec. */
void http_hosts_set_up(struct http_client *client);
void http_hosts_done(struct http_client *client);

/* What is known about a URL's host. NULL: no memory. */
struct http_host *http_host_of(struct http_client *client, const char *url);

/* Applies to a new request what is known about its host. */
CURLcode http_connect_prepare(struct http_slot *slot);

/* Notes that a request has failed. `by_time`: its connection time-out expired. */
void http_connect_failed(struct http_slot *slot, enum http_failure failure, bool by_time);

/* `usec`, multiplied by the same factor as the host's connection time-out, but at most one
 * minute. */
uint64_t http_connect_grown_usec(const struct http_slot *slot, uint64_t usec);

/* CURLOPT_OPENSOCKETFUNCTION, with the slot as its data. */
curl_socket_t http_connect_open_socket(void *userdata, curlsocktype purpose,
                                       struct curl_sockaddr *address);

/* Call it for a new busy request. If more are busy than there may be connections, some wait. */
void http_connect_tick_if_waiting(struct http_client *client);

/* Notes that the request no longer connects. */
void http_connect_done(struct http_slot *slot);

/* Makes libcurl call on_begin before it sends a request. */
CURLcode http_begin_set_up(struct http_slot *slot);

/* Whether a request may be sent again after its kept connection was found closed. */
bool http_may_resend(const struct http_slot *slot);

/* Sends the request again. If it must not take effect twice, it goes over a new connection. */
bool http_resend(struct http_slot *slot);

/* --- unix-socket.c --- */

/* Tries to connect again later if the listener's backlog is full. False: the backlog was not full,
 * or the time for connecting is over. */
bool http_retry_full_backlog(struct http_slot *slot);

/* Writes the error text. libcurl's own text would name the URL's host and port, but nobody
 * connected there. */
void http_describe_unix_connect_failure(struct http_slot *slot);

/* --- failure.c --- */

/* Called when libcurl has finished a request: reports its end, or sends it again. */
void http_finish_by_code(struct http_slot *slot, CURLcode code);

/* --- receive.c --- */

/* Sets the callbacks that receive replies. */
CURLcode http_receive_set_up(struct http_slot *slot);

/* No longer counts the slot's reply in the memory of all replies, and resumes paused replies if
 * memory is free again. Call it before the body is freed. */
void http_receive_done(struct http_slot *slot);

/* --- deadline.c --- */

/* Starts the deadline of a new request. Returns 0 or an errno of the event loop. */
int http_deadline_begin(struct http_slot *slot, const struct http_request *request);

/* Called when the slot's timer fires, which may be before the deadline. HTTP_DEADLINE_PASSED:
 * error_text says why the request timed out. */
enum http_deadline { HTTP_DEADLINE_AHEAD, HTTP_DEADLINE_PASSED, HTTP_DEADLINE_NO_TIMER };
enum http_deadline http_deadline_check(struct http_slot *slot);

/* Called when a paused request is resumed: the pause does not count as a stall. */
void http_deadline_resume(struct http_slot *slot);

/* Called when a reply was damaged while it was resumed: its end is reported from the event loop. */
void http_deadline_expire_soon(struct http_slot *slot);

/* Writes the error text of a connection time-out. */
void http_deadline_describe_connecting(struct http_slot *slot);

/* Fills in how far a failed request has got. */
void http_deadline_fill_reply(const struct http_slot *slot, struct http_reply *reply);
