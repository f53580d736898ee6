/* SPDX-License-Identifier: MIT */
/* sqs-local's HTTP server: one thread, one epoll loop around libmicrohttpd's. Requests are read,
 * their signatures checked, their operations run; long polls and delayed replies are connections
 * suspended until their time comes. */
#pragma once

#include "auth.h"
#include "operations.h"

struct server_options {
    uint16_t port; /* on 127.0.0.1; 0: any free one */
    struct auth_keys keys;
    uint64_t expire_after_usec; /* of the keys; 0: never */
    const char *region;         /* that requests must be signed for; NULL: any */
    int64_t clock_offset_sec;   /* for signatures and the Date header */
    const char *tls_certificate_path, *tls_key_path; /* both, or NULL: plain HTTP */
    uint64_t latency_usec;                           /* of each reply */
    uint64_t rtt_usec, jitter_usec; /* of the network that is played, as in network.h */
    double loss;
    struct queue_slack slack;       /* its chance is made from the seed */
    unsigned fifo_limit;            /* calls a second of each action on a FIFO queue; 0: no limit */
    uint64_t seed;                  /* of all that is random */
    struct permissions permissions; /* of the keys, to begin with */
    const char *record_path;        /* NULL: no record */
};

struct server;

/* Listens; nothing is answered before server_run. `options`, and what it points to, must outlive
 * the server. 0 or a negative errno; where a file is at fault, standard error says which. */
int server_new(const struct server_options *options, struct server **ret);
struct server *server_free(struct server *server);
DEFINE_CLEANUP(struct server *, server_free)

/* "http://127.0.0.1:<port>", or https. */
const char *server_url(const struct server *server);

/* Makes a queue; as service_make_queue. */
int server_make_queue(struct server *server, const char *name,
                      const struct text_attribute *attributes, size_t n, struct fault *fault);

/* Adds a rule of faults to make on purpose; as injections_add. */
int server_add_fault(struct server *server, const char *rule, const char **ret_why);

/* Serves until SIGTERM or SIGINT, which must be blocked. 0 or a negative errno. */
int server_run(struct server *server);
