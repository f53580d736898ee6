/* SPDX-License-Identifier: MIT */
/* Connecting, what is remembered of it, and on which connections a request may begin. */
#include "http/client.h"
#include "ahead-clock.h"
#include "test-loop.h"
#include "test-server.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HOST_OF_TEST "queue.test"

static sd_event *event;
static struct http_client *client;

/* What HOST_OF_TEST is: in look-up 1, in look-up 2, and in all after that; in their order. */
static const char *addresses[3][2];
static atomic_uint n_look_ups;

static int socket_error; /* what opening a socket comes to; 0: it is opened */

int socket(int domain, int type, int protocol)
{
    if (socket_error == 0)
        return (int)syscall(SYS_socket, domain, type, protocol);
    errno = socket_error;
    return -1;
}

/* libcurl's calls come to this, for a program's symbols go before those of its libraries. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        dlsym(RTLD_NEXT, "getaddrinfo");
    const char *const *found;
    struct addrinfo *more = NULL;
    int r;

    if (!host || !streq(host, HOST_OF_TEST))
        return next(host, service, hints, ret);
    found = addresses[MIN(n_look_ups, 2U)];
    n_look_ups++;
    r = next(found[0], service, hints, ret);
    if (r == 0 && found[1] && next(found[1], service, hints, &more) == 0) {
        struct addrinfo *last = *ret;

        while (last->ai_next)
            last = last->ai_next;
        last->ai_next = more;
    }
    return r;
}

struct outcome {
    unsigned n_done, n_begun;
    enum http_failure failure;
    enum http_phase phase;
    int status;
    char text[512];
};

static void on_done(void *userdata, const struct http_reply *reply)
{
    struct outcome *o = userdata;

    o->n_done++;
    o->n_begun = reply->n_begun;
    o->failure = reply->failure;
    o->phase = reply->phase;
    o->status = reply->status;
    snprintf(o->text, sizeof(o->text), "%s", reply->failure_text);
}

static void new_client(uint64_t connect_timeout_usec)
{
    http_client_free(client);
    assert_int_equal(http_client_new(event,
                                     &(struct http_client_options){
                                         .user_agent = "test",
                                         .connect_timeout_usec = connect_timeout_usec,
                                     },
                                     &client),
                     0);
}

static int set_up(void **state)
{
    assert_int_equal(sd_event_new(&event), 0);
    new_client(10 * USEC_PER_SEC);
    n_look_ups = 0;
    memset(addresses, 0, sizeof(addresses));
    return 0;
}

static int tear_down(void **state)
{
    client = http_client_free(client);
    event = sd_event_unref(event);
    unsetenv("https_proxy");
    return 0;
}

static void submit(struct outcome *o, const char *url, bool send_once)
{
    struct http_slot *slot;

    assert_int_equal(http_client_submit(client,
                                        &(struct http_request){
                                            .method = "POST",
                                            .url = url,
                                            .body = "x",
                                            .body_bytes = 1,
                                            .timeout_usec = 60 * USEC_PER_SEC,
                                            .reply_max_bytes = 1000,
                                            .send_once = send_once,
                                        },
                                        on_done, o, &slot),
                     0);
}

static struct outcome ask(const char *url, bool send_once)
{
    struct outcome o = {};

    submit(&o, url, send_once);
    run_until(event, &o.n_done, 1);
    return o;
}

/* Leaves so many connections to the server idle; its first so many replies are held. */
static void keep_connections(struct test_server *server, unsigned n)
{
    struct outcome outcomes[8] = {};

    for (unsigned i = 0; i < n; i++)
        submit(&outcomes[i], test_server_url(server), true);
    test_server_run_until_requests(server, event, n);
    for (unsigned i = 0; i < n; i++)
        test_server_release(server);
    for (unsigned i = 0; i < n; i++) {
        run_until(event, &outcomes[i].n_done, 1);
        assert_int_equal(outcomes[i].failure, HTTP_FAILURE_NONE);
    }
    assert_int_equal(test_server_connections(server), n);
}

#define HELD                                                                                       \
    {                                                                                              \
        .is_held = true                                                                            \
    }

