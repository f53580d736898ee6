/* SPDX-License-Identifier: MIT */
/* The HTTP client's deadlines and connect time-out. */
#include "client-fixture.h"

static void deadline_of_a_later_request_may_be_earlier(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "ok"}, {.how = REPLY_STALL}, {.body = "ok"},
                                             {.body = "ok", .delay_msec = 1500});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    static const uint64_t timeouts_usec[] = {10 * USEC_PER_SEC, 200 * USEC_PER_MSEC, USEC_PER_SEC,
                                             10 * USEC_PER_SEC};

    for (size_t i = 0; i < ARRAY_SIZE(timeouts_usec); i++) {
        /* The deadline counts on the loop's clock, which stands still within a turn. */
        uint64_t start = clock_loop_usec(event);
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

static void deadline_ends_a_request_and_its_connection(void **state)
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

    start = clock_loop_usec(event);
    ask(client, &hurried, &o);
    assert_in_range(boot_clock_usec() - start, 60 * USEC_PER_MSEC, 2 * USEC_PER_SEC);
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

static void deadline_holds_for_requests_that_wait(void **state)
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
