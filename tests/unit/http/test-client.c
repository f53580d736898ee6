/* SPDX-License-Identifier: MIT */
#include "http/client.h"
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

static sd_event *event;
static atomic_uint ahead_sec;       /* by which libcurl's clocks go before the boot clock, ours */
static atomic_uint n_look_ups;      /* of HOST_OF_TEST, which is this machine */
static atomic_bool is_look_up_held; /* that of HOST_HELD */

/* The calls of libcurl come to these, for a program's symbols go before those of its libraries. */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ret);

    if (r == 0 && clock != CLOCK_BOOTTIME)
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

static void on_done(void *userdata, const struct http_reply *reply)
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

static struct http_client *new_client(unsigned connections_max)
{
    struct http_client *client;

    assert_int_equal(http_client_new(event,
                                     &(struct http_client_options){
                                         .user_agent = "test/1",
                                         .connect_timeout_usec = 5 * USEC_PER_SEC,
                                         .connections_max = connections_max,
                                     },
                                     &client),
                     0);
    return client;
}

static struct http_request post(const char *url)
{
    static const char *const headers[] = {"Content-Type: application/x-test", NULL};

    return (struct http_request){
        .method = "POST",
        .url = url,
        .headers = headers,
        .body = "question",
        .body_bytes = 8,
        .timeout_usec = 10 * USEC_PER_SEC,
        .reply_max_bytes = 1 << 20,
    };
}

static void submit(struct http_client *client, const struct http_request *request,
                   struct outcome *o)
{
    unsigned before = n_all_done;

    assert_int_equal(http_client_submit(client, request, on_done, o, &o->slot), 0);
    /* Never from inside. */
    assert_int_equal(n_all_done, before);
}

static void ask(struct http_client *client, const struct http_request *request, struct outcome *o)
{
    submit(client, request, o);
    run_until(event, &o->n_done, o->n_done + 1);
}

/* A port where nobody listens. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void a_reply_comes_whole(void **state)
{
    static const char zero_body[] = "a whole reply";
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.status = 200, .headers = "X-Test:  some value \r\n", .body = zero_body},
                    {.status = 404, .body = "not here"}, {.status = 500}, {.status = 204});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    struct outcome o = {};

    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(o.status, 200);
    assert_string_equal(o.text, "");
    assert_string_equal(o.body, zero_body);
    assert_int_equal(o.body_bytes, strlen(zero_body));
    assert_string_equal(o.header, "some value");

    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(o.status, 404);
    assert_string_equal(o.body, "not here");
    assert_string_equal(o.header, "(none)");

    ask(client, &request, &o);
    assert_int_equal(o.status, 500);
    assert_string_equal(o.body, "");

    ask(client, &request, &o);
    assert_int_equal(o.status, 204);
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(o.n_done, 4);
}

static void what_is_sent_is_what_was_asked(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.body = "ok"});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request;
    char url[128], body[100000], *value;
    struct outcome o = {};

    memset(body, 'b', sizeof(body));
    snprintf(url, sizeof(url), "%sa/../b/./c?x=1", test_server_url(server));
    request = post(url);
    request.headers = (const char *const[]){"Host: QUEUE.example:8443", "X-One: 1", NULL};
    request.body = body;
    request.body_bytes = sizeof(body);
    ask(client, &request, &o);
    assert_int_equal(o.status, 200);

    assert_memory_equal(test_server_head(server, 0), "POST /a/../b/./c?x=1 HTTP/1.1\r\n", 31);
    assert_non_null(strstr(test_server_head(server, 0), "\r\nHost: QUEUE.example:8443\r\n"));
    assert_null(strstr(test_server_head(server, 0), "127.0.0.1"));
    assert_non_null(strstr(test_server_head(server, 0), "\r\nX-One: 1\r\n"));
    assert_non_null(strstr(test_server_head(server, 0), "\r\nUser-Agent: test/1\r\n"));
    assert_non_null(strstr(test_server_head(server, 0), "\r\nContent-Length: 100000\r\n"));
    assert_null(strcasestr(test_server_head(server, 0), "\r\nExpect"));
    assert_null(strcasestr(test_server_head(server, 0), "\r\nContent-Type"));
    assert_null(strcasestr(test_server_head(server, 0), "\r\nTransfer-Encoding"));
    assert_int_equal(strlen(test_server_body(server, 0)), sizeof(body));

    /* The handle is used again: nothing of the last request may stay. */
    request = post(test_server_url(server));
    request.body = NULL;
    request.body_bytes = 0;
    ask(client, &request, &o);
    assert_memory_equal(test_server_head(server, 1), "POST / HTTP/1.1\r\n", 17);
    assert_null(strstr(test_server_head(server, 1), "X-One"));
    value = test_server_header(server, 1, "Host");
    assert_memory_equal(value, test_server_url(server) + 7, strlen(value));
    free(value);
    value = test_server_header(server, 1, "Content-Type");
    assert_string_equal(value, "application/x-test");
    free(value);
    value = test_server_header(server, 1, "Content-Length");
    assert_string_equal(value, "0");
    free(value);

    request.method = "GET";
    request.body = "never sent";
    request.body_bytes = 10;
    ask(client, &request, &o);
    assert_memory_equal(test_server_head(server, 2), "GET / HTTP/1.1\r\n", 16);
    assert_null(test_server_header(server, 2, "Content-Length"));
    assert_string_equal(test_server_body(server, 2), "");

    request.method = "PUT";
    ask(client, &request, &o);
    assert_memory_equal(test_server_head(server, 3), "PUT / HTTP/1.1\r\n", 16);
    assert_string_equal(test_server_body(server, 3), "never sent");

    request.method = "POST";
    ask(client, &request, &o);
    assert_memory_equal(test_server_head(server, 4), "POST / HTTP/1.1\r\n", 17);
}