static void an_application_that_dies_over_a_message_gets_it_twice_at_most(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(HELD, HELD, HELD, HELD, {.how = REPLY_CLOSE});
    struct outcome o;

    keep_connections(server, 4);
    o = ask(test_server_url(server), true);
    assert_int_equal(o.failure, HTTP_FAILURE_BROKEN);
    assert_true(strlen(o.text) > 5);
    assert_int_equal(test_server_requests(server), 4 + 2);
    assert_int_equal(test_server_connections(server), 4 + 1);

    /* And over a new connection once. */
    new_client(10 * USEC_PER_SEC);
    o = ask(test_server_url(server), true);
    assert_int_equal(o.failure, HTTP_FAILURE_BROKEN);
    assert_int_equal(test_server_requests(server), 4 + 2 + 1);
}

static void an_application_that_dies_later_gets_it_once(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(HELD, HELD, {.how = REPLY_CLOSE, .delay_msec = 1300});
    struct outcome o;

    keep_connections(server, 2);
    o = ask(test_server_url(server), true);
    assert_int_equal(o.failure, HTTP_FAILURE_BROKEN);
    assert_string_equal(o.text, "the connection was closed without an answer");
    assert_int_equal(o.n_begun, 1);
    assert_int_equal(test_server_requests(server), 3);
}

static void a_kept_connection_found_closed_costs_no_request(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(HELD, HELD, HELD, {.how = REPLY_CLOSE}, {});
    struct outcome o;

    keep_connections(server, 3);
    o = ask(test_server_url(server), true);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(o.status, 200);
    assert_int_equal(o.n_begun, 2);
    assert_int_equal(test_server_requests(server), 5);
    /* The others stay in use. */
    o = ask(test_server_url(server), true);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(test_server_connections(server), 4);
}

static void what_may_take_effect_twice_tries_all_kept_connections(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER(HELD, HELD, {.how = REPLY_CLOSE}, {.how = REPLY_CLOSE}, {});
    struct outcome o;

    keep_connections(server, 2);
    o = ask(test_server_url(server), false);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(o.n_begun, 3);
}

/* --- Silent addresses --- */

/* A listener whose queue is full leaves further connections unanswered. */
struct silence {
    int listener, fds[4], port;
};

static void be_silent(struct silence *s, const char *at, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof(address);

    assert_int_equal(inet_pton(AF_INET, at, &address.sin_addr), 1);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(listen(s->listener, 0), 0);
    for (size_t i = 0; i < ARRAY_SIZE(s->fds); i++) {
        s->fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(s->fds[i], (struct sockaddr *)&address, size);
    }
    s->port = ntohs(address.sin_port);
}

static void end_silence(struct silence *s)
{
    for (size_t i = 0; i < ARRAY_SIZE(s->fds); i++)
        close(s->fds[i]);
    close(s->listener);
}

static void the_next_address_is_tried_while_the_first_is_silent(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.body = "ok"});
    struct silence silence;
    struct outcome o;
    char url[64];

    be_silent(&silence, "127.0.0.3", test_server_port(server));
    addresses[0][0] = "127.0.0.3";
    addresses[0][1] = "127.0.0.1";
    new_client(2 * USEC_PER_SEC);
    snprintf(url, sizeof(url), "http://" HOST_OF_TEST ":%d/", test_server_port(server));
    o = ask(url, true);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(o.n_begun, 1);
    end_silence(&silence);
}

/* A request that connects to an address that is silent, for so long. */
static struct outcome ask_for(const char *url, uint64_t usec)
{
    unsigned n_before = n_look_ups;
    struct outcome o = {};

    submit(&o, url, false);
    for (int i = 0; i < 1000 && n_look_ups == n_before; i++)
        run_for(event, 10 * USEC_PER_MSEC);
    run_for(event, 50 * USEC_PER_MSEC);
    assert_int_equal(o.n_done, 0);
    ahead_usec += usec;
    run_until(event, &o.n_done, 1);
    return o;
}

