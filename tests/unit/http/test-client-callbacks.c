/* SPDX-License-Identifier: MIT */
/* What a caller may do while requests are under way: cancel, submit from a callback, free the
 * client. */
#include "client-fixture.h"

static void request_cancelled_is_silent(void **state)
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

static void callback_may_cancel_itself_and_others(void **state)
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

static void callback_may_submit(void **state)
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

static void callback_may_submit_after_a_time_out(void **state)
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

static void request_submitted_after_replies_begins_without_a_round_of_the_loop(void **state)
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

static void client_may_be_freed_with_requests_on_their_way(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.how = REPLY_STALL});
    struct http_client *client = new_client(5);
    struct http_request request = post(test_server_url(server)),
                        unknown = post("http://" HOST_MISSING "/");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(request_cancelled_is_silent),
        TEST(callback_may_cancel_itself_and_others),
        TEST(callback_may_submit),
        TEST(callback_may_submit_after_a_time_out),
        TEST(request_submitted_after_replies_begins_without_a_round_of_the_loop),
        TEST(client_may_be_freed_with_requests_on_their_way),
    };

    return cmocka_run_group_tests_name("http-client-callbacks", tests, NULL, NULL);
}