static void a_request_that_cannot_be_made_is_refused_at_once(void **state)
{
    static const char *const urls[] = {
        "",
        "nonsense",
        "//127.0.0.1/",
        "http://",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:abc/",
        "http://a b/",
        "http://127.0.0.1/a\nb",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "unheard-of://127.0.0.1/",
    };
    static const char *const lines[] = {"X-A: 1\r\nX-B: 2", "X-A: 1\n", "X-A: \001"};
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct outcome o = {};

    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        struct http_request request = post(urls[i]);

        if (http_client_submit(client, &request, on_done, &o, &o.slot) != -EINVAL)
            fail_msg("accepted: %s", urls[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct http_request request = post("http://127.0.0.1/");

        request.headers = (const char *const[]){"X-Fine: 1", lines[i], NULL};
        assert_int_equal(http_client_submit(client, &request, on_done, &o, &o.slot), -EINVAL);
    }
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(o.n_done, 0);
    assert_null(o.slot);
}

static void one_connection_serves_ten_requests(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.body = "ok"});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    struct outcome o = {};

    for (unsigned i = 0; i < 10; i++) {
        ask(client, &request, &o);
        assert_int_equal(o.status, 200);
    }
    assert_int_equal(test_server_requests(server), 10);
    assert_int_equal(test_server_connections(server), 1);
}

static void a_connection_that_was_closed_meanwhile_is_not_noticed(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "ok", .how = REPLY_AND_CLOSE});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));

    for (unsigned i = 0; i < 60; i++) {
        struct outcome o = {};

        /* With and without time for the end to arrive. */
        run_for(event, i % 2 ? 5 * USEC_PER_MSEC : 0);
        ask(client, &request, &o);
        if (o.failure != HTTP_FAILURE_NONE)
            fail_msg("request %u: %s", i, o.text);
        assert_string_equal(o.body, "ok");
    }
    assert_int_equal(test_server_connections(server), 60);
}

static void an_old_connection_is_not_used_again(void **state)
{
    enum { PAUSE_SEC = HTTP_CONNECTION_MAX_IDLE_SEC - 10 }; /* idle for less than is allowed */
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.body = "ok"});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    struct outcome o = {};

    for (; ahead_sec < HTTP_CONNECTION_MAX_AGE_SEC; ahead_sec += PAUSE_SEC) {
        ask(client, &request, &o);
        assert_int_equal(o.failure, HTTP_FAILURE_NONE);
        assert_int_equal(test_server_connections(server), 1);
    }
    for (unsigned i = 0; i < 2; i++) {
        ask(client, &request, &o);
        assert_int_equal(o.failure, HTTP_FAILURE_NONE);
        assert_int_equal(test_server_connections(server), 2);
    }
}

static void a_connection_idle_for_long_is_not_used_again(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.body = "ok"});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    struct outcome o = {};

    ask(client, &request, &o);
    ahead_sec += HTTP_CONNECTION_MAX_IDLE_SEC - 10;
    ask(client, &request, &o);
    assert_int_equal(test_server_connections(server), 1);
    ahead_sec += HTTP_CONNECTION_MAX_IDLE_SEC + 10;
    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(test_server_connections(server), 2);
}

