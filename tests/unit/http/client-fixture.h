/* SPDX-License-Identifier: MIT */
/* What the tests of the HTTP client share: clocks and names of their own in the place of libc's, a
 * client, and the end of a request. To be included by one file of a test. */
#pragma once

#include "http/client.h"
#include "util/clock.h"
#include "test-loop.h"
#include "test-server.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HOST_OF_TEST "queue.test"
#define HOST_HELD "held.test"
#define HOST_MISSING "no-such-host.invalid"

static sd_event *event;
static atomic_uint passed_sec;      /* by which all clocks are ahead */
static atomic_uint ahead_sec;       /* by which libcurl's clocks go before the boot clock, ours */
static atomic_uint n_look_ups;      /* of HOST_OF_TEST, which is this machine */
static atomic_bool is_look_up_held; /* that of HOST_HELD */

/* The calls of libcurl come to these, for a program's symbols go before those of its libraries. */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ret);

    ret->tv_sec += passed_sec;
    if (clock != CLOCK_BOOTTIME)
        ret->tv_sec += ahead_sec;
    return r;
}

time_t time(time_t *ret)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (ret)
        *ret = now.tv_sec;
    return now.tv_sec;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        dlsym(RTLD_NEXT, "getaddrinfo");

    if (host && streq(host, HOST_OF_TEST)) {
        n_look_ups++;
        host = "127.0.0.1";
    }
    while (host && streq(host, HOST_HELD) && is_look_up_held)
        usleep(USEC_PER_MSEC);
    if (host && (streq(host, HOST_HELD) || streq(host, HOST_MISSING)))
        return EAI_NONAME; /* name servers may take their time */
    return next(host, service, hints, ret);
}

/* One request's end, copied. */
struct outcome {
    unsigned n_done;
    enum http_failure failure;
    int status;
    char text[512], body[256], header[256];
    size_t body_bytes;
    struct http_slot *slot;
    void (*then)(struct outcome *outcome); /* from inside the callback */
    struct http_client *client;
    const struct http_request *request;
    struct outcome *other;
};

static unsigned n_all_done;

static inline void on_done(void *userdata, const struct http_reply *reply)
{
    struct outcome *o = userdata;
    const char *header = http_reply_header(reply, "x-test");

    o->n_done++;
    o->failure = reply->failure;
    o->status = reply->status;
    o->body_bytes = reply->body_bytes;
    assert_non_null(reply->failure_text);
    assert_int_equal(reply->body[reply->body_bytes], '\0');
    snprintf(o->text, sizeof(o->text), "%s", reply->failure_text);
    snprintf(o->body, sizeof(o->body), "%.200s", reply->body);
    snprintf(o->header, sizeof(o->header), "%s", header ? header : "(none)");
    n_all_done++;
    if (o->then)
        o->then(o);
}

static inline struct http_client *new_client(unsigned connections_max)
{
    struct http_client *client;

    assert_int_equal(http_client_new(event,
                                     &(struct http_client_options){
                                         .user_agent = "test/1",
                                         .connect_timeout_usec = TEST_PATIENCE_USEC,
                                         .connections_max = connections_max,
                                     },
                                     &client),
                     0);
    return client;
}

static inline struct http_request post(const char *url)
{
    static const char *const headers[] = {"Content-Type: application/x-test", NULL};

    return (struct http_request){
        .method = "POST",
        .url = url,
        .headers = headers,
        .body = "question",
        .body_bytes = 8,
        .timeout_usec = 10 * TEST_PATIENCE_USEC,
        .reply_max_bytes = 1 << 20,
    };
}

static inline void submit(struct http_client *client, const struct http_request *request,
                          struct outcome *o)
{
    unsigned before = n_all_done;

    assert_int_equal(http_client_submit(client, request, on_done, o, &o->slot), 0);
    /* Never from inside. */
    assert_int_equal(n_all_done, before);
}

static inline void ask(struct http_client *client, const struct http_request *request,
                       struct outcome *o)
{
    submit(client, request, o);
    run_until(event, &o->n_done, o->n_done + 1);
}

/* A port of a socket that does not listen, and that keeps others from it. */
static inline int take_port(int *ret_fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_fd = fd;
    return ntohs(address.sin_port);
}

static inline int set_up(void **state)
{
    static const char *const unwanted[] = {"http_proxy", "https_proxy",  "HTTPS_PROXY",
                                           "all_proxy",  "ALL_PROXY",    "no_proxy",
                                           "NO_PROXY",   "AWS_CA_BUNDLE"};

    for (size_t i = 0; i < ARRAY_SIZE(unwanted); i++)
        unsetenv(unwanted[i]);
    passed_sec = ahead_sec = n_look_ups = 0;
    return sd_event_new(&event) < 0 ? -1 : 0;
}

static inline int tear_down(void **state)
{
    sd_event_unref(event);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
