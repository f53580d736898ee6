/* SPDX-License-Identifier: MIT */
/* See test-server.h. All state that threads share is behind one mutex. A stalled thread waits on a
 * pipe that becomes readable when the server is freed; so do those that wait for a request. */
#include "test-server.h"
#include "test-loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 512, HEAD_MAX_BYTES = 64 * 1024 };

struct connection {
    struct test_server *server;
    pthread_t thread;
    int fd;
    SSL *ssl;
};

struct test_server {
    struct test_reply replies[128];
    size_t n_replies;
    SSL_CTX *tls;
    int listener, stop_pipe[2], release, port;
    char url[64];
    pthread_t thread;

    pthread_mutex_t lock;
    struct connection connections[CONNECTIONS_MAX];
    unsigned n_connections, n_open, n_open_most;
    char *heads[TEST_SERVER_REQUESTS_MAX], *bodies[TEST_SERVER_REQUESTS_MAX];
    unsigned n_requests, n_replies_sent;
};

/* Whether `fd` can be read before the server stops. `wait_msec` -1: however long it takes. */
static bool wait_readable(struct test_server *s, int fd, int wait_msec)
{
    struct pollfd polls[] = {{.fd = s->stop_pipe[0], .events = POLLIN},
                             {.fd = fd, .events = POLLIN}};
    int n;

    do
        n = poll(polls, fd < 0 ? 1 : 2, wait_msec);
    while (n < 0 && errno == EINTR);
    return n > 0 && polls[0].revents == 0;
}

/* Where several wait, one of them gets it: the others find nothing to read, and wait on. */
static void wait_for_release(struct test_server *s)
{
    uint64_t one;

    while (wait_readable(s, s->release, -1))
        if (read(s->release, &one, sizeof(one)) == sizeof(one))
            return;
}

