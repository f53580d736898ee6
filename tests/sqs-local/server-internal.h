/* SPDX-License-Identifier: MIT */
/* Shared by the files of the server. */
#pragma once

#include "control.h"
#include "network.h"
#include "request.h"
#include "server.h"

/* A client's connection. It exists only if a network is simulated. */
struct connection {
    uint64_t accepted_usec;
    uint64_t open_usec; /* when its first request can be sent; 0: there was none */
    bool is_reset;      /* at open_usec it is reset, because it could not be opened */
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
    uint64_t armed_usec; /* the time of timer_fd; USEC_INFINITY: not set */
    uint64_t epoch_usec; /* the wall clock when the monotonic one was 0 */
    time_t date_time;    /* the time in `date` */
    char date[64];
    bool has_resumed; /* MHD_run has not yet seen a resumed connection */
    bool is_stopping;
};

void server_start_clock(struct server *server);

/* The wall clock's time when the server started, plus the monotonic time since. Setting the clock
 * does not change it. */
uint64_t server_now_usec(const struct server *server);

/* The server's time for checking signatures. */
time_t server_shown_time(const struct server *server);

/* The same time as a Date header. */
const char *server_date(struct server *server);

/* libmicrohttpd's callbacks, with the server as `data`. */
void *server_on_uri(void *data, const char *uri, struct MHD_Connection *connection);
enum MHD_Result server_on_request(void *data, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_bytes, void **con_cls);
void server_on_end(void *data, struct MHD_Connection *connection, void **con_cls,
                   enum MHD_RequestTerminationCode code);
