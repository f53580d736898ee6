/* SPDX-License-Identifier: MIT */
/* What the files of the server share; see server.h. */
#pragma once

#include "control.h"
#include "network.h"
#include "request.h"
#include "server.h"

/* A client's connection; made only where a network is played. */
struct connection {
    uint64_t accepted_usec;
    uint64_t open_usec; /* when its first request can leave; 0: there has been none */
    bool is_reset;      /* then it is reset, as nothing gets through */
};

struct server {
    const struct server_options *options;
    struct service service;
    struct control control;
    struct network network;
    struct MHD_Daemon *daemon;
    char *tls_certificate, *tls_key; /* PEM; NULL: no TLS */
    int epoll_fd, signal_fd, timer_fd;
    struct list requests;
    struct timer_heap timers;
    uint64_t armed_usec; /* what timer_fd is set to; USEC_INFINITY: nothing */
    uint64_t epoch_usec; /* the wall clock when the monotonic one was 0 */
    time_t date_time;    /* what `date` was made for */
    char date[64];
    bool has_resumed; /* a connection was resumed that MHD_run has not seen yet */
    bool is_stopping;
};

void server_start_clock(struct server *server);

/* The time of the wall, as it goes on from the server's start whoever sets the clock. */
uint64_t server_now_usec(const struct server *server);

/* What the server takes for the time when it looks at signatures. */
time_t server_shown_time(const struct server *server);

/* The same as a header. */
const char *server_date(struct server *server);

/* libmicrohttpd's callbacks, with the server as `data`. */
void *server_on_uri(void *data, const char *uri, struct MHD_Connection *connection);
enum MHD_Result server_on_request(void *data, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_bytes, void **con_cls);
void server_on_end(void *data, struct MHD_Connection *connection, void **con_cls,
                   enum MHD_RequestTerminationCode code);
