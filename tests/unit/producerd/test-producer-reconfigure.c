/* SPDX-License-Identifier: MIT */
/* The producer after its settings have changed. */
#include "producer-fixture.h"

static void reconfigure(void)
{
    assert_int_equal(producer_reconfigure(producer, NULL), 0);
    run_once();
}

static void fewer_connections_and_messages_of_those_in_flight_none_is_lost(void **state)
{
    for (unsigned i = 0; i < 20; i++)
        add(0);
    config.producer.max_connections = 8;
    start();
    run_once();
    assert_int_equal(fake_n_calls, 8);

    config.producer.max_connections = 2;
    reconfigure();
    assert_int_equal(fake_n_reconfigured, 1);
    for (unsigned i = 0; i < 6; i++)
        acknowledge(i);
    run_once();
    assert_int_equal(fake_n_calls, 8); /* two are in flight still */
    assert_int_equal(fake_n_open(), 2);
    acknowledge(6);
    run_once();
    assert_int_equal(fake_n_calls, 9);

    config.producer.max_connections = 64;
    reconfigure();
    assert_int_equal(fake_n_calls, 20);
    end_source();
    for (unsigned i = 7; i < 20; i++)
        acknowledge(i);
    assert_int_equal(n_sent, 20);
}

/* With one connection and one message in a request, PRODUCER_MESSAGES_PER_SLOT are in memory. */
static void more_in_memory_than_now_allowed_more_are_taken_once_enough_are_settled(void **state)
{
    for (unsigned i = 0; i < 30; i++)
        add(0);
    start();
    run_once();
    assert_int_equal(fake_n_calls, 30);
    for (unsigned i = 0; i < 10; i++)
        fake_fail(i, AWS_ERROR_THROTTLED, "RequestThrottled", "");
    for (unsigned i = 0; i < 20; i++)
        add(0);
    config.producer.max_connections = 1;
    reconfigure();
    for (unsigned i = 10; i < 30; i++)
        acknowledge(i);
    run_once();
    assert_int_equal(n_given, 30); /* 10 wait for a retry */
    ahead_usec = 60 * SEC;
    for (size_t i = 30; i < 60; i++) {
        run_until_calls(i + 1);
        assert_int_equal(fake_n_calls, i + 1); /* one by one */
        acknowledge(i);
    }
    assert_int_equal(n_sent, 50);
}

static void other_batch_size_holds_for_the_next_batch(void **state)
{
    static const char answer[] = "{\"Successful\":[],\"Failed\":[]}";

    for (unsigned i = 0; i < 12; i++)
        add(0);
    config.producer.max_connections = 1;
    start();
    run_once();
    assert_null(strstr(fake_request(0), "Entries"));
    config.producer.batch_size = 10;
    reconfigure();
    assert_int_equal(fake_n_calls, 1);
    acknowledge(0);
    run_once();
    assert_int_equal(fake_n_calls, 2);
    assert_non_null(strstr(fake_request(1), "\"Id\":\"9\""));
    config.producer.batch_size = 1;
    reconfigure();
    fake_answer(1, answer);
}

static void source_that_had_ended_is_asked_again(void **state)
{
    add(0);
    has_ended = true;
    config.producer.max_connections = 2;
    start();
    run_once();
    assert_int_equal(fake_n_calls, 1);
    add(0);
    reconfigure();
    assert_int_equal(fake_n_calls, 2);
    acknowledge(0);
    acknowledge(1);
    assert_int_equal(n_sent, 2);
    assert_true(fake_forget_line("2 sent;"));
    assert_int_equal(producer_reconfigure(producer, NULL), 0); /* has ended: nothing is changed */
    assert_int_equal(fake_n_reconfigured, 1);
}

static void queue_not_open_yet_its_opening_uses_the_new_settings(void **state)
{
    for (unsigned i = 0; i < 20; i++)
        add(0);
    assert_int_equal(service_new(&service), 0);
    assert_int_equal(producer_new(service, &config, &producer, NULL), 0);
    config.producer.max_connections = 3;
    reconfigure();
    assert_int_equal(fake_n_calls, 0);
    fake_open();
    run_once();
    assert_int_equal(fake_n_calls, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fewer_connections_and_messages_of_those_in_flight_none_is_lost),
        TEST(more_in_memory_than_now_allowed_more_are_taken_once_enough_are_settled),
        TEST(other_batch_size_holds_for_the_next_batch),
        TEST(source_that_had_ended_is_asked_again),
        TEST(queue_not_open_yet_its_opening_uses_the_new_settings),
    };

    return cmocka_run_group_tests_name("producerd-producer-reconfigure", tests, NULL, NULL);
}