static bool send_bytes(struct connection *c, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = c->ssl ? SSL_write(c->ssl, bytes, (int)MIN(size, (size_t)16384))
                           : send(c->fd, bytes, size, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

static ssize_t receive_bytes(struct connection *c, char *bytes, size_t size)
{
    if (c->ssl && SSL_pending(c->ssl) > 0)
        return SSL_read(c->ssl, bytes, (int)size);
    if (!wait_readable(c->server, c->fd, -1))
        return 0;
    return c->ssl ? SSL_read(c->ssl, bytes, (int)size) : recv(c->fd, bytes, size, 0);
}

static void record(struct test_server *s, char *head, char *body, unsigned *ret_index)
{
    pthread_mutex_lock(&s->lock);
    *ret_index = s->n_requests++;
    if (*ret_index < TEST_SERVER_REQUESTS_MAX) {
        s->heads[*ret_index] = TAKE(head);
        s->bodies[*ret_index] = TAKE(body);
    }
    pthread_mutex_unlock(&s->lock);
    free(head);
    free(body);
}

/* Reads one request. Returns false at the end of the connection. */
static bool read_request(struct connection *c, unsigned *ret_index)
{
    char *head = calloc(1, HEAD_MAX_BYTES), *end = NULL, *body, *length;
    size_t size = 0, body_bytes = 0, have;

    while (!end) {
        ssize_t n = receive_bytes(c, head + size, HEAD_MAX_BYTES - 1 - size);

        if (n <= 0) {
            free(head);
            return false;
        }
        size += (size_t)n;
        end = strstr(head, "\r\n\r\n");
    }
    end += 2;
    length = strcasestr(head, "\r\nContent-Length:");
    if (length && length < end)
        body_bytes = strtoul(length + 17, NULL, 10);
    body = calloc(1, body_bytes + 1);
    have = MIN(body_bytes, size - (size_t)(end + 2 - head));
    memcpy(body, end + 2, have);
    *end = '\0';
    while (have < body_bytes) {
        ssize_t n = receive_bytes(c, body + have, body_bytes - have);

        if (n <= 0) {
            free(head);
            free(body);
            return false;
        }
        have += (size_t)n;
    }
    record(c->server, head, body, ret_index);
    return true;
}

static void reset_connection(struct connection *c)
{
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
}

static void count_reply(struct test_server *s)
{
    pthread_mutex_lock(&s->lock);
    s->n_replies_sent++;
    pthread_mutex_unlock(&s->lock);
}

/* Returns whether the connection goes on. */
static bool send_reply(struct connection *c, const struct test_reply *reply)
{
    struct test_server *s = c->server;
    size_t body_bytes = reply->filler_bytes > 0 ? reply->filler_bytes
                        : reply->body           ? strlen(reply->body)
                                                : 0;
    char *text = NULL, *filler = calloc(1, reply->filler_bytes + 1);
    int head;
    bool ok = true;

    memset(filler, 'x', reply->filler_bytes);
    head = asprintf(&text, "HTTP/1.1 %d Scripted\r\nContent-Length: %zu\r\n%s\r\n%s",
                    reply->status ? reply->status : 200, body_bytes,
                    reply->headers ? reply->headers : "",
                    reply->filler_bytes > 0 ? filler
                    : reply->body           ? reply->body
                                            : "");
    assert_true(head > 0);
    free(filler);

    if (reply->delay_msec > 0)
        wait_readable(s, -1, (int)reply->delay_msec);
    if (reply->is_held)
        wait_for_release(s);
    switch (reply->how) {
    case REPLY_WHOLE:
        ok = send_bytes(c, text, (size_t)head);
        count_reply(s);
        break;
    case REPLY_AND_CLOSE:
        send_bytes(c, text, (size_t)head);
        ok = false;
        break;
    case REPLY_CUT_OFF:
    case REPLY_RESET:
        send_bytes(c, text, (size_t)head - 1);
        if (reply->how == REPLY_RESET) {
            wait_readable(s, -1, 50); /* so that the bytes arrive before the reset */
            reset_connection(c);
        }
        ok = false;
        break;
    case REPLY_CLOSE_ALL:
        shutdown(s->listener, SHUT_RDWR);
        ok = false;
        break;
    case REPLY_CLOSE:
        ok = false;
        break;
    case REPLY_STALL:
        count_reply(s);
        wait_readable(s, -1, -1);
        ok = false;
        break;
    case REPLY_STALL_BODY:
        send_bytes(c, text, (size_t)head - body_bytes + 1);
        count_reply(s);
        wait_readable(s, -1, -1);
        ok = false;
        break;
    case REPLY_DRIP:
        count_reply(s);
        for (int i = 0; i < head && ok; i++) {
            ok = send_bytes(c, text + i, 1);
            wait_readable(s, -1, 2);
        }
        break;
    case REPLY_RAW:
        if (reply->body)
            send_bytes(c, reply->body, strlen(reply->body));
        ok = false;
        break;
    }
    free(text);
    return ok;
}

static void *serve(void *argument)
{
    struct connection *c = argument;
    struct test_server *s = c->server;
    bool goes_on = true;
    unsigned i;

    if (s->tls) {
        c->ssl = SSL_new(s->tls);
        SSL_set_fd(c->ssl, c->fd);
    }
    if (!c->ssl || SSL_accept(c->ssl) == 1)
        while (goes_on && read_request(c, &i))
            goes_on = send_reply(c, &s->replies[MIN(i, s->n_replies - 1)]);

    pthread_mutex_lock(&s->lock);
    s->n_open--;
    if (c->ssl)
        SSL_free(c->ssl);
    close(c->fd);
    c->fd = -1;
    s->n_replies_sent += !goes_on; /* its end is the connection's */
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static unsigned read_locked(struct test_server *s, const unsigned *value)
{
    unsigned copy;

    pthread_mutex_lock(&s->lock);
    copy = *value;
    pthread_mutex_unlock(&s->lock);
    return copy;
}

static void *accept_all(void *argument)
{
    struct test_server *s = argument;

    while (wait_readable(s, s->listener, -1)) {
        int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
        struct connection *c;

        if (fd < 0 && errno == EINVAL)
            break; /* it listens no more */
        if (fd < 0)
            continue;
        if (read_locked(s, &s->n_connections) == CONNECTIONS_MAX) {
            close(fd);
            continue;
        }
        pthread_mutex_lock(&s->lock);
        c = &s->connections[s->n_connections++];
        s->n_open++;
        s->n_open_most = MAX(s->n_open_most, s->n_open);
        c->server = s;
        c->fd = fd;
        pthread_create(&c->thread, NULL, serve, c);
        pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}

/* Fills in all but the listener's address and what follows from it. */
static struct test_server *server_prepare(const struct test_reply *replies, size_t n, int family)
{
    struct test_server *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    assert_true(n > 0 && n <= ARRAY_SIZE(s->replies));
    memcpy(s->replies, replies, n * sizeof(*replies));
    s->n_replies = n;
    pthread_mutex_init(&s->lock, NULL);
    assert_int_equal(pipe2(s->stop_pipe, O_CLOEXEC), 0);
    s->release = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
    assert_true(s->release >= 0);
    s->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->listener >= 0);
    return s;
}

static struct test_server *server_start(struct test_server *s)
{
    assert_int_equal(listen(s->listener, 512), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, accept_all, s), 0);
    return s;
}

struct test_server *test_server_new(const struct test_reply *replies, size_t n, SSL_CTX *tls)
{
    struct test_server *s = server_prepare(replies, n, AF_INET);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);

    if (tls) {
        SSL_CTX_up_ref(tls);
        s->tls = tls;
    }
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &size), 0);
    s->port = ntohs(address.sin_port);
    snprintf(s->url, sizeof(s->url), "%s://127.0.0.1:%d/", tls ? "https" : "http", s->port);
    return server_start(s);
}