static void a_name_is_looked_up_again_after_a_while(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "ok", .how = REPLY_AND_CLOSE});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    char url[64];
    struct http_request request;
    struct outcome o = {};

    snprintf(url, sizeof(url), "http://" HOST_OF_TEST ":%d/", test_server_port(server));
    request = post(url);
    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(n_look_ups, 1);
    ahead_sec += HTTP_DNS_MAX_AGE_SEC - 10;
    ask(client, &request, &o);
    assert_int_equal(test_server_connections(server), 2);
    assert_int_equal(n_look_ups, 1);
    ahead_sec += 20;
    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(test_server_connections(server), 3);
    assert_int_equal(n_look_ups, 2);
}

/* Turns of the event loop within that time. */
static uint64_t turns_within(uint64_t usec)
{
    uint64_t before, after;

    assert_int_equal(sd_event_get_iteration(event, &before), 0);
    run_for(event, usec);
    assert_int_equal(sd_event_get_iteration(event, &after), 0);
    return after - before;
}

static void nothing_stirs_while_nothing_is_under_way(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.body = "ok"}, {.body = "ok", .how = REPLY_AND_CLOSE}, {.body = "ok"});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));

    /* The first connection stays open, and of its requests the one has a deadline that is over
     * while nothing is under way; the second is closed by the server meanwhile. */
    for (unsigned i = 0; i < 3; i++) {
        struct outcome o = {};

        request.timeout_usec = i == 0 ? USEC_PER_SEC / 2 : 10 * USEC_PER_SEC;
        ask(client, &request, &o);
        assert_int_equal(o.failure, HTTP_FAILURE_NONE);
        if (turns_within(i == 0 ? USEC_PER_SEC : 50 * USEC_PER_MSEC) > 10)
            fail_msg("the loop is busy after request %u", i);
    }
    assert_int_equal(test_server_connections(server), 2);
}

/* libcurl closes a socket that is not yet connected without a word, and the next one gets its
 * number. */
static void a_sockets_number_may_come_again_at_any_moment(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "ok", .how = REPLY_AND_CLOSE});
    CLEANUP(http_client_free) struct http_client *client = NULL;
    struct http_request request = post(test_server_url(server));
    struct http_client_options options = {.user_agent = "test",
                                          .connect_timeout_usec = 60 * USEC_PER_SEC};

    assert_int_equal(http_client_new(event, &options, &client), 0);
    request.timeout_usec = USEC_INFINITY;
    for (unsigned i = 0; i < 20; i++) {
        struct outcome cancelled = {}, o = {};

        submit(client, &request, &cancelled);
        for (unsigned k = 0; k < i / 2 && cancelled.n_done == 0; k++)
            assert_true(sd_event_run(event, 0) >= 0);
        if (cancelled.n_done == 0)
            http_slot_cancel(cancelled.slot);
        ask(client, &request, &o);
        assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    }
}

static void a_later_requests_deadline_may_be_earlier(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "ok"}, {.how = REPLY_STALL}, {.body = "ok"},
                                             {.body = "ok", .delay_msec = 1500});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    static const uint64_t timeouts_usec[] = {10 * USEC_PER_SEC, 200 * USEC_PER_MSEC, USEC_PER_SEC,
                                             10 * USEC_PER_SEC};

    for (size_t i = 0; i < ARRAY_SIZE(timeouts_usec); i++) {
        uint64_t start = boot_clock_usec();
        struct outcome o = {};

        request.timeout_usec = timeouts_usec[i];
        ask(client, &request, &o);
        if (i != 1) {
            assert_int_equal(o.failure, HTTP_FAILURE_NONE);
            continue;
        }
        assert_int_equal(o.failure, HTTP_FAILURE_TIMEOUT);
        assert_in_range(boot_clock_usec() - start, 200 * USEC_PER_MSEC, 8 * USEC_PER_SEC);
        test_server_run_until_requests(server, event, 2);
    }
}

static void a_redirect_is_a_reply(void **state)
{
    CLEANUP(test_server_free) struct test_server *elsewhere = TEST_SERVER({.body = "wrong"});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    char header[128];
    struct outcome o = {};

    snprintf(header, sizeof(header), "Location: %s\r\n", test_server_url(elsewhere));
    for (int status = 301; status <= 308; status += status == 303 ? 4 : 1) {
        CLEANUP(test_server_free)
        struct test_server *server = TEST_SERVER({.status = status, .headers = header});
        struct http_request request = post(test_server_url(server));

        ask(client, &request, &o);
        assert_int_equal(o.failure, HTTP_FAILURE_NONE);
        assert_int_equal(o.status, status);
    }
    assert_int_equal(test_server_requests(elsewhere), 0);
}

