/* See server.h. libmicrohttpd has an epoll descriptor of its own, which stands in ours beside
 * signals, a timer, and the sockets of suspended connections: libmicrohttpd does not look at those,
 * so that we must see for ourselves when their client goes away.
 *
 * A request has its effect when it is handled; only its reply may leave later. Whatever may have
 * made messages available (a request, time) is followed by a look at those who wait. */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "request.h"

enum {
    CONNECTIONS_MAX = 4000,
    /* A request's headers, and pieces of its body. libmicrohttpd wipes it after each request. */
    CONNECTION_MEMORY_BYTES = 32 * 1024,
    BACKLOG = 1024,
    JSON_DEPTH_MAX = 16,
    EVENTS_MAX = 64,
};

struct server {
    const struct server_options *options;
    struct service service;
    struct auth *auth;
    struct json_tokener *tokener;
    struct MHD_Daemon *daemon;
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

/* ---- time ---- */

static uint64_t clock_usec(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * USEC_PER_SEC + (uint64_t)t.tv_nsec / 1000;
}

/* The time of the wall, as it goes on from the server's start whoever sets the clock. */
static uint64_t now_usec(const struct server *server)
{
    return server->epoch_usec + clock_usec(CLOCK_MONOTONIC);
}

/* What the server takes for the time when it looks at signatures. */
static time_t shown_time(const struct server *server)
{
    return (time_t)(clock_usec(CLOCK_REALTIME) / USEC_PER_SEC) +
           (time_t)server->options->clock_offset_sec;
}

static const char *date_header(struct server *server)
{
    time_t now = shown_time(server);
    struct tm tm;

    if (now != server->date_time && gmtime_r(&now, &tm)) {
        strftime(server->date, sizeof(server->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        server->date_time = now;
    }
    return server->date;
}

/* ---- suspending ---- */

static int connection_fd(const struct request *request)
{
    return MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD)
        ->connect_fd;
}

static void suspend(struct server *server, struct request *request, enum request_state state,
                    uint64_t until_usec)
{
    struct epoll_event event = {.events = EPOLLRDHUP, .data.ptr = request};

    request->state = state;
    timer_heap_set(&server->timers, &request->timer, until_usec);
    MHD_suspend_connection(request->connection);
    epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, connection_fd(request), &event);
}

static void resume(struct server *server, struct request *request, enum request_state state)
{
    request->state = state;
    timer_heap_remove(&server->timers, &request->timer);
    list_remove(&request->of_queue);
    epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL, connection_fd(request), NULL);
    MHD_resume_connection(request->connection);
    server->has_resumed = true;
}

/* ---- handling ---- */

/* A request has come in whole. Here is the place for whatever is to happen to it instead of, or
 * before, its being handled. */
static int handle(struct server *server, struct request *request, const char *method)
{
    int r = request_check_form(request, method, server->tokener);

    /* Only what is a request of SQS at all is held to a signature of SQS. */
    if (r == 0 || request->call.fault.kind == ERROR_SERIALIZATION) {
        int refused = request_check_signature(request, method, server->auth, shown_time(server));

        r = refused != 0 ? refused : r;
    }
    buffer_done(&request->body);
    if (r != 0)
        return r;
    request->call.now_usec = now_usec(server);
    return operation_run(request->operation, &request->call);
}

/* A reply is about to be made and to leave. Here is the place for whatever is to happen to it.
 * Returns when it may leave: 0 for at once. */
static uint64_t prepare_reply(struct server *server, struct request *request, int result)
{
    int r = record_flush(server->service.record);

    if (r < 0)
        fprintf(stderr, "sqs-local: %s: %s\n", server->options->record_path, strerror(-r));
    request_make_reply(request, r < 0 ? r : result);
    return server->options->latency_usec > 0 ? now_usec(server) + server->options->latency_usec : 0;
}

/* ---- long polls ---- */

