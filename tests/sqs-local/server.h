/* SPDX-License-Identifier: MIT */
/* sqs-local's HTTP server: one thread, and one epoll loop around libmicrohttpd's. It reads
 * requests, checks their signatures and runs their operations. For long polls and delayed replies
 * it suspends the connection until their time has come. */
#pragma once

#include "auth.h"
#include "operations.h"

struct server_options {
    uint16_t port; /* on 127.0.0.1; 0: any free one */
    struct auth_keys keys;
    uint64_t expire_after_usec; /* the lifetime of the keys; 0: for ever */
    const char *region;         /* the one that requests must be signed for; NULL: any */
    int64_t clock_offset_sec;   /* for signatures and the Date header */
    const char *tls_certificate_path, *tls_key_path; /* both, or NULL: plain HTTP */
    uint64_t latency_usec;                           /* added to each reply */
    uint64_t rtt_usec, jitter_usec;                  /* of the simulated network, as in network.h */
    double loss;
    struct queue_slack slack;       /* its `chance` is derived from the seed */
    unsigned fifo_limit;            /* calls a second of each action on a FIFO queue; 0: no limit */
    uint64_t seed;                  /* for all random numbers */
    struct permissions permissions; /* of the keys at the start */
    const char *record_path;        /* NULL: no record */
};

struct server;

/* Makes a server that listens; requests are answered only in server_run. `options`, and what it
 * points to, must outlive the server. Returns 0 or a negative errno. If a file is the cause,
 * standard error says which. */
int server_new(const struct server_options *options, struct server **ret);
struct server *server_free(struct server *server);
DEFINE_CLEANUP(struct server *, server_free)

/* "http://127.0.0.1:<port>", or https. */
const char *server_url(const struct server *server);

/* Makes a queue; see service_make_queue. */
int server_make_queue(struct server *server, const char *name,
                      const struct text_attribute *attributes, size_t n, struct fault *fault);

/* Adds a rule for injected faults; see injections_add. */
int server_add_fault(struct server *server, const char *rule, const char **ret_why);

/* Serves until SIGTERM or SIGINT, which must be blocked. Returns 0 or a negative errno. */
int server_run(struct server *server);