static void the_cap_of_the_reply_is_exact(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.filler_bytes = 70000}, {.filler_bytes = 70001},
                                             {.filler_bytes = 5000000}, {.filler_bytes = 1});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    struct outcome o = {};

    request.reply_max_bytes = 70000;
    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(o.body_bytes, 70000);
    for (int i = 0; i < 2; i++) {
        ask(client, &request, &o);
        assert_int_equal(o.failure, HTTP_FAILURE_TOO_LARGE);
        assert_non_null(strstr(o.text, "larger"));
        assert_int_equal(o.body_bytes, 0);
        assert_int_equal(o.status, 0);
    }
    request.reply_max_bytes = 0;
    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_TOO_LARGE);
    request.reply_max_bytes = 1;
    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(o.body_bytes, 1);
}

static void a_reply_may_be_cut_instead(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.filler_bytes = 5000000}, {.status = 500, .filler_bytes = 11},
                    {.body = "short"}, {.filler_bytes = 100, .how = REPLY_CUT_OFF});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    struct outcome o = {};

    request.cut_reply = true;
    request.reply_max_bytes = 10;
    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(o.status, 200);
    assert_string_equal(o.body, "xxxxxxxxxx");
    /* What was thrown away was read: the connection serves on. */
    ask(client, &request, &o);
    assert_int_equal(o.status, 500);
    assert_int_equal(o.body_bytes, 10);
    ask(client, &request, &o);
    assert_string_equal(o.body, "short");
    assert_int_equal(test_server_connections(server), 1);
    /* Half a reply is none, even where the kept part is whole. */
    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_BROKEN);
}

static void broken_replies_are_told(void **state)
{
    static const struct test_reply replies[] = {
        {.body = "cut off", .how = REPLY_CUT_OFF},
        {.body = "reset", .how = REPLY_RESET},
        {.how = REPLY_CLOSE},
        {.body = "no HTTP at all\r\n\r\n", .how = REPLY_RAW},
        {.body = "HTTP/1.1 2xx Bad\r\n\r\n", .how = REPLY_RAW},
        {.body = "HTTP/1.1 200 OK\r\nContent-Le", .how = REPLY_RAW},
        {.body = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", .how = REPLY_RAW},
        {.body = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", .how = REPLY_RAW},
        {.body = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", .how = REPLY_RAW},
        {.body = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab", .how = REPLY_RAW},
        {.body = "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", .how = REPLY_RAW},
    };

    for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
        CLEANUP(test_server_free)
        struct test_server *server = test_server_new(&replies[i], 1, NULL);
        CLEANUP(http_client_free) struct http_client *client = new_client(0);
        struct http_request request = post(test_server_url(server));
        struct outcome o = {};

        ask(client, &request, &o);
        if (o.failure != HTTP_FAILURE_BROKEN)
            fail_msg("case %zu: failure %d, status %d, %s", i, o.failure, o.status, o.text);
        assert_true(strlen(o.text) > 5);
        assert_int_equal(o.status, 0);
        assert_string_equal(o.body, "");
        assert_string_equal(o.header, "(none)");
    }
}

static void every_whole_form_of_reply_is_taken(void **state)
{
    static const char *const replies[] = {
        "HTTP/1.1 200 OK\r\n\r\nwhole",
        "HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nwhole",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwh\r\n3;x=y\r\nole\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5\r\nwhole\r\n0\r\n"
        "X-T: 1\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole",
        "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
        "whole and then too much",
    };

    for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
        CLEANUP(test_server_free)
        struct test_server *server = TEST_SERVER({.body = replies[i], .how = REPLY_RAW});
        CLEANUP(http_client_free) struct http_client *client = new_client(0);
        struct http_request request = post(test_server_url(server));
        struct outcome o = {};

        ask(client, &request, &o);
        if (o.failure != HTTP_FAILURE_NONE)
            fail_msg("case %zu: %s", i, o.text);
        assert_int_equal(o.status, 200);
        assert_string_equal(o.body, "whole");
    }
}

static void a_refused_connection_is_told(void **state)
{
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    char url[64];
    struct http_request request;
    struct outcome o = {};

    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", free_port());
    request = post(url);
    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_CONNECT);
    assert_non_null(strstr(o.text, "127.0.0.1"));
    assert_int_equal(o.status, 0);
}

static void a_name_that_does_not_resolve_is_told(void **state)
{
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post("http://no-such-host.invalid/");
    struct outcome o = {};

    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_RESOLVE);
    assert_non_null(strstr(o.text, "no-such-host.invalid"));
}