/* Runs a waiting request's operation again, and lets it go unless it is to wait on. */
static bool retry_waiting(struct server *server, struct request *request)
{
    uint64_t leave_usec;
    int r;

    request->call.now_usec = now_usec(server);
    r = operation_run(request->operation, &request->call);
    if (r == OPERATION_E_WAIT)
        return false;
    leave_usec = prepare_reply(server, request, r);
    if (leave_usec == 0) {
        resume(server, request, REQUEST_READY);
        return true;
    }
    list_remove(&request->of_queue);
    request->state = REQUEST_DELAYED;
    timer_heap_set(&server->timers, &request->timer, leave_usec);
    return true;
}

/* Gives a queue's messages to those who wait for them. Whether anything was done. */
static bool serve_queue(struct server *server, struct queue *queue)
{
    bool was_receivable = false, any = false;

    LIST_FOREACH_SAFE(&queue->waiters, member)
    {
        if (!queue_is_receivable(queue, now_usec(server)))
            break;
        was_receivable = true;
        any = retry_waiting(server, CONTAINER_OF(member, struct request, of_queue)) || any;
    }
    /* Messages may also have gone to a dead-letter queue, where others wait. */
    return any || (was_receivable && !queue_is_receivable(queue, now_usec(server)));
}

static void serve_waiters(struct server *server)
{
    bool again = true;

    while (again) {
        again = false;
        LIST_FOREACH_SAFE(&server->service.account.queues, member)
        again = serve_queue(server, CONTAINER_OF(member, struct queue, of_account)) || again;
    }
}

/* A deleted queue's waiters find out that it is no more. */
static void queue_deleted(struct queue *queue)
{
    LIST_FOREACH_SAFE(&queue->waiters, member)
    {
        struct request *request = CONTAINER_OF(member, struct request, of_queue);
        struct server *server = CONTAINER_OF(request->call.service, struct server, service);

        if (!retry_waiting(server, request))
            list_remove(&request->of_queue);
    }
}

/* ---- libmicrohttpd's callbacks ---- */

static void *on_uri(void *data, const char *uri, struct MHD_Connection *connection)
{
    struct server *server = data;
    struct request *request = NULL;

    if (request_new(uri, &server->service, &request) < 0)
        return NULL;
    list_append(&server->requests, &request->of_server);
    return request;
}

/* The whole request is there. */
static enum MHD_Result on_complete(struct server *server, struct request *request,
                                   const char *method)
{
    uint64_t leave_usec;
    int r = handle(server, request, method);

    if (r == OPERATION_E_WAIT) {
        suspend(server, request, REQUEST_WAITING, request->call.wait_until_usec);
        list_append(&request->call.queue->waiters, &request->of_queue);
        return MHD_YES;
    }
    leave_usec = prepare_reply(server, request, r);
    if (leave_usec > 0) {
        suspend(server, request, REQUEST_DELAYED, leave_usec);
        return MHD_YES;
    }
    return request_queue_reply(request, date_header(server));
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url,
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
            return on_complete(server, request, method);
        if (!request->is_too_large && buffer_append(&request->body, upload, *upload_bytes) < 0) {
            buffer_done(&request->body);
            request->is_too_large = true;
        }
        *upload_bytes = 0;
        return MHD_YES;
    case REQUEST_READY:
        return request_queue_reply(request, date_header(server));
    default:
        return MHD_NO;
    }
}

static void on_end(void *data, struct MHD_Connection *connection, void **con_cls,
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

/* What a signature covers is the path as it came. */
static size_t keep_escapes(void *data, struct MHD_Connection *connection, char *text)
{
    return strlen(text);
}

/* ---- the loop ---- */

static void arm_timer(struct server *server)
{
    uint64_t next = timer_heap_next_usec(&server->timers);
    struct itimerspec spec = {};

    LIST_FOREACH_SAFE(&server->service.account.queues, member)
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

    while ((timer = timer_heap_due(&server->timers, now_usec(server)))) {
        struct request *request = CONTAINER_OF(timer, struct request, timer);

        if (request->state == REQUEST_WAITING)
            retry_waiting(server, request);
        else
            resume(server, request, REQUEST_READY);
    }
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
        struct request *request = event->data.ptr;

        resume(server, request, REQUEST_GONE);
    }
}

