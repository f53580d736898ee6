/* SPDX-License-Identifier: MIT */
/* How connections are kept, looked up, shared and bounded. */
#include "client-fixture.h"

static void connection_serves_ten_requests(void **state)
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

static void connection_closed_meanwhile_is_not_noticed(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "ok", .how = REPLY_AND_CLOSE});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));

    for (unsigned i = 0; i < 60; i++) {
        struct outcome o = {};

        /* With and without time for the end to arrive. */
        if (i % 2)
            run_for(event, 5 * USEC_PER_MSEC);
        ask(client, &request, &o);
        if (o.failure != HTTP_FAILURE_NONE)
            fail_msg("request %u: %s", i, o.text);
        assert_string_equal(o.body, "ok");
    }
    assert_int_equal(test_server_connections(server), 60);
}

static void connection_old_is_not_used_again(void **state)
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

static void connection_idle_for_long_is_not_used_again(void **state)
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

static void name_is_looked_up_again_after_a_while(void **state)
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

static void loop_without_requests_rests(void **state)
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

        request.timeout_usec = (i == 0 ? 20 : 1000) * USEC_PER_SEC;
        ask(client, &request, &o);
        assert_int_equal(o.failure, HTTP_FAILURE_NONE);
        passed_sec += i == 0 ? 21 : 0;
        if (turns_within(i == 0 ? USEC_PER_SEC : 50 * USEC_PER_MSEC) > 10)
            fail_msg("the loop is busy after request %u", i);
    }
    assert_int_equal(test_server_connections(server), 2);
}

/* libcurl closes a socket that is not yet connected without a word, and the next one gets its
 * number. */
static void socket_number_may_come_again_at_any_moment(void **state)
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

static void requests_by_the_hundred_run_side_by_side(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "ok", .is_held = true});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    struct outcome outcomes[100] = {};

    n_all_done = 0;
    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
        submit(client, &request, &outcomes[i]);
    test_server_run_until_requests(server, event, 100);
    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
        test_server_release(server);
    run_until(event, &n_all_done, 100);
    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++) {
        assert_int_equal(outcomes[i].n_done, 1);
        assert_string_equal(outcomes[i].body, "ok");
    }
    assert_int_equal(test_server_connections_most(server), 100);
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

static void children_do_not_inherit_connections(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.body = "ok"});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    struct outcome o = {};

    ask(client, &request, &o);
    assert_false(has_inheritable_socket_to(test_server_port(server)));
}

static void proxy_of_the_environment_is_used_unless_told_not_to(void **state)
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
        http_client_free(client);
    }

    /* An empty variable counts as not set. */
    snprintf(entry, sizeof(entry), "127.0.0.1:%d", test_server_port(server));
    setenv("no_proxy", "", 1);
    setenv("NO_PROXY", entry, 1);
    client = new_client(0);
    ask(client, &request, &o);
    assert_string_equal(o.body, "server");
    unsetenv("no_proxy");
    unsetenv("NO_PROXY");
    unsetenv("http_proxy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connection_serves_ten_requests),
        TEST(connection_closed_meanwhile_is_not_noticed),
        TEST(connection_old_is_not_used_again),
        TEST(connection_idle_for_long_is_not_used_again),
        TEST(name_is_looked_up_again_after_a_while),
        TEST(loop_without_requests_rests),
        TEST(socket_number_may_come_again_at_any_moment),
        TEST(requests_by_the_hundred_run_side_by_side),
        TEST(connections_stay_within_their_bound),
        TEST(children_do_not_inherit_connections),
        TEST(proxy_of_the_environment_is_used_unless_told_not_to),
    };

    return cmocka_run_group_tests_name("http-client-connections", tests, NULL, NULL);
}