static void the_deadline_ends_a_request_and_its_connection(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.body = "ok"}, {.how = REPLY_STALL}, {.body = "ok"},
                    {.body = "long", .how = REPLY_STALL_BODY},
                    {.body = "dripping away", .how = REPLY_DRIP}, {.body = "ok"});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server)), hurried = request;
    struct outcome o = {};
    uint64_t start;

    hurried.timeout_usec = 60 * USEC_PER_MSEC;
    ask(client, &request, &o);
    assert_int_equal(test_server_connections(server), 1);

    start = boot_clock_usec();
    ask(client, &hurried, &o);
    assert_in_range(boot_clock_usec() - start, 55 * USEC_PER_MSEC, 2 * USEC_PER_SEC);
    test_server_run_until_requests(server, event, 2);
    assert_int_equal(o.failure, HTTP_FAILURE_TIMEOUT);
    assert_non_null(strstr(o.text, "timed out waiting for the reply (not done in "));
    assert_int_equal(test_server_connections(server), 1);

    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(test_server_connections(server), 2);

    for (int i = 0; i < 2; i++) {
        ask(client, &hurried, &o);
        assert_int_equal(o.failure, HTTP_FAILURE_TIMEOUT);
        assert_int_equal(o.status, 0);
        assert_int_equal(o.body_bytes, 0);
        test_server_run_until_requests(server, event, 4 + (unsigned)i);
    }

    /* No deadline, and none left over from before. */
    hurried.timeout_usec = USEC_INFINITY;
    ask(client, &hurried, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(o.n_done, 6);
}

static void a_slow_reply_within_its_time_is_whole(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(
        {.body = "dripping", .headers = "X-Test: 1\r\n", .how = REPLY_DRIP, .delay_msec = 30});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    struct outcome o = {};

    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_string_equal(o.body, "dripping");
    assert_string_equal(o.header, "1");
}

/* A listener whose queue is full leaves further connections unanswered. */
static void the_connect_timeout_is_kept(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[4];
    struct http_client *client;
    struct http_request request;
    struct outcome o = {}, sooner = {};
    char url[64];
    uint64_t start;

    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(listen(listener, 0), 0);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(fds[i], (struct sockaddr *)&address, sizeof(address));
    }
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(address.sin_port));
    request = post(url);
    assert_int_equal(http_client_new(event,
                                     &(struct http_client_options){
                                         .user_agent = "test",
                                         .connect_timeout_usec = 200 * USEC_PER_MSEC,
                                     },
                                     &client),
                     0);
    start = boot_clock_usec();
    submit(client, &request, &o);
    request.timeout_usec = 100 * USEC_PER_MSEC;
    submit(client, &request, &sooner);
    run_until(event, &sooner.n_done, 1);
    assert_int_equal(sooner.failure, HTTP_FAILURE_TIMEOUT);
    assert_string_equal(sooner.text, "timed out connecting");
    assert_int_equal(o.n_done, 0);
    run_until(event, &o.n_done, 1);
    assert_in_range(boot_clock_usec() - start, 190 * USEC_PER_MSEC, 3 * USEC_PER_SEC);
    assert_int_equal(o.failure, HTTP_FAILURE_TIMEOUT);
    assert_true(strlen(o.text) > 5);

    http_client_free(client);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        close(fds[i]);
    close(listener);
}

static void a_hundred_requests_run_side_by_side(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "ok", .delay_msec = 100});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    struct outcome outcomes[100] = {};
    uint64_t start = boot_clock_usec();

    n_all_done = 0;
    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
        submit(client, &request, &outcomes[i]);
    run_until(event, &n_all_done, 100);
    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++) {
        assert_int_equal(outcomes[i].n_done, 1);
        assert_string_equal(outcomes[i].body, "ok");
    }
    assert_true(test_server_connections_most(server) > 50);
    assert_true(boot_clock_usec() - start < 5 * USEC_PER_SEC);
}

static void connections_stay_within_their_bound(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "ok", .delay_msec = 5});
    CLEANUP(http_client_free) struct http_client *client = new_client(3);
    struct http_request request = post(test_server_url(server));
    struct outcome outcomes[50] = {};
    unsigned n_cancelled = 0;

    n_all_done = 0;
    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
        submit(client, &request, &outcomes[i]);
    /* Some that run and some that wait: the rest must not be forgotten over it. */
    run_for(event, 3 * USEC_PER_MSEC);
    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i += 7)
        if (outcomes[i].n_done == 0) {
            http_slot_cancel(outcomes[i].slot);
            outcomes[i].slot = NULL;
            n_cancelled++;
        }
    run_until(event, &n_all_done, 50 - n_cancelled);
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(n_all_done, 50 - n_cancelled);
    assert_true(n_cancelled > 0);
    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
        if (outcomes[i].slot)
            assert_int_equal(outcomes[i].failure, HTTP_FAILURE_NONE);
    /* A cancelled one's connection may be ending on the server's side yet. */
    assert_true(test_server_connections_most(server) <= 3 + n_cancelled);
}

