/* SPDX-License-Identifier: MIT */
/* libmicrohttpd speaks HTTP. Its epoll descriptor is a source of the event loop, and it gets the
 * connections that are accepted here. Each connection has one answer and is closed: an answer that
 * is queued before the body of a request is read makes libmicrohttpd read nothing further. */
#include "daemon/metrics-server.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "daemon/metrics-address.h"
#include "daemon/metrics.h"
#include "util/clock.h"
#include "util/log-rate-limit.h"
#include "util/log.h"
#include "util/timer.h"
#include "util/unix-listener.h"

enum {
    ADDRESS_MAX_BYTES = 127,
    PROBLEM_MAX_BYTES = 255,
    SOCKET_MODE = 0666, /* like a port: who may reach the folder may read metrics */
    /* In each 100 ms each event source runs at most so often, whatever clients do. */
    RUNS_MAX = 100,
};

#define RUNS_INTERVAL_USEC (100 * USEC_PER_MSEC)
#define SHORTAGE_PAUSE_USEC (1 * USEC_PER_SEC) /* after an accept that failed */
#define TIMEOUT_MIN_USEC (1 * USEC_PER_MSEC)   /* libmicrohttpd may ask for 0 again and again */

/* A connection that libmicrohttpd has. */
struct peer {
    int fd; /* libmicrohttpd's; -1: the place is free */
    uint64_t since_usec;
};

struct metrics_server {
    struct metrics_server_options options;
    char address[ADDRESS_MAX_BYTES + 1]; /* "": none */
    char path[ADDRESS_MAX_BYTES + 1];    /* of the socket file; "": none */
    char problem[PROBLEM_MAX_BYTES + 1]; /* why it does not listen; "": nothing */
    int fd;                              /* listens; -1: none */
    sd_event_source *listening;
    struct MHD_Daemon *mhd; /* NULL: it does not serve */
    sd_event_source *serving;
    struct peer peers[METRICS_CONNECTIONS_MAX];
    struct log_rate_limit refusals;
    struct timer timer;      /* libmicrohttpd's time-out, or an old connection is closed */
    struct timer open_timer; /* the next try to listen, or to accept */
};

/* --- Answers --- */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
                              struct buffer *text)
{
    size_t size = text->size;
    char *bytes = buffer_take(text);
    struct MHD_Response *response;
    enum MHD_Result result;

    if (!bytes)
        return MHD_NO; /* no memory: the connection is closed */
    response = MHD_create_response_from_buffer(size, bytes, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(bytes);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status,
                                   const char *sentence)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(METRICS_TEXT_MAX_BYTES);

    buffer_printf(&text, "%s\n", sentence);
    return answer(connection, status, "text/plain; charset=utf-8", &text);
}

static enum MHD_Result answer_metrics(struct metrics_server *s, struct MHD_Connection *connection)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(METRICS_TEXT_MAX_BYTES);

    s->options.append_metrics(s->options.userdata, &text);
    return answer(connection, MHD_HTTP_OK, METRICS_CONTENT_TYPE, &text);
}

static enum MHD_Result answer_health(struct metrics_server *s, struct MHD_Connection *connection)
{
    CLEANUP(buffer_done) struct buffer failure = BUFFER_INIT(METRICS_TEXT_MAX_BYTES);

    if (s->options.append_failure(s->options.userdata, &failure))
        return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, buffer_string(&failure));
    return answer_text(connection, MHD_HTTP_OK, "ok");
}

struct hosts {
    size_t n, n_allowed;
};

static enum MHD_Result count_host(void *userdata, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    struct hosts *hosts = userdata;

    if (strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0) {
        hosts->n++;
        hosts->n_allowed += value && metrics_host_is_allowed(value);
    }
    return MHD_YES;
}

/* Since HTTP/1.1 a request must have the header: one without it may have it in a form that
 * libmicrohttpd does not know as such. */
static bool is_host_allowed(struct MHD_Connection *connection, const char *version)
{
    struct hosts hosts = {};

    MHD_get_connection_values(connection, MHD_HEADER_KIND, count_host, &hosts);
    return hosts.n_allowed == hosts.n && (hosts.n > 0 || streq(version, MHD_HTTP_VERSION_1_0));
}

static enum MHD_Result refuse_host(struct metrics_server *s, struct MHD_Connection *connection)
{
    if (log_rate_limit_take(&s->refusals, "", 1, clock_boot_usec(), NULL))
        log_warning("%s: refused a request with status 403: its Host header is neither an IP "
                    "address nor localhost. Name the target in Prometheus by its IP address.",
                    s->options.setting);
    return answer_text(connection, MHD_HTTP_FORBIDDEN,
                       "The Host header must be an IP address or localhost.");
}

/* Keeps libmicrohttpd from decoding the path: it would take /healthz%00x for /healthz. */
static size_t keep_escapes(void *userdata, struct MHD_Connection *connection, char *text)
{
    return strlen(text);
}