/* Whether MHD_run has work that its descriptor does not tell of: connections resumed, or more read
 * than handled. It has no timers of its own. */
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
        serve_waiters(server);
    }
    return 0;
}

/* ---- setting up ---- */

static int open_socket(uint16_t port, uint16_t *ret_port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ||
        bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static int watch(struct server *server, int fd, void *data)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};

    return epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_descriptors(struct server *server)
{
    sigset_t signals;
    int r;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    server->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    server->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (server->epoll_fd < 0 || server->signal_fd < 0 || server->timer_fd < 0)
        return -errno;
    r = watch(server, server->signal_fd, &server->signal_fd);
    return r < 0 ? r : watch(server, server->timer_fd, &server->timer_fd);
}

static int start_daemon(struct server *server)
{
    const union MHD_DaemonInfo *info;
    uint16_t port = 0;
    int fd = open_socket(server->options->port, &port);

    if (fd < 0)
        return fd;
    if (asprintf(&server->service.url, "http://127.0.0.1:%u", port) < 0) {
        server->service.url = NULL;
        close(fd);
        return -ENOMEM;
    }
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_SUPPRESS_DATE_NO_CLOCK, 0, NULL, NULL,
        on_request, server, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, on_uri,
        server, MHD_OPTION_NOTIFY_COMPLETED, on_end, server, MHD_OPTION_UNESCAPE_CALLBACK,
        keep_escapes, server, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_END);
    if (!server->daemon) {
        close(fd);
        return -EIO;
    }
    info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    return info ? watch(server, info->epoll_fd, &server->daemon) : -EIO;
}

int server_new(const struct server_options *options, struct server **ret)
{
    CLEANUP(server_free) struct server *server = calloc(1, sizeof(*server));
    int r;

    if (!server)
        return -ENOMEM;
    server->options = options;
    server->epoll_fd = server->signal_fd = server->timer_fd = -1;
    server->armed_usec = USEC_INFINITY;
    server->epoch_usec = clock_usec(CLOCK_REALTIME) - clock_usec(CLOCK_MONOTONIC);
    list_init(&server->requests);
    account_init(&server->service.account);
    server->service.region = options->keys.region ? options->keys.region : "eu-west-1";
    server->service.queue_deleted = queue_deleted;
    server->tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
    if (!server->tokener)
        return -ENOMEM;
    r = auth_new(&options->keys, &server->auth);
    if (r == 0 && options->record_path)
        r = record_open(options->record_path, &server->service.record);
    if (r == 0)
        r = open_descriptors(server);
    if (r == 0)
        r = start_daemon(server);
    if (r < 0)
        return r;
    *ret = TAKE(server);
    return 0;
}

struct server *server_free(struct server *server)
{
    if (!server)
        return NULL;
    if (server->daemon) {
        LIST_FOREACH_SAFE(&server->requests, member)
        {
            struct request *request = CONTAINER_OF(member, struct request, of_server);

            if (request->state == REQUEST_WAITING || request->state == REQUEST_DELAYED)
                resume(server, request, REQUEST_GONE);
        }
        MHD_stop_daemon(server->daemon);
    }
    account_done(&server->service.account);
    timer_heap_done(&server->timers);
    record_free(server->service.record);
    auth_free(server->auth);
    if (server->tokener)
        json_tokener_free(server->tokener);
    for (size_t i = 0; i < 3; i++) {
        int fd = (int[]){server->epoll_fd, server->signal_fd, server->timer_fd}[i];

        if (fd >= 0)
            close(fd);
    }
    free(server->service.url);
    free(server);
    return NULL;
}

const char *server_url(const struct server *server)
{
    return server->service.url;
}

int server_make_queue(struct server *server, const char *name,
                      const struct text_attribute *attributes, size_t n, struct fault *fault)
{
    struct queue *queue;

    return service_make_queue(&server->service, name, attributes, n, now_usec(server), &queue,
                              fault);
}