static void the_deadline_holds_for_those_that_wait(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "ok"}, {.how = REPLY_STALL}, {.body = "ok"});
    CLEANUP(http_client_free) struct http_client *client = new_client(1);
    struct http_request request = post(test_server_url(server));
    struct outcome warm_up = {}, first = {}, second = {}, third = {};

    ask(client, &request, &warm_up);
    submit(client, &request, &first);
    run_for(event, 20 * USEC_PER_MSEC);
    request.timeout_usec = 50 * USEC_PER_MSEC;
    submit(client, &request, &second);
    request.timeout_usec = 5 * USEC_PER_SEC;
    submit(client, &request, &third);
    run_until(event, &second.n_done, 1);
    assert_int_equal(second.failure, HTTP_FAILURE_TIMEOUT);
    assert_string_equal(second.text, "timed out waiting for other requests to end");
    assert_int_equal(first.n_done, 0);
    http_slot_cancel(first.slot);
    run_until(event, &third.n_done, 1);
    assert_int_equal(third.failure, HTTP_FAILURE_NONE);
    assert_int_equal(first.n_done, 0);
}

static void a_cancelled_request_is_silent(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.how = REPLY_STALL}, {.body = "ok"});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    struct outcome before = {}, in_flight = {}, looking_up = {}, after = {};

    assert_null(http_slot_cancel(NULL));

    submit(client, &request, &before);
    assert_null(http_slot_cancel(before.slot));
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(test_server_requests(server), 0);

    submit(client, &request, &in_flight);
    test_server_run_until_requests(server, event, 1);
    http_slot_cancel(in_flight.slot);

    /* The answer comes before it is cancelled, but the loop has not told it. */
    is_look_up_held = true;
    request = post("http://" HOST_HELD "/");
    submit(client, &request, &looking_up);
    sd_event_run(event, 0);
    is_look_up_held = false;
    http_slot_cancel(looking_up.slot);

    request = post(test_server_url(server));
    ask(client, &request, &after);
    assert_int_equal(after.failure, HTTP_FAILURE_NONE);
    assert_int_equal(test_server_connections(server), 2);
    run_for(event, 50 * USEC_PER_MSEC);
    assert_int_equal(before.n_done + in_flight.n_done + looking_up.n_done, 0);
}

static void cancel_self_and_other(struct outcome *o)
{
    assert_null(http_slot_cancel(o->slot));
    if (o->other && o->other->n_done == 0)
        o->other->slot = http_slot_cancel(o->other->slot);
}

static void a_callback_may_cancel_itself_and_others(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.body = "ok"});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));

    /* Pairs of which either cancels the other; many of them end in one round of the loop. */
    for (int round = 0; round < 20; round++) {
        struct outcome outcomes[10] = {};

        for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++) {
            outcomes[i].then = cancel_self_and_other;
            outcomes[i].other = &outcomes[i ^ 1];
            submit(client, &request, &outcomes[i]);
        }
        if (round % 2 == 0)
            usleep(3000);
        for (size_t i = 0; i < ARRAY_SIZE(outcomes); i += 2) {
            uint64_t end = boot_clock_usec() + TEST_PATIENCE_USEC;

            while (outcomes[i].n_done + outcomes[i + 1].n_done == 0) {
                sd_event_run(event, 100 * USEC_PER_MSEC);
                /* So that several replies wait. */
                usleep(500);
                assert_true(boot_clock_usec() < end);
            }
        }
        run_for(event, 5 * USEC_PER_MSEC);
        for (size_t i = 0; i < ARRAY_SIZE(outcomes); i += 2)
            assert_int_equal(outcomes[i].n_done + outcomes[i + 1].n_done, 1);
    }
}

static void submit_again(struct outcome *o)
{
    if (o->n_done < 30)
        submit(o->client, o->request, o);
}

static void a_callback_may_submit(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "ok"}, {.how = REPLY_CLOSE}, {.body = "ok"});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    struct outcome o = {.then = submit_again, .client = client, .request = &request};

    submit(client, &request, &o);
    run_until(event, &o.n_done, 30);
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(o.n_done, 30);
}

static void a_callback_may_submit_after_a_time_out(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.how = REPLY_STALL});
    CLEANUP(http_client_free) struct http_client *client = new_client(1);
    struct http_request request = post(test_server_url(server));
    struct outcome o = {.then = submit_again, .client = client, .request = &request};

    request.timeout_usec = 5 * USEC_PER_MSEC;
    submit(client, &request, &o);
    run_until(event, &o.n_done, 30);
    assert_int_equal(o.failure, HTTP_FAILURE_TIMEOUT);
}

