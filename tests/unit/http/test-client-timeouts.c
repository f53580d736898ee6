/* SPDX-License-Identifier: MIT */
/* The HTTP client's deadlines and connect time-out. */
#include "client-fixture.h"

/* Longer than any test; the clocks are put forward. */
enum { LONG_SEC = 120 };

/* Submits it, and lets its time pass once the server has so many requests. */
static void ask_until_its_time_is_over(struct http_client *client,
                                       const struct http_request *request, struct outcome *o,
                                       struct test_server *server, unsigned n_requests)
{
    unsigned n_done = o->n_done;

    submit(client, request, o);
    test_server_run_until_requests(server, event, n_requests);
    passed_sec += LONG_SEC / 2;
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(o->n_done, n_done);
    passed_sec += LONG_SEC / 2;
    run_until(event, &o->n_done, n_done + 1);
    assert_int_equal(o->failure, HTTP_FAILURE_TIMEOUT);
}

static void deadline_of_a_later_request_may_be_earlier(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "ok"}, {.how = REPLY_STALL}, {.body = "ok"},
                                             {.body = "ok", .is_held = true});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    struct outcome o = {};

    request.timeout_usec = 10 * LONG_SEC * USEC_PER_SEC;
    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    request.timeout_usec = LONG_SEC * USEC_PER_SEC;
    ask_until_its_time_is_over(client, &request, &o, server, 2);
    request.timeout_usec = 2 * LONG_SEC * USEC_PER_SEC;
    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    /* That deadline comes while the next request is under way. */
    request.timeout_usec = 10 * LONG_SEC * USEC_PER_SEC;
    submit(client, &request, &o);
    test_server_run_until_requests(server, event, 4);
    passed_sec += 3 * LONG_SEC;
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(o.n_done, 3);
    test_server_release(server);
    run_until(event, &o.n_done, 4);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
}

static void deadline_ends_a_request_and_its_connection(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.body = "ok"}, {.how = REPLY_STALL}, {.body = "ok"},
                    {.body = "long", .how = REPLY_STALL_BODY},
                    {.filler_bytes = 100000, .how = REPLY_DRIP}, {.body = "ok"});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server)), hurried = request;
    struct outcome o = {};

    hurried.timeout_usec = LONG_SEC * USEC_PER_SEC;
    ask(client, &request, &o);
    assert_int_equal(test_server_connections(server), 1);

    ask_until_its_time_is_over(client, &hurried, &o, server, 2);
    assert_non_null(strstr(o.text, "timed out waiting for the reply (not done in "));
    assert_int_equal(test_server_connections(server), 1);

    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(test_server_connections(server), 2);

    for (int i = 0; i < 2; i++) {
        ask_until_its_time_is_over(client, &hurried, &o, server, 4 + (unsigned)i);
        assert_int_equal(o.status, 0);
        assert_int_equal(o.body_bytes, 0);
    }

    /* No deadline, and none left over from before. */
    hurried.timeout_usec = USEC_INFINITY;
    ask(client, &hurried, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(o.n_done, 6);
}

static void reply_slow_within_its_time_is_whole(void **state)
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
static void connect_timeout_is_kept(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[4];
    struct http_client *client;
    struct http_request request;
    struct outcome o = {}, sooner = {};
    char url[64];

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
                                         .connect_timeout_usec = 2 * LONG_SEC * USEC_PER_SEC,
                                     },
                                     &client),
                     0);
    request.timeout_usec = 10 * LONG_SEC * USEC_PER_SEC;
    submit(client, &request, &o);
    request.timeout_usec = LONG_SEC * USEC_PER_SEC;
    submit(client, &request, &sooner);
    run_for(event, 20 * USEC_PER_MSEC);
    passed_sec += LONG_SEC;
    run_until(event, &sooner.n_done, 1);
    assert_int_equal(sooner.failure, HTTP_FAILURE_TIMEOUT);
    assert_string_equal(sooner.text, "timed out connecting");
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(o.n_done, 0);
    passed_sec += LONG_SEC;
    run_until(event, &o.n_done, 1);
    assert_int_equal(o.failure, HTTP_FAILURE_TIMEOUT);
    assert_true(strlen(o.text) > 5);

    http_client_free(client);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        close(fds[i]);
    close(listener);
}

static void deadline_holds_for_requests_that_wait(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "ok"}, {.how = REPLY_STALL}, {.body = "ok"});
    CLEANUP(http_client_free) struct http_client *client = new_client(1);
    struct http_request request = post(test_server_url(server));
    struct outcome warm_up = {}, first = {}, second = {}, third = {};

    ask(client, &request, &warm_up);
    submit(client, &request, &first);
    test_server_run_until_requests(server, event, 2);
    request.timeout_usec = 50 * USEC_PER_MSEC;
    submit(client, &request, &second);
    request.timeout_usec = TEST_PATIENCE_USEC;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(deadline_of_a_later_request_may_be_earlier),
        TEST(deadline_ends_a_request_and_its_connection),
        TEST(reply_slow_within_its_time_is_whole),
        TEST(connect_timeout_is_kept),
        TEST(deadline_holds_for_requests_that_wait),
    };

    return cmocka_run_group_tests_name("http-client-timeouts", tests, NULL, NULL);
}