static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection,
                                  const char *url, const char *method, const char *version,
                                  const char *body, size_t *body_bytes, void **context)
{
    struct metrics_server *s = userdata;

    if (!is_host_allowed(connection, version))
        return refuse_host(s, connection);
    if (!streq(method, MHD_HTTP_METHOD_GET) && !streq(method, MHD_HTTP_METHOD_HEAD))
        return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
                           "Only GET and HEAD are served.");
    if (streq(url, "/metrics"))
        return answer_metrics(s, connection);
    if (streq(url, "/healthz"))
        return answer_health(s, connection);
    return answer_text(connection, MHD_HTTP_NOT_FOUND, "Only /metrics and /healthz are served.");
}

/* --- Connections --- */

static struct peer *free_place(struct metrics_server *s)
{
    for (size_t i = 0; i < ARRAY_SIZE(s->peers); i++)
        if (s->peers[i].fd < 0)
            return &s->peers[i];
    return NULL;
}

static void on_peer(void *userdata, struct MHD_Connection *connection, void **context,
                    enum MHD_ConnectionNotificationCode what)
{
    struct metrics_server *s = userdata;
    struct peer *peer = *context;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        peer = free_place(s);
        assert(peer); /* the limit of libmicrohttpd's connections is that of the places */
        peer->fd =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        peer->since_usec = clock_boot_usec();
        *context = peer;
    } else if (peer) {
        peer->fd = -1;
    }
}

/* A client that sends or reads a byte now and then must not keep others out. When all places are
 * taken, this ends the oldest connection if it had its time. Returns when to look again. */
static uint64_t make_room(struct metrics_server *s)
{
    uint64_t now_usec = clock_boot_usec(), end_usec;
    struct peer *oldest = &s->peers[0];

    if (free_place(s))
        return USEC_INFINITY;
    for (size_t i = 1; i < ARRAY_SIZE(s->peers); i++)
        if (s->peers[i].since_usec < oldest->since_usec)
            oldest = &s->peers[i];
    end_usec = oldest->since_usec + METRICS_PLACE_SEC * USEC_PER_SEC;
    if (end_usec > now_usec)
        return end_usec;
    shutdown(oldest->fd, SHUT_RDWR); /* libmicrohttpd sees it, and closes the connection */
    return now_usec + METRICS_PLACE_SEC * USEC_PER_SEC;
}

static void run(struct metrics_server *s)
{
    MHD_UNSIGNED_LONG_LONG timeout_msec;
    uint64_t wake_usec = make_room(s);

    MHD_run(s->mhd);
    if (MHD_get_timeout(s->mhd, &timeout_msec) == MHD_YES)
        wake_usec =
            MIN(wake_usec, clock_boot_usec() + MAX(timeout_msec * USEC_PER_MSEC, TIMEOUT_MIN_USEC));
    timer_set(&s->timer, wake_usec);
    if (!timer_is_set(&s->open_timer))
        sd_event_source_set_enabled(s->listening, free_place(s) ? SD_EVENT_ON : SD_EVENT_OFF);
}

static void on_timer(void *userdata)
{
    run(userdata);
}

static int on_served(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    run(userdata);
    return 0;
}

/* Connections wait in the backlog while there is a shortage, which usually passes. */
static void pause_accepting(struct metrics_server *s)
{
    sd_event_source_set_enabled(s->listening, SD_EVENT_OFF);
    timer_set_after(&s->open_timer, SHORTAGE_PAUSE_USEC);
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct metrics_server *s = userdata;
    struct sockaddr_storage peer = {};
    socklen_t size = sizeof(peer);
    int connection = accept4(fd, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (connection < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
        return 0;
    /* It closes the connection if it fails. */
    if (connection < 0 ||
        MHD_add_connection(s->mhd, connection, (struct sockaddr *)&peer, size) != MHD_YES) {
        pause_accepting(s);
        return 0;
    }
    run(s);
    return 0;
}

/* --- Opening and closing --- */

static int open_tcp(const struct metrics_address *address)
{
    int fd = socket(address->of.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1, e;

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) >= 0 &&
        bind(fd, &address->of.any, address->size) >= 0 && listen(fd, METRICS_CONNECTIONS_MAX) >= 0)
        return fd;
    e = errno;
    close(fd);
    return -e;
}

static int open_unix(struct metrics_server *s, const char *path)
{
    int fd = -1, r = unix_listener_open(path, SOCKET_MODE, &fd);

    switch (r) {
    case 0:
        snprintf(s->path, sizeof(s->path), "%s", path);
        return fd;
    case UNIX_LISTENER_E_NOT_SOCKET:
        return -EEXIST;
    case UNIX_LISTENER_E_IN_USE:
        return -EADDRINUSE;
    case UNIX_LISTENER_E_STALE:
    case UNIX_LISTENER_E_BIND:
        return -errno;
    default:
        return r;
    }
}

static int open_socket(struct metrics_server *s)
{
    struct metrics_address address;

    if (!metrics_address_parse(s->address, &address))
        return -EINVAL;
    s->fd = address.of.any.sa_family == AF_UNIX ? open_unix(s, address.of.unix_path.sun_path)
                                                : open_tcp(&address);
    return MIN(s->fd, 0);
}

static int start_mhd(struct metrics_server *s)
{
    s->mhd = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, on_request, s,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)METRICS_CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)METRICS_CONNECTION_MEMORY_BYTES,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)METRICS_TIMEOUT_SEC, MHD_OPTION_NOTIFY_CONNECTION,
        on_peer, s, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_END);
    return s->mhd ? 0 : -ENOMEM;
}