struct replied {
    unsigned n;
    struct http_client *client;
    const struct http_request *request;
    struct outcome *first, *second;
};

static void on_replied(void *userdata)
{
    struct replied *r = userdata;

    r->n++;
    assert_int_equal(r->first->n_done, 1);
    if (r->n == 1)
        submit(r->client, r->request, r->second);
}

static void what_is_submitted_after_replies_begins_without_a_round_of_the_loop(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "ok"}, {.body = "ok"}, {.how = REPLY_STALL});
    CLEANUP(http_client_free) struct http_client *client = NULL;
    struct http_request request = post(test_server_url(server));
    struct outcome first = {}, second = {}, late = {};
    struct replied replied = {.request = &request, .first = &first, .second = &second};
    uint64_t end = boot_clock_usec() + TEST_PATIENCE_USEC;

    assert_int_equal(http_client_new(event,
                                     &(struct http_client_options){
                                         .user_agent = "test/1",
                                         .connect_timeout_usec = 5 * USEC_PER_SEC,
                                         .replied = on_replied,
                                         .userdata = &replied,
                                     },
                                     &client),
                     0);
    replied.client = client;
    submit(client, &request, &first);
    run_until(event, &replied.n, 1);
    while (test_server_requests(server) < 2 && boot_clock_usec() < end)
        usleep(1000);
    assert_int_equal(test_server_requests(server), 2);

    run_until(event, &replied.n, 2);
    assert_int_equal(second.n_done, 1);
    /* A time-out is no reply. */
    request.timeout_usec = 20 * USEC_PER_MSEC;
    ask(client, &request, &late);
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(late.failure, HTTP_FAILURE_TIMEOUT);
    assert_int_equal(replied.n, 2);
}

static void the_client_may_be_freed_with_requests_on_their_way(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.how = REPLY_STALL});
    struct http_client *client = new_client(5);
    struct http_request request = post(test_server_url(server)),
                        unknown = post("http://no-such-host.invalid/");
    struct outcome outcomes[20] = {};

    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
        submit(client, i % 5 == 4 ? &unknown : &request, &outcomes[i]);
    run_for(event, 10 * USEC_PER_MSEC);
    submit(client, &request, &outcomes[19]);
    n_all_done = 0;
    assert_null(http_client_free(client));
    assert_null(http_client_free(NULL));
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(n_all_done, 0);
}

/* Whether a socket of this process that is connected to `port` would be handed to children. */
static bool has_inheritable_socket_to(int port)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;
    unsigned n = 0;
    bool inheritable = false;

    assert_non_null(directory);
    while ((entry = readdir(directory))) {
        struct sockaddr_in peer = {};
        socklen_t size = sizeof(peer);
        int fd = atoi(entry->d_name);

        if (getpeername(fd, (struct sockaddr *)&peer, &size) < 0 || peer.sin_family != AF_INET ||
            ntohs(peer.sin_port) != port)
            continue;
        n++;
        inheritable = inheritable || !(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    }
    closedir(directory);
    assert_true(n > 0);
    return inheritable;
}

/* The most header lines that there may be, and none at all, by the same slot in turns. */
static void header_lines_are_bounded_and_those_of_the_request(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.body = "ok"});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    const char *lines[HTTP_HEADERS_MAX + 2] = {};
    CLEANUP(free) char *long_line = malloc(HTTP_HEADERS_MAX_BYTES);
    struct http_slot *untouched = NULL;

    assert_non_null(long_line);
    memset(long_line, 'v', HTTP_HEADERS_MAX_BYTES);
    memcpy(long_line, "X-Long: ", 8);
    long_line[HTTP_HEADERS_MAX_BYTES - 1] = '\0';
    for (size_t i = 0; i < HTTP_HEADERS_MAX + 1; i++)
        lines[i] = i == HTTP_HEADERS_MAX - 1 ? "X-Last: l" : "X-Some: s";
    request.headers = lines;
    assert_int_equal(http_client_submit(client, &request, on_done, NULL, &untouched), -EINVAL);
    lines[0] = long_line;
    lines[1] = NULL;
    assert_int_equal(http_client_submit(client, &request, on_done, NULL, &untouched), -E2BIG);
    assert_null(untouched);

    lines[0] = lines[1] = "X-Some: s";
    lines[HTTP_HEADERS_MAX] = NULL;
    for (unsigned i = 0; i < 4; i++) {
        struct outcome o = {};

        request.headers = i % 2 ? NULL : lines;
        ask(client, &request, &o);
        assert_int_equal(o.failure, HTTP_FAILURE_NONE);
        if (i % 2)
            assert_null(strstr(test_server_head(server, i), "X-"));
        else
            assert_non_null(strstr(test_server_head(server, i), "\r\nX-Last: l\r\n"));
        assert_null(strstr(test_server_head(server, i), "Content-Type"));
        assert_null(strstr(test_server_head(server, i), "Expect"));
    }
}