static void the_time_for_connecting_grows_to_a_minute(void **state)
{
    struct silence silence;
    struct outcome o;
    char url[64];

    be_silent(&silence, "127.0.0.3", 0);
    addresses[0][0] = "127.0.0.3";
    snprintf(url, sizeof(url), "http://" HOST_OF_TEST ":%d/", silence.port);
    new_client(40 * USEC_PER_SEC);
    o = ask_for(url, 41 * USEC_PER_SEC);
    assert_string_equal(o.text, "timed out connecting after 40 s; the next attempt has 60 s");
    end_silence(&silence);
}

/* One time-out, and then a connection: to the second address after the first was silent, or to the
 * one that there is. */
static void time_out_and_connect(const char *url, bool is_slow)
{
    struct outcome o;

    n_look_ups = 0;
    addresses[0][0] = addresses[2][0] = "127.0.0.3";
    addresses[1][0] = is_slow ? "127.0.0.3" : "127.0.0.1";
    addresses[1][1] = is_slow ? "127.0.0.1" : NULL;
    new_client(10 * USEC_PER_SEC);
    o = ask_for(url, 11 * USEC_PER_SEC);
    assert_string_equal(o.text, "timed out connecting after 10 s; the next attempt has 20 s");
    o = is_slow ? ask_for(url, 11 * USEC_PER_SEC) : ask(url, false);
    assert_int_equal(o.failure, HTTP_FAILURE_BROKEN);
}

static void the_time_for_connecting_is_longer_for_as_long_as_it_is_needed(void **state)
{
    for (int is_slow = 0; is_slow < 2; is_slow++) {
        CLEANUP(test_server_free)
        struct test_server *server = TEST_SERVER({.how = REPLY_CLOSE_ALL});
        struct silence silence;
        struct outcome o;
        char url[64];

        be_silent(&silence, "127.0.0.3", test_server_port(server));
        snprintf(url, sizeof(url), "http://" HOST_OF_TEST ":%d/", test_server_port(server));
        time_out_and_connect(url, is_slow);
        o = ask_for(url, 21 * USEC_PER_SEC);
        assert_string_equal(o.text,
                            is_slow ? "timed out connecting after 20 s; the next attempt has 40 s"
                                    : "timed out connecting after 10 s; the next attempt has 20 s");
        end_silence(&silence);
    }
}

