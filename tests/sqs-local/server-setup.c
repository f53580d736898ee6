/* SPDX-License-Identifier: MIT */
/* Sets up and frees what the server needs. */
#include "exchange.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 4000,
    /* For a request's headers and pieces of its body. libmicrohttpd wipes it after each request. */
    CONNECTION_MEMORY_BYTES = 32 * 1024,
    BACKLOG = 1024,
    PEM_MAX_BYTES = 1024 * 1024,
    /* The number of the network's random stream. Faults use the streams below INJECTIONS_MAX, and
     * each queue uses one above this. */
    NETWORK_STREAM = 1000,
};

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

static int read_stream(FILE *file, struct buffer *text)
{
    char piece[4096];
    size_t n;
    int r = 0;

    while (r == 0 && (n = fread(piece, 1, sizeof(piece), file)) > 0)
        r = buffer_append(text, piece, n);
    return r == 0 && ferror(file) ? -EIO : r;
}

/* Reads a PEM file. Writes errors to standard error. */
static int read_pem(const char *path, char **ret)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(PEM_MAX_BYTES);
    FILE *file = fopen(path, "re");
    int r = -errno;

    if (file) {
        r = read_stream(file, &text);
        fclose(file);
    }
    if (r == 0 && text.size == 0)
        r = -ENODATA;
    if (r < 0) {
        fprintf(stderr, "sqs-local: %s: %s\n", path, strerror(-r));
        return r;
    }
    *ret = buffer_take(&text);
    return 0;
}

static int read_tls_files(struct server *server)
{
    int r;

    if (!server->options->tls_certificate_path)
        return 0;
    if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES) {
        fprintf(stderr, "sqs-local: this libmicrohttpd has no TLS\n");
        return -ENOTSUP;
    }
    r = read_pem(server->options->tls_certificate_path, &server->tls_certificate);
    return r < 0 ? r : read_pem(server->options->tls_key_path, &server->tls_key);
}

/* Keeps the escapes in a path, because the signature is of the path as it was sent. */
static size_t keep_escapes(void *data, struct MHD_Connection *connection, char *text)
{
    return strlen(text);
}

static void on_connection(void *data, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    const struct server *server = data;
    struct connection *connection;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        free(TAKE(*socket_context));
    } else if (network_is_played(&server->network)) {
        connection = calloc(1, sizeof(*connection));
        if (connection)
            connection->accepted_usec = server_now_usec(server);
        *socket_context = connection;
    }
}

static int start_daemon(struct server *server)
{
    struct MHD_OptionItem tls_options[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, server->tls_certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, server->tls_key},
        {MHD_OPTION_END, 0, NULL},
    };
    const struct MHD_OptionItem *more = server->tls_key ? tls_options : &tls_options[2];
    const union MHD_DaemonInfo *info;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_SUPPRESS_DATE_NO_CLOCK;
    uint16_t port = 0;
    int fd = open_socket(server->options->port, &port);

    if (fd < 0)
        return fd;
    if (asprintf(&server->service.url, "http%s://127.0.0.1:%u", server->tls_key ? "s" : "", port) <
        0) {
        server->service.url = NULL;
        close(fd);
        return -ENOMEM;
    }
    if (server->tls_key)
        flags |= MHD_USE_TLS;
    server->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, server_on_request, server, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_URI_LOG_CALLBACK, server_on_uri, server, MHD_OPTION_NOTIFY_COMPLETED,
        server_on_end, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, server, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_ARRAY, more, MHD_OPTION_END);
    if (!server->daemon) {
        close(fd);
        if (server->tls_key)
            fprintf(stderr, "sqs-local: check that %s and %s are a certificate and its key\n",
                    server->options->tls_certificate_path, server->options->tls_key_path);
        return -EIO;
    }
    info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    return info ? watch(server, info->epoll_fd, &server->daemon) : -EIO;
}

static int start_control(struct server *server)
{
    const struct server_options *options = server->options;
    uint64_t until_usec = options->expire_after_usec > 0
                              ? server_now_usec(server) + options->expire_after_usec
                              : USEC_INFINITY;
    int r = auth_new(options->region, &server->control.auth);

    if (r == 0)
        r = auth_set_keys(server->control.auth, &options->keys, until_usec, 0);
    if (r == 0)
        r = injections_new(options->seed, &server->control.injections);
    server->control.seed = options->seed;
    server->control.clock_offset_sec = options->clock_offset_sec;
    server->control.permissions = options->permissions;
    server->service.permissions = &server->control.permissions;
    return r;
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
    server_start_clock(server);
    server->network = (struct network){
        .rtt_usec = options->rtt_usec,
        .jitter_usec = options->jitter_usec,
        .loss = options->loss,
        .chance = chance_of(options->seed, NETWORK_STREAM),
    };
    list_init(&server->requests);
    account_init(&server->service.account);
    server->service.account.slack = options->slack;
    server->service.account.seed = options->seed;
    server->service.fifo_limit = options->fifo_limit;
    server->service.region = options->region;
    server->service.queue_deleted = exchange_queue_deleted;
    r = start_control(server);
    if (r == 0 && options->record_path)
        r = record_open(options->record_path, &server->service.record);
    if (r == 0)
        r = read_tls_files(server);
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
        LIST_FOREACH(&server->requests, member)
        exchange_give_up(server, CONTAINER_OF(member, struct request, of_server));
        MHD_stop_daemon(server->daemon);
    }
    account_done(&server->service.account);
    timer_heap_done(&server->timers);
    record_free(server->service.record);
    auth_free(server->control.auth);
    injections_free(server->control.injections);
    secret_free(server->tls_key);
    free(server->tls_certificate);
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

    return service_make_queue(&server->service, server->service.region, name, attributes, n,
                              server_now_usec(server), &queue, fault);
}

int server_add_fault(struct server *server, const char *rule, const char **ret_why)
{
    return injections_add(server->control.injections, rule, ret_why);
}