static int watch(struct metrics_server *s, int fd, sd_event_io_handler_t handler,
                 sd_event_source **ret)
{
    int r = sd_event_add_io(s->options.event, ret, fd, EPOLLIN, handler, s);

    return r < 0 ? r : sd_event_source_set_ratelimit(*ret, RUNS_INTERVAL_USEC, RUNS_MAX);
}

static int start(struct metrics_server *s)
{
    const union MHD_DaemonInfo *info;
    int r = open_socket(s);

    if (r >= 0)
        r = start_mhd(s);
    if (r < 0)
        return r;
    info = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    r = info ? watch(s, info->epoll_fd, on_served, &s->serving) : -EIO;
    return r < 0 ? r : watch(s, s->fd, on_connection, &s->listening);
}

static void stop(struct metrics_server *s)
{
    timer_stop(&s->timer);
    timer_stop(&s->open_timer);
    s->listening = sd_event_source_disable_unref(s->listening);
    s->serving = sd_event_source_disable_unref(s->serving);
    if (s->mhd)
        MHD_stop_daemon(TAKE(s->mhd));
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    if (s->path[0] != '\0')
        (void)unlink(s->path);
    s->path[0] = '\0';
}

static void note_failure(struct metrics_server *s, int error)
{
    char text[sizeof(s->problem)];

    snprintf(text, sizeof(text), "no metrics at %s: %s", s->address, strerror(-error));
    if (!streq(text, s->problem))
        log_warning("%s: cannot listen at %s: %s. Messages go on without metrics; trying again "
                    "each minute.",
                    s->options.setting, s->address, strerror(-error));
    memcpy(s->problem, text, sizeof(text));
    s->options.show_problem(s->options.userdata, s->problem);
    timer_set_after(&s->open_timer,
                    s->options.retry_usec > 0 ? s->options.retry_usec : METRICS_RETRY_USEC);
}

static void note_success(struct metrics_server *s)
{
    log_notice("Metrics are served at %s.", s->address);
    if (s->problem[0] != '\0')
        s->options.show_problem(s->options.userdata, NULL);
    s->problem[0] = '\0';
}

static void try_to_start(struct metrics_server *s)
{
    int r = start(s);

    if (r >= 0) {
        note_success(s);
        return;
    }
    stop(s);
    note_failure(s, r);
}

static void on_open_timer(void *userdata)
{
    struct metrics_server *s = userdata;

    if (s->mhd)
        run(s); /* accepts again */
    else
        try_to_start(s);
}

void metrics_server_listen(struct metrics_server *s, const char *address)
{
    if (streq(address, s->address) && (s->mhd || address[0] == '\0'))
        return;
    if (s->mhd)
        log_notice("Metrics are no longer served at %s.", s->address);
    stop(s);
    if (!streq(address, s->address) && s->problem[0] != '\0') {
        s->problem[0] = '\0';
        s->options.show_problem(s->options.userdata, NULL);
    }
    snprintf(s->address, sizeof(s->address), "%s", address);
    if (address[0] != '\0')
        try_to_start(s);
}

int metrics_server_new(const struct metrics_server_options *options, struct metrics_server **ret)
{
    CLEANUP(metrics_server_free) struct metrics_server *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;
    s->fd = -1;
    for (size_t i = 0; i < ARRAY_SIZE(s->peers); i++)
        s->peers[i].fd = -1;
    s->options = *options;
    sd_event_ref(s->options.event);
    r = timer_init(&s->timer, options->event, USEC_PER_MSEC, on_timer, s);
    if (r >= 0)
        r = timer_init(&s->open_timer, options->event, USEC_PER_MSEC, on_open_timer, s);
    if (r < 0)
        return r;
    *ret = TAKE(s);
    return 0;
}

struct metrics_server *metrics_server_free(struct metrics_server *s)
{
    if (!s)
        return NULL;
    stop(s);
    timer_done(&s->timer);
    timer_done(&s->open_timer);
    sd_event_unref(s->options.event);
    free(s);
    return NULL;
}