/* libcurl names a time at which it wants a turn, and some turns come while connecting; no more. */
static void while_an_address_is_silent_the_loop_rests(void **state)
{
    struct silence silence;
    struct outcome o = {};
    unsigned n_turns = 0;
    uint64_t end;
    char url[64];

    be_silent(&silence, "127.0.0.1", 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", silence.port);
    submit(&o, url, false);
    end = boot_clock_usec() + 400 * USEC_PER_MSEC;
    for (uint64_t now; (now = boot_clock_usec()) < end; n_turns++)
        assert_true(sd_event_run(event, end - now) >= 0);
    assert_int_equal(o.n_done, 0);
    assert_in_range(n_turns, 1, 50);
    client = http_client_free(client);
    end_silence(&silence);
}

static void after_a_time_out_the_next_attempt_has_twice_as_much(void **state)
{
    static const struct {
        uint64_t least_msec;
        const char *text;
    } attempts[] = {{150, "timed out connecting after 0.15 s; the next attempt has 0.3 s"},
                    {300, "timed out connecting after 0.3 s; the next attempt has 0.6 s"},
                    {600, "timed out connecting after 0.6 s; the next attempt has 1.2 s"}};
    struct silence silence;
    struct outcome others[2] = {};
    char url[64];

    be_silent(&silence, "127.0.0.1", 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", silence.port);
    new_client(150 * USEC_PER_MSEC);
    for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
        uint64_t start = boot_clock_usec();
        struct outcome o;

        /* Those that fail beside it do not double it again. */
        if (i == 0)
            for (size_t k = 0; k < ARRAY_SIZE(others); k++)
                submit(&others[k], url, false);
        o = ask(url, false);
        assert_int_equal(o.failure, HTTP_FAILURE_TIMEOUT);
        assert_int_equal(o.phase, HTTP_PHASE_CONNECT);
        assert_int_equal(o.n_begun, 0);
        assert_string_equal(o.text, attempts[i].text);
        assert_true(boot_clock_usec() - start >= (attempts[i].least_msec - 5) * USEC_PER_MSEC);
    }
    end_silence(&silence);
}

static void short_time_out_after_time_outs_in_connecting_is_longer(void **state)
{
    struct silence silence;
    char url[64];

    be_silent(&silence, "127.0.0.1", 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", silence.port);
    for (uint64_t least_msec = 150; least_msec <= 600; least_msec *= 2) {
        uint64_t start = boot_clock_usec();
        struct outcome o = {};
        struct http_slot *slot;

        assert_int_equal(http_client_submit(client,
                                            &(struct http_request){
                                                .method = "GET",
                                                .url = url,
                                                .timeout_usec = 150 * USEC_PER_MSEC,
                                                .timeout_grows = true,
                                                .reply_max_bytes = 1000,
                                            },
                                            on_done, &o, &slot),
                         0);
        run_until(event, &o.n_done, 1);
        assert_int_equal(o.failure, HTTP_FAILURE_TIMEOUT);
        assert_int_equal(o.phase, HTTP_PHASE_CONNECT);
        assert_true(boot_clock_usec() - start >= (least_msec - 5) * USEC_PER_MSEC);
    }
    end_silence(&silence);
}

/* --- Looking up --- */

static void after_a_failure_to_connect_the_name_is_looked_up_anew(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.how = REPLY_AND_CLOSE});
    struct outcome o;
    unsigned before;
    char url[64];

    addresses[0][0] = "127.0.0.2"; /* nobody there */
    addresses[1][0] = addresses[2][0] = "127.0.0.1";
    snprintf(url, sizeof(url), "http://" HOST_OF_TEST ":%d/", test_server_port(server));
    o = ask(url, false);
    assert_int_equal(o.failure, HTTP_FAILURE_CONNECT);
    o = ask(url, false);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(n_look_ups, 2);
    /* That worked: the name is soon known again (libcurl may keep only what the next one finds). */
    ask(url, false);
    before = n_look_ups;
    o = ask(url, false);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(test_server_connections(server), 3);
    assert_int_equal(n_look_ups, before);
}

/* --- What it is called --- */

static void a_shortage_is_told_from_an_address_that_cannot_be_used(void **state)
{
    static const int errors[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS, EAFNOSUPPORT};

    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        struct outcome o;

        socket_error = errors[i];
        o = ask("http://127.0.0.2:1/", false);
        socket_error = 0;
        assert_int_equal(o.n_begun, 0);
        if (errors[i] == EAFNOSUPPORT) {
            assert_int_equal(o.failure, HTTP_FAILURE_CONNECT);
        } else {
            assert_int_equal(o.failure, HTTP_FAILURE_SHORTAGE);
            assert_non_null(strstr(o.text, strerror(errors[i])));
        }
    }
}

/* The resolver, too, needs descriptors, and says nothing of it. */
/* The request goes out on a kept connection, which is closed, and then needs a socket. */
static void kept_connection_closed_then_no_socket_is_a_shortage(void **state)
{
    for (int send_once = 0; send_once <= 1; send_once++) {
        CLEANUP(test_server_free)
        struct test_server *server = TEST_SERVER(HELD, {.how = REPLY_CLOSE});
        struct outcome o;

        new_client(10 * USEC_PER_SEC);
        keep_connections(server, 1);
        socket_error = EMFILE;
        o = ask(test_server_url(server), send_once);
        socket_error = 0;
        assert_int_equal(o.failure, HTTP_FAILURE_SHORTAGE);
        assert_string_equal(o.text, "no socket can be opened: Too many open files (LimitNOFILE of "
                                    "the service)");
        assert_int_equal(o.n_begun, 1);
    }
}