struct test_server *test_server_new_unix(const struct test_reply *replies, size_t n,
                                         const char *path)
{
    struct test_server *s = server_prepare(replies, n, AF_UNIX);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    assert_true(strlen(path) < sizeof(address.sun_path));
    strcpy(address.sun_path, path);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    snprintf(s->url, sizeof(s->url), "http://localhost/");
    return server_start(s);
}

struct test_server *test_server_free(struct test_server *s)
{
    if (!s)
        return NULL;
    assert_int_equal(write(s->stop_pipe[1], "x", 1), 1);
    pthread_join(s->thread, NULL);
    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < s->n_connections; i++)
        if (s->connections[i].fd >= 0)
            shutdown(s->connections[i].fd, SHUT_RDWR);
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < s->n_connections; i++)
        pthread_join(s->connections[i].thread, NULL);
    for (unsigned i = 0; i < MIN(s->n_requests, (unsigned)TEST_SERVER_REQUESTS_MAX); i++) {
        free(s->heads[i]);
        free(s->bodies[i]);
    }
    close(s->listener);
    close(s->stop_pipe[0]);
    close(s->stop_pipe[1]);
    close(s->release);
    SSL_CTX_free(s->tls);
    pthread_mutex_destroy(&s->lock);
    free(s);
    return NULL;
}

void test_server_release(struct test_server *s)
{
    static const uint64_t one = 1;

    assert_int_equal(write(s->release, &one, sizeof(one)), sizeof(one));
}

int test_server_port(const struct test_server *s)
{
    return s->port;
}

const char *test_server_url(const struct test_server *s)
{
    return s->url;
}

unsigned test_server_connections(struct test_server *s)
{
    return read_locked(s, &s->n_connections);
}

unsigned test_server_connections_most(struct test_server *s)
{
    return read_locked(s, &s->n_open_most);
}

unsigned test_server_requests(struct test_server *s)
{
    return read_locked(s, &s->n_requests);
}

static void run_until_counted(struct test_server *s, sd_event *event, const unsigned *value,
                              unsigned n)
{
    uint64_t end = boot_clock_usec() + TEST_PATIENCE_USEC;

    while (read_locked(s, value) < n) {
        assert_true(sd_event_run(event, 5 * USEC_PER_MSEC) >= 0);
        assert_true(boot_clock_usec() < end);
    }
}

void test_server_run_until_requests(struct test_server *s, sd_event *event, unsigned n)
{
    run_until_counted(s, event, &s->n_requests, n);
}

void test_server_run_until_replies(struct test_server *s, sd_event *event, unsigned n)
{
    run_until_counted(s, event, &s->n_replies_sent, n);
    run_for(event, 20 * USEC_PER_MSEC);
}

const char *test_server_head(struct test_server *s, unsigned i)
{
    return i < test_server_requests(s) ? s->heads[i] : "";
}

const char *test_server_body(struct test_server *s, unsigned i)
{
    return i < test_server_requests(s) ? s->bodies[i] : "";
}

char *test_server_header(struct test_server *s, unsigned i, const char *name)
{
    const char *line = strstr(test_server_head(s, i), "\r\n"), *end;
    size_t size = strlen(name);

    for (; line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, size) != 0 || line[size] != ':')
            continue;
        line += size + 1;
        line += strspn(line, " ");
        end = strstr(line, "\r\n");
        return end ? strndup(line, (size_t)(end - line)) : NULL;
    }
    return NULL;
}
