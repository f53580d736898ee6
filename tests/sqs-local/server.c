/* SPDX-License-Identifier: MIT */
/* libmicrohttpd has its own epoll descriptor. It is in our epoll set, with the signals, a timer,
 * and the sockets of suspended connections. libmicrohttpd does not look at those sockets, so this
 * loop must notice when their client goes away. After anything that may have made messages
 * available (a request, or time), the loop serves the receives that wait for messages. */
#include "exchange.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 64 };

/* ---- time ---- */

static uint64_t clock_usec(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * USEC_PER_SEC + (uint64_t)t.tv_nsec / 1000;
}

void server_start_clock(struct server *server)
{
    server->epoch_usec = clock_usec(CLOCK_REALTIME) - clock_usec(CLOCK_MONOTONIC);
}

uint64_t server_now_usec(const struct server *server)
{
    return server->epoch_usec + clock_usec(CLOCK_MONOTONIC);
}

time_t server_shown_time(const struct server *server)
{
    return (time_t)(clock_usec(CLOCK_REALTIME) / USEC_PER_SEC) +
           (time_t)server->control.clock_offset_sec;
}

const char *server_date(struct server *server)
{
    time_t now = server_shown_time(server);
    struct tm tm;

    if (now != server->date_time && gmtime_r(&now, &tm)) {
        strftime(server->date, sizeof(server->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        server->date_time = now;
    }
    return server->date;
}

/* ---- libmicrohttpd's callbacks ---- */

void *server_on_uri(void *data, const char *uri, struct MHD_Connection *connection)
{
    struct server *server = data;
    struct request *request = NULL;

    if (request_new(uri, &server->service, &request) < 0)
        return NULL;
    list_append(&server->requests, &request->of_server);
    return request;
}

enum MHD_Result server_on_request(void *data, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_bytes, void **con_cls)
{
    struct server *server = data;
    struct request *request = *con_cls;

    if (!request)
        return MHD_NO;
    switch (request->state) {
    case REQUEST_READING:
        if (!request->connection) {
            request->connection = connection;
            return MHD_YES;
        }
        if (*upload_bytes == 0)
            return exchange_begin(server, request, method);
        if (!request->is_too_large && buffer_append(&request->body, upload, *upload_bytes) < 0) {
            buffer_done(&request->body);
            request->is_too_large = true;
        }
        *upload_bytes = 0;
        return MHD_YES;
    case REQUEST_READY:
        return request_queue_reply(request, server_date(server));
    default:
        return MHD_NO;
    }
}

void server_on_end(void *data, struct MHD_Connection *connection, void **con_cls,
                   enum MHD_RequestTerminationCode code)
{
    struct server *server = data;
    struct request *request = *con_cls;

    if (!request)
        return;
    timer_heap_remove(&server->timers, &request->timer);
    list_remove(&request->of_queue);
    list_remove(&request->of_server);
    *con_cls = request_free(request);
}

/* ---- the loop ---- */

static void arm_timer(struct server *server)
{
    uint64_t next = timer_heap_next_usec(&server->timers);
    struct itimerspec spec = {};

    LIST_FOREACH(&server->service.account.queues, member)
    {
        struct queue *queue = CONTAINER_OF(member, struct queue, of_account);

        if (!list_is_empty(&queue->waiters))
            next = MIN(next, queue_next_usec(queue));
    }
    if (next == server->armed_usec)
        return;
    server->armed_usec = next;
    if (next != USEC_INFINITY) {
        uint64_t monotonic = next > server->epoch_usec ? next - server->epoch_usec : 1;

        spec.it_value.tv_sec = (time_t)(monotonic / USEC_PER_SEC);
        spec.it_value.tv_nsec = (long)(monotonic % USEC_PER_SEC * 1000);
    }
    timerfd_settime(server->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void run_timers(struct server *server)
{
    struct timer *timer;

    while ((timer = timer_heap_due(&server->timers, server_now_usec(server))))
        exchange_go_on(server, CONTAINER_OF(timer, struct request, timer));
}

static void handle_event(struct server *server, const struct epoll_event *event)
{
    struct signalfd_siginfo info;
    uint64_t expirations;

    if (event->data.ptr == &server->signal_fd) {
        server->is_stopping = read(server->signal_fd, &info, sizeof(info)) > 0;
    } else if (event->data.ptr == &server->timer_fd) {
        if (read(server->timer_fd, &expirations, sizeof(expirations)) > 0)
            server->armed_usec = USEC_INFINITY;
    } else if (event->data.ptr != &server->daemon) {
        exchange_give_up(server, event->data.ptr);
    }
}

/* Whether MHD_run has work that its descriptor does not show: resumed connections, or data that was
 * read but not handled. It has no timers of its own. */
static bool has_more_to_do(struct server *server)
{
    MHD_UNSIGNED_LONG_LONG timeout_msec;

    return server->has_resumed ||
           (MHD_get_timeout(server->daemon, &timeout_msec) == MHD_YES && timeout_msec == 0);
}

int server_run(struct server *server)
{
    struct epoll_event events[EVENTS_MAX];

    while (!server->is_stopping) {
        int n;

        arm_timer(server);
        n = epoll_wait(server->epoll_fd, events, EVENTS_MAX, has_more_to_do(server) ? 0 : -1);
        if (n < 0 && errno != EINTR)
            return -errno;
        for (int i = 0; i < n; i++)
            handle_event(server, &events[i]);
        run_timers(server);
        server->has_resumed = false;
        if (MHD_run(server->daemon) != MHD_YES)
            return -EIO;
        exchange_serve_waiters(server);
    }
    return 0;
}