static void no_file_descriptor_is_called_that(void **state)
{
    static const char *const urls[] = {"http://127.0.0.2:1/", "http://" HOST_OF_TEST ":1/"};

    addresses[0][0] = addresses[1][0] = addresses[2][0] = "127.0.0.2";
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        struct rlimit before, none;
        struct outcome o;
        int fd;

        /* The first request opens what libcurl keeps. */
        assert_int_equal(ask(urls[i], false).failure, HTTP_FAILURE_CONNECT);
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = before;
        none.rlim_cur = (rlim_t)fd;
        close(fd);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        o = ask(urls[i], false);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(o.failure, HTTP_FAILURE_SHORTAGE);
        assert_int_equal(o.n_begun, 0);
        assert_string_equal(o.text, "no socket can be opened: Too many open files (LimitNOFILE of "
                                    "the service)");
    }
}

/* Accepts a connection, waits for its first bytes, and answers with `text`, or NULL: a reset. */
static struct outcome ask_answered_by(const char *url, int listener, const char *text)
{
    struct pollfd poll_listener = {.fd = listener, .events = POLLIN};
    struct outcome o = {};
    char bytes[4096];
    int fd;

    submit(&o, url, false);
    while (poll(&poll_listener, 1, 0) == 0)
        assert_true(sd_event_run(event, USEC_PER_MSEC) >= 0);
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0)
        assert_true(sd_event_run(event, USEC_PER_MSEC) >= 0);
    if (text)
        assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    else
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
                   sizeof(struct linger));
    if (!text)
        close(fd);
    run_until(event, &o.n_done, 1);
    if (text)
        close(fd);
    return o;
}

static int listen_at(char *url, size_t size, const char *scheme)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(listen(listener, 8), 0);
    snprintf(url, size, "%s://127.0.0.1:%d", scheme, ntohs(address.sin_port));
    return listener;
}

static void a_handshake_that_fails_is_no_fault_of_the_certificate(void **state)
{
    char url[64];
    int listener = listen_at(url, sizeof(url), "https");
    struct outcome o = ask_answered_by(url, listener, NULL);

    assert_int_equal(o.failure, HTTP_FAILURE_HANDSHAKE);
    assert_true(strlen(o.text) > 5);
    o = ask_answered_by(url, listener, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    assert_int_equal(o.failure, HTTP_FAILURE_HANDSHAKE);
    assert_string_equal(o.text, "the server does not speak TLS on this port: its URL may have to "
                                "begin with http://, not https://");
    close(listener);
}

static void a_proxys_refusal_is_told(void **state)
{
    char proxy[64];
    int listener = listen_at(proxy, sizeof(proxy), "http");
    struct outcome o;

    setenv("https_proxy", proxy, 1);
    new_client(10 * USEC_PER_SEC);
    o = ask_answered_by("https://queue.test/", listener,
                        "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
                        "Content-Length: 0\r\n\r\n");
    assert_int_equal(o.failure, HTTP_FAILURE_PROXY);
    assert_int_equal(o.n_begun, 0);
    assert_string_equal(o.text, "the proxy refuses to connect: it answers 407 to CONNECT (user "
                                "name and password missing or wrong)");
    o = ask_answered_by("https://queue.test/", listener,
                        "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(o.failure, HTTP_FAILURE_PROXY);
    assert_string_equal(o.text, "the proxy refuses to connect: it answers 403 to CONNECT");
    close(listener);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_application_that_dies_over_a_message_gets_it_twice_at_most),
        TEST(an_application_that_dies_later_gets_it_once),
        TEST(a_kept_connection_found_closed_costs_no_request),
        TEST(what_may_take_effect_twice_tries_all_kept_connections),
        TEST(the_next_address_is_tried_while_the_first_is_silent),
        TEST(while_an_address_is_silent_the_loop_rests),
        TEST(the_time_for_connecting_grows_to_a_minute),
        TEST(the_time_for_connecting_is_longer_for_as_long_as_it_is_needed),
        TEST(after_a_time_out_the_next_attempt_has_twice_as_much),
        TEST(short_time_out_after_time_outs_in_connecting_is_longer),
        TEST(after_a_failure_to_connect_the_name_is_looked_up_anew),
        TEST(a_shortage_is_told_from_an_address_that_cannot_be_used),
        TEST(kept_connection_closed_then_no_socket_is_a_shortage),
        TEST(no_file_descriptor_is_called_that),
        TEST(a_handshake_that_fails_is_no_fault_of_the_certificate),
        TEST(a_proxys_refusal_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
