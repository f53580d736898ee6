/* SPDX-License-Identifier: MIT */
/* Requests to Unix sockets. */
#include "http/client.h"
#include "ahead-clock.h"
#include "test-loop.h"
#include "test-server.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static sd_event *event;
static struct http_client *client;
static char folder[32], paths[2][64];

struct outcome {
    unsigned n_done;
    enum http_failure failure;
    int status;
    char text[512], body[64];
};

static void on_done(void *userdata, const struct http_reply *reply)
{
    struct outcome *o = userdata;

    o->n_done++;
    o->failure = reply->failure;
    o->status = reply->status;
    snprintf(o->text, sizeof(o->text), "%s", reply->failure_text);
    snprintf(o->body, sizeof(o->body), "%.60s", reply->body);
}

static struct http_client *new_client(uint64_t connect_timeout_usec)
{
    struct http_client *ret;

    assert_int_equal(http_client_new(event,
                                     &(struct http_client_options){
                                         .user_agent = "test/1",
                                         .connect_timeout_usec = connect_timeout_usec,
                                     },
                                     &ret),
                     0);
    return ret;
}

/* A POST to a path, or by TCP where it is NULL. */
static struct http_slot *submit(const char *path, const char *url, struct outcome *o)
{
    struct http_slot *slot;

    assert_int_equal(http_client_submit(client,
                                        &(struct http_request){
                                            .method = "POST",
                                            .url = url,
                                            .unix_socket = path,
                                            .body = "question",
                                            .body_bytes = 8,
                                            .timeout_usec = 10 * TEST_PATIENCE_USEC,
                                            .reply_max_bytes = 1000,
                                        },
                                        on_done, o, &slot),
                     0);
    return slot;
}

static struct outcome ask(const char *path, const char *url)
{
    struct outcome o = {};

    submit(path, url, &o);
    run_until(event, &o.n_done, 1);
    return o;
}

static struct test_server *serve(const char *path, const char *body)
{
    return test_server_new_unix(&(struct test_reply){.body = body}, 1, path);
}

static void request_goes_to_its_own_socket(void **state)
{
    CLEANUP(test_server_free) struct test_server *first = serve(paths[0], "first");
    CLEANUP(test_server_free) struct test_server *second = serve(paths[1], "second");
    CLEANUP(test_server_free) struct test_server *tcp = TEST_SERVER({.body = "tcp"});
    const char *url = test_server_url(tcp);

    for (unsigned i = 0; i < 5; i++) {
        assert_string_equal(ask(paths[0], url).body, "first");
        assert_string_equal(ask(paths[1], url).body, "second");
        assert_string_equal(ask(NULL, url).body, "tcp");
    }
    assert_int_equal(test_server_requests(first), 5);
    assert_int_equal(test_server_connections(first), 1);
    assert_int_equal(test_server_connections(second), 1);
    assert_int_equal(test_server_connections(tcp), 1);
}

static void url_tells_host_and_path(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = serve(paths[0], "ok");
    char *host;

    assert_int_equal(ask(paths[0], "http://localhost/a/b?c=d").status, 200);
    assert_memory_equal(test_server_head(server, 0), "POST /a/b?c=d HTTP/1.1\r\n", 24);
    host = test_server_header(server, 0, "Host");
    assert_string_equal(host, "localhost");
    free(host);
    assert_string_equal(test_server_body(server, 0), "question");
}

/* The host need not exist: nobody looks it up. */
static void request_uses_no_proxy_and_looks_up_no_name(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = serve(paths[0], "ok");
    CLEANUP(test_server_free) struct test_server *proxy = TEST_SERVER({.body = "proxy"});

    setenv("http_proxy", test_server_url(proxy), 1);
    setenv("all_proxy", test_server_url(proxy), 1);
    assert_string_equal(ask(paths[0], "http://no-such-host.invalid/").body, "ok");
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    assert_int_equal(test_server_requests(proxy), 0);
    assert_int_equal(test_server_requests(server), 1);
}

static void socket_not_served_is_told(void **state)
{
    struct outcome o = ask(paths[0], "http://localhost/");

    assert_int_equal(o.failure, HTTP_FAILURE_CONNECT);
    assert_string_equal(o.text, "cannot connect to the Unix socket: No such file or directory");

    /* A file that was left over. */
    test_server_free(serve(paths[0], "ok"));
    o = ask(paths[0], "http://localhost/");
    assert_int_equal(o.failure, HTTP_FAILURE_CONNECT);
    assert_string_equal(o.text, "cannot connect to the Unix socket: Connection refused");
}

