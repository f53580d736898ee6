/* SPDX-License-Identifier: MIT */
/* Serves metrics and health by HTTP: GET and HEAD of /metrics (metrics.h) and /healthz, nothing
 * else. It never keeps the daemon from its work: everything runs on the event loop without waiting,
 * connections, memory and rate are bounded, and when the address cannot be used, it is tried again
 * each minute. */
#pragma once

#include <systemd/sd-event.h>

#include "util/buffer.h"

enum {
    METRICS_CONNECTIONS_MAX = 16, /* further ones wait in the backlog */
    /* Descriptors of this process: those connections, the listening socket, libmicrohttpd's epoll,
     * and one that is used for a moment. */
    METRICS_DESCRIPTORS_MAX = METRICS_CONNECTIONS_MAX + 3,
    METRICS_CONNECTION_MEMORY_BYTES = 8 * 1024, /* of a request: its line and headers */
    METRICS_TIMEOUT_SEC = 10,                   /* of a connection on which nothing moves */
    METRICS_PLACE_SEC = 2, /* a connection keeps its place so long when all are taken */
    METRICS_TEXT_MAX_BYTES = 256 * 1024,
};

#define METRICS_RETRY_USEC (60 * USEC_PER_SEC)

struct metrics_server;

struct metrics_server_options {
    sd_event *event;
    const char *setting; /* "producer.metrics_listen", for the log */
    /* Appends the metrics. */
    void (*append_metrics)(void *userdata, struct buffer *out);
    /* Appends what is wrong, one line, and returns true; false: the daemon is healthy. */
    bool (*append_failure)(void *userdata, struct buffer *out);
    /* The address cannot be used: what to show in the status. NULL: it is over. */
    void (*show_problem)(void *userdata, const char *text);
    void *userdata;
    uint64_t retry_usec; /* 0: METRICS_RETRY_USEC; tests use less */
};

/* 0, -ENOMEM, or the errno of the event loop. The options are copied, the texts borrowed. */
int metrics_server_new(const struct metrics_server_options *options, struct metrics_server **ret);
struct metrics_server *metrics_server_free(struct metrics_server *server);
DEFINE_CLEANUP(struct metrics_server *, metrics_server_free)

/* Serves at this address from now on, and at no other; "": nowhere. The text is copied. An address
 * that could not be used is tried again at once. */
void metrics_server_listen(struct metrics_server *server, const char *address);
