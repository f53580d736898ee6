/* SPDX-License-Identifier: MIT */
/* See floor-loop.h. libcurl's multi interface as it is meant to be used with many sockets
 * (curl_multi_socket_action), with nothing around it. */
#include "floor-loop.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

struct transfer {
    struct floor_loop *loop;
    CURL *easy;
    const struct floor_request *request;
    struct buffer body;
};

struct floor_loop {
    CURLM *multi;
    int epoll_fd;
    long timeout_msec; /* that libcurl waits for; -1: none */
    struct transfer transfers[FLOOR_IN_FLIGHT_MAX];
    unsigned n_transfers;

    const struct floor_request *requests; /* of the run */
    size_t n, n_begun, n_done;
    floor_reply_fn on_reply;
    void *userdata;
    unsigned long long reply_bytes;
};

void floor_die(const char *what, int r)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(-r));
    exit(EXIT_FAILURE);
}

static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *userdata, void *assigned)
{
    struct floor_loop *loop = userdata;
    struct epoll_event event = {.data.fd = fd};

    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    if (what != CURL_POLL_OUT)
        event.events |= EPOLLIN;
    if (what != CURL_POLL_IN)
        event.events |= EPOLLOUT;
    if (!assigned)
        curl_multi_assign(loop->multi, fd, loop);
    return epoll_ctl(loop->epoll_fd, assigned ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
}

static int on_timer_wanted(CURLM *multi, long timeout_msec, void *userdata)
{
    struct floor_loop *loop = userdata;

    loop->timeout_msec = timeout_msec;
    return 0;
}

static size_t on_body(char *bytes, size_t one, size_t size, void *userdata)
{
    struct transfer *t = userdata;

    t->loop->reply_bytes += size;
    return !t->loop->on_reply || buffer_append(&t->body, bytes, size) == 0 ? size : 0;
}

static void begin_next(struct floor_loop *loop, struct transfer *t)
{
    const struct buffer *body;

    t->request = &loop->requests[loop->n_begun++];
    body = &t->request->request->json;
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->request->headers);
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, body->data);
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE, (long)body->size);
    curl_multi_add_handle(loop->multi, t->easy);
}

static void finish(struct floor_loop *loop, struct transfer *t, CURLcode code)
{
    long status = 0;

    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK || status != 200) {
        fprintf(stderr, "floor: %s: %s, status %ld\n",
                sqs_operation_name(t->request->request->operation), curl_easy_strerror(code),
                status);
        exit(EXIT_FAILURE);
    }
    if (loop->on_reply) {
        loop->on_reply(loop->userdata, t->request, buffer_string(&t->body), t->body.size);
        buffer_reset(&t->body);
    }
    loop->n_done++;
    curl_multi_remove_handle(loop->multi, t->easy);
    if (loop->n_begun < loop->n)
        begin_next(loop, t);
}

static void finish_ended(struct floor_loop *loop)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(loop->multi, &left))) {
        CURLcode code = message->data.result;
        struct transfer *t = NULL;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        finish(loop, t, code);
    }
}

static void act(struct floor_loop *loop, const struct epoll_event *events, int n)
{
    int running;

    if (n == 0) {
        loop->timeout_msec = -1;
        curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    for (int i = 0; i < n; i++) {
        int what = (events[i].events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
                   (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (events[i].events & EPOLLERR ? CURL_CSELECT_ERR : 0);

        curl_multi_socket_action(loop->multi, events[i].data.fd, what, &running);
    }
    finish_ended(loop);
}

unsigned long long floor_loop_run(struct floor_loop *loop, const struct floor_request *requests,
                                  size_t n, floor_reply_fn on_reply, void *userdata)
{
    struct epoll_event events[FLOOR_IN_FLIGHT_MAX];

    loop->requests = requests;
    loop->n = n;
    loop->n_begun = loop->n_done = 0;
    loop->on_reply = on_reply;
    loop->userdata = userdata;
    loop->reply_bytes = 0;
    for (unsigned i = 0; i < loop->n_transfers && loop->n_begun < n; i++)
        begin_next(loop, &loop->transfers[i]);
    while (loop->n_done < n) {
        int n_events =
            epoll_wait(loop->epoll_fd, events, FLOOR_IN_FLIGHT_MAX, (int)loop->timeout_msec);

        if (n_events < 0 && errno != EINTR)
            floor_die("epoll_wait", -errno);
        if (n_events >= 0)
            act(loop, events, n_events);
    }
    return loop->reply_bytes;
}

static void transfer_open(struct floor_loop *loop, struct transfer *t, const char *url)
{
    *t = (struct transfer){
        .loop = loop, .easy = curl_easy_init(), .body = BUFFER_INIT(SQS_REPLY_MAX_BYTES)};
    if (!t->easy)
        floor_die("curl_easy_init", -ENOMEM);
    curl_easy_setopt(t->easy, CURLOPT_URL, url);
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, (void *)t);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, (void *)t);
    curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(t->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(t->easy, CURLOPT_USERAGENT, "floor/1.0.0");
}

struct floor_loop *floor_loop_new(const char *host, unsigned in_flight)
{
    struct floor_loop *loop = calloc(1, sizeof(*loop));
    char url[128];

    if (!loop || in_flight == 0 || in_flight > FLOOR_IN_FLIGHT_MAX)
        floor_die("floor_loop_new", loop ? -EINVAL : -ENOMEM);
    loop->timeout_msec = -1;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        floor_die("epoll_create1", -errno);
    loop->multi = curl_multi_init();
    if (!loop->multi)
        floor_die("curl_multi_init", -ENOMEM);
    curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
    curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
    curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
    snprintf(url, sizeof(url), "http://%s/", host);
    loop->n_transfers = in_flight;
    for (unsigned i = 0; i < in_flight; i++)
        transfer_open(loop, &loop->transfers[i], url);
    return loop;
}

struct floor_loop *floor_loop_free(struct floor_loop *loop)
{
    for (unsigned i = 0; i < loop->n_transfers; i++) {
        curl_easy_cleanup(loop->transfers[i].easy);
        buffer_done(&loop->transfers[i].body);
    }
    curl_multi_cleanup(loop->multi);
    close(loop->epoll_fd);
    free(loop);
    return NULL;
}
