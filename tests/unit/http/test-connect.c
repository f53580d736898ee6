/* SPDX-License-Identifier: MIT */
/* On which connections a request may begin, and what is remembered of names. A connection counts as
 * found closed for a second, which is long on slow clocks: until the server has closed it. */
#include "connect-fixture.h"
#include "ahead-clock.h"

static void application_that_dies_over_a_message_gets_it_twice_at_most(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(HELD, HELD, HELD, HELD, {.how = REPLY_CLOSE});
    struct outcome o;

    slow_clocks(32);
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

static void application_that_dies_later_gets_it_once(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(HELD, HELD, {.how = REPLY_CLOSE, .is_held = true});
    struct outcome o = {};

    keep_connections(server, 2);
    submit(&o, test_server_url(server), true);
    test_server_run_until_requests(server, event, 3);
    ahead_usec += 2 * USEC_PER_SEC;
    test_server_release(server);
    run_until(event, &o.n_done, 1);
    assert_int_equal(o.failure, HTTP_FAILURE_BROKEN);
    assert_string_equal(o.text, "the connection was closed without an answer");
    assert_int_equal(o.n_begun, 1);
    assert_int_equal(test_server_requests(server), 3);
}

static void kept_connection_found_closed_costs_no_request(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(HELD, HELD, HELD, {.how = REPLY_CLOSE}, {});
    struct outcome o;

    slow_clocks(32);
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

static void request_that_may_take_effect_twice_tries_all_kept_connections(void **state)
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

static void name_after_a_failure_to_connect_is_looked_up_anew(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(application_that_dies_over_a_message_gets_it_twice_at_most),
        TEST(application_that_dies_later_gets_it_once),
        TEST(kept_connection_found_closed_costs_no_request),
        TEST(request_that_may_take_effect_twice_tries_all_kept_connections),
        TEST(name_after_a_failure_to_connect_is_looked_up_anew),
    };

    return cmocka_run_group_tests_name("http-connect", tests, NULL, NULL);
}