static void children_do_not_inherit_connections(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.body = "ok"});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    struct outcome o = {};

    ask(client, &request, &o);
    assert_false(has_inheritable_socket_to(test_server_port(server)));
}

static void the_environments_proxy_is_used_unless_told_not_to(void **state)
{
    CLEANUP(test_server_free) struct test_server *proxy = TEST_SERVER({.body = "proxy"});
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.body = "server"});
    CLEANUP(http_client_free) struct http_client *client = NULL;
    struct http_request request = post(test_server_url(server));
    struct outcome o = {};
    char entry[64];

    setenv("http_proxy", test_server_url(proxy), 1);
    client = new_client(0);
    ask(client, &request, &o);
    assert_string_equal(o.body, "proxy");
    request.no_proxy = true;
    ask(client, &request, &o);
    assert_string_equal(o.body, "server");
    request.no_proxy = false;
    ask(client, &request, &o);
    assert_string_equal(o.body, "proxy");
    http_client_free(client);

    /* libcurl knows no_proxy's entries without a port, and those with one are known here. */
    for (size_t i = 0; i < 3; i++) {
        snprintf(entry, sizeof(entry), "a.test,%s:%d", i == 0 ? "127.0.0.1" : "b.test",
                 test_server_port(server));
        if (i == 1)
            strcpy(entry, "127.0.0.1");
        setenv("no_proxy", entry, 1);
        client = new_client(0);
        ask(client, &request, &o);
        assert_string_equal(o.body, i < 2 ? "server" : "proxy");
        if (i < 2)
            http_client_free(client);
    }
    unsetenv("no_proxy");
    unsetenv("http_proxy");
}

static int set_up(void **state)
{
    static const char *const unwanted[] = {"http_proxy", "https_proxy",  "HTTPS_PROXY",
                                           "all_proxy",  "ALL_PROXY",    "no_proxy",
                                           "NO_PROXY",   "AWS_CA_BUNDLE"};

    for (size_t i = 0; i < ARRAY_SIZE(unwanted); i++)
        unsetenv(unwanted[i]);
    ahead_sec = n_look_ups = 0;
    return sd_event_new(&event) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    sd_event_unref(event);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reply_comes_whole),
        TEST(what_is_sent_is_what_was_asked),
        TEST(a_request_that_cannot_be_made_is_refused_at_once),
        TEST(one_connection_serves_ten_requests),
        TEST(a_connection_that_was_closed_meanwhile_is_not_noticed),
        TEST(an_old_connection_is_not_used_again),
        TEST(a_connection_idle_for_long_is_not_used_again),
        TEST(a_name_is_looked_up_again_after_a_while),
        TEST(nothing_stirs_while_nothing_is_under_way),
        TEST(a_sockets_number_may_come_again_at_any_moment),
        TEST(a_later_requests_deadline_may_be_earlier),
        TEST(a_redirect_is_a_reply),
        TEST(the_cap_of_the_reply_is_exact),
        TEST(a_reply_may_be_cut_instead),
        TEST(broken_replies_are_told),
        TEST(every_whole_form_of_reply_is_taken),
        TEST(a_refused_connection_is_told),
        TEST(a_name_that_does_not_resolve_is_told),
        TEST(the_deadline_ends_a_request_and_its_connection),
        TEST(a_slow_reply_within_its_time_is_whole),
        TEST(the_connect_timeout_is_kept),
        TEST(a_hundred_requests_run_side_by_side),
        TEST(connections_stay_within_their_bound),
        TEST(the_deadline_holds_for_those_that_wait),
        TEST(a_cancelled_request_is_silent),
        TEST(a_callback_may_cancel_itself_and_others),
        TEST(a_callback_may_submit),
        TEST(a_callback_may_submit_after_a_time_out),
        TEST(what_is_submitted_after_replies_begins_without_a_round_of_the_loop),
        TEST(the_client_may_be_freed_with_requests_on_their_way),
        TEST(header_lines_are_bounded_and_those_of_the_request),
        TEST(children_do_not_inherit_connections),
        TEST(the_environments_proxy_is_used_unless_told_not_to),
    };

    return cmocka_run_group_tests_name("http-client", tests, NULL, NULL);
}