static void path_that_does_not_fit_is_told(void **state)
{
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1] = "/";
    struct outcome o;

    memset(path + 1, 'x', sizeof(path) - 2);
    o = ask(path, "http://localhost/");
    assert_true(o.failure != HTTP_FAILURE_NONE);
    assert_non_null(strstr(o.text, "too long"));
}

/* A listener whose queue takes no more than `backlog` + 1 connections. */
static int listen_with(int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    strcpy(address.sun_path, paths[0]);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, backlog), 0);
    return listener;
}

static void listener_full_is_waited_for(void **state)
{
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    struct outcome outcomes[20] = {};
    unsigned n_done = 0;
    int listener = listen_with(1);
    uint64_t end = boot_clock_usec() + TEST_PATIENCE_USEC;

    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
        submit(paths[0], "http://localhost/", &outcomes[i]);
    run_for(event, 50 * USEC_PER_MSEC);
    while (n_done < ARRAY_SIZE(outcomes)) {
        char request[1024];
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        run_for(event, USEC_PER_MSEC);
        assert_true(boot_clock_usec() < end);
        if (fd >= 0) {
            while (recv(fd, request, sizeof(request), MSG_DONTWAIT) <= 0) {
                assert_true(sd_event_run(event, USEC_PER_MSEC) >= 0);
                assert_true(boot_clock_usec() < end);
            }
            assert_int_equal(write(fd, reply, strlen(reply)), strlen(reply));
            close(fd);
        }
        n_done = 0;
        for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
            n_done += outcomes[i].n_done;
    }
    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
        assert_int_equal(outcomes[i].status, 200);
    close(listener);
}

static void listener_that_stays_full_fails_the_request_in_time(void **state)
{
    struct outcome outcomes[5] = {};
    struct http_slot *slots[5];
    int listener = listen_with(1);

    http_client_free(client);
    client = new_client(2 * TEST_PATIENCE_USEC);
    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
        slots[i] = submit(paths[0], "http://localhost/", &outcomes[i]);
    run_for(event, 20 * USEC_PER_MSEC);
    http_slot_cancel(slots[3]);
    ahead_usec += TEST_PATIENCE_USEC;
    run_for(event, 500 * USEC_PER_MSEC);
    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
        assert_int_equal(outcomes[i].n_done, 0);
    ahead_usec += TEST_PATIENCE_USEC;
    run_until(event, &outcomes[2].n_done, 1);
    run_until(event, &outcomes[4].n_done, 1);
    assert_int_equal(outcomes[4].failure, HTTP_FAILURE_CONNECT);
    assert_string_equal(outcomes[4].text,
                        "cannot connect to the Unix socket: too many connections wait there");
    /* The two that were taken wait for their replies, and the cancelled one is silent. */
    assert_int_equal(outcomes[0].n_done + outcomes[1].n_done + outcomes[3].n_done, 0);
    close(listener);
}

static void deadline_holds_for_requests_that_wait_for_room(void **state)
{
    struct outcome outcomes[3] = {};
    int listener = listen_with(1);
    struct http_slot *slot;

    submit(paths[0], "http://localhost/", &outcomes[0]);
    submit(paths[0], "http://localhost/", &outcomes[1]);
    assert_int_equal(http_client_submit(client,
                                        &(struct http_request){
                                            .method = "POST",
                                            .url = "http://localhost/",
                                            .unix_socket = paths[0],
                                            .timeout_usec = 100 * USEC_PER_MSEC,
                                        },
                                        on_done, &outcomes[2], &slot),
                     0);
    run_until(event, &outcomes[2].n_done, 1);
    assert_int_equal(outcomes[2].failure, HTTP_FAILURE_TIMEOUT);
    assert_string_equal(outcomes[2].text, "timed out connecting");
    close(listener);
}

static int set_up(void **state)
{
    unsetenv("no_proxy");
    unsetenv("NO_PROXY");
    strcpy(folder, "/tmp/http-unix-XXXXXX");
    if (!mkdtemp(folder) || sd_event_new(&event) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        snprintf(paths[i], sizeof(paths[i]), "%s/%zu", folder, i);
    client = new_client(TEST_PATIENCE_USEC);
    return 0;
}

static int tear_down(void **state)
{
    client = http_client_free(client);
    sd_event_unref(event);
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        unlink(paths[i]);
    return rmdir(folder);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(request_goes_to_its_own_socket),
        TEST(url_tells_host_and_path),
        TEST(request_uses_no_proxy_and_looks_up_no_name),
        TEST(socket_not_served_is_told),
        TEST(path_that_does_not_fit_is_told),
        TEST(listener_full_is_waited_for),
        TEST(listener_that_stays_full_fails_the_request_in_time),
        TEST(deadline_holds_for_requests_that_wait_for_room),
    };

    return cmocka_run_group_tests_name("http-client-unix", tests, NULL, NULL);
}
