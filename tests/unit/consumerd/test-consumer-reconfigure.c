/* SPDX-License-Identifier: MIT */
/* The consumer after its settings have changed. */
#include "consumer-fixture.h"

static void reconfigure(void)
{
    assert_int_equal(consumer_reconfigure(consumer, NULL), 0);
    settle_down();
}

static bool poll_asks(const char *text)
{
    return strstr(fake_request(poll_under_way()), text);
}

static void each_setting_holds_for_the_next_receive(void **state)
{
    start(true);
    assert_true(poll_asks("\"MaxNumberOfMessages\":10,\"WaitTimeSeconds\":15,"
                          "\"VisibilityTimeout\":30,"));
    config.consumer.max_messages = 5;
    config.consumer.wait_time_usec = 7 * SEC;
    config.consumer.visibility_timeout_usec = 50 * SEC;
    config.consumer.receive_memory = 32 * MIB;
    reconfigure();
    assert_int_equal(fake_n_reconfigured, 1);
    assert_int_equal(fake_reply_memory_bytes, 16 * MIB);
    assert_int_equal(fake_n_open(), 1); /* the receive under way goes on */
    assert_true(poll_asks("\"MaxNumberOfMessages\":10,"));
    deliver("a", "a");
    assert_true(poll_asks("\"MaxNumberOfMessages\":5,\"WaitTimeSeconds\":7,"
                          "\"VisibilityTimeout\":50,"));
    assert_int_equal(fake_n_lines, 0);
}

static void wait_that_the_settings_cut_is_told_once(void **state)
{
    start(true);
    config.consumer.stop_timeout_usec = 10 * SEC;
    reconfigure();
    reconfigure();
    assert_int_equal(fake_count_lines("Receives wait 5 s instead of the 15 s"), 1);
    config.consumer.wait_time_usec = 20 * SEC;
    reconfigure();
    assert_int_equal(fake_count_lines("Receives wait 5 s instead of the 20 s"), 1);
}

static void less_concurrency_than_is_in_flight_does_no_harm(void **state)
{
    start(true);
    deliver("abcdefgh", "a");
    assert_int_equal(n_running(), 8);
    config.consumer.concurrency = 1;
    reconfigure();
    assert_int_equal(n_running(), 8);
    deliver("ij", "b"); /* that receive was under way */
    assert_int_equal(n_runs, 8);
    assert_int_equal(poll_under_way(), SIZE_MAX);
    config.consumer.concurrency = 20;
    reconfigure();
    assert_int_equal(n_running(), 10);
    assert_int_not_equal(poll_under_way(), SIZE_MAX);
}

static void fewer_empty_receives_than_there_were_end_the_work(void **state)
{
    start(true);
    for (unsigned i = 0; i < 3; i++) {
        fake_answer(poll_under_way(), "{}");
        settle_down();
    }
    config.consumer.exit_after_empty_receives = 5;
    reconfigure();
    fake_answer(poll_under_way(), "{}");
    settle_down();
    assert_int_not_equal(poll_under_way(), SIZE_MAX);
    config.consumer.exit_after_empty_receives = 4;
    assert_int_equal(consumer_reconfigure(consumer, NULL), 0);
    fake_answer(poll_under_way(), "{}");
    assert_int_equal(service_run(service), EXIT_SUCCESS);
    assert_int_equal(consumer_reconfigure(consumer, NULL), 0); /* over: nothing changes */
    assert_int_equal(fake_n_reconfigured, 2);
}

static void queue_not_open_yet_its_opening_uses_the_new_settings(void **state)
{
    static const struct handler_ops ops = {fake_run, fake_cancel, fake_abandon, fake_handler_free};
    static struct handler handler = {.ops = &ops};

    assert_int_equal(service_new(&service), 0);
    assert_int_equal(consumer_new(service, &config, &handler, &consumer, NULL), 0);
    config.consumer.max_messages = 2;
    reconfigure();
    assert_int_equal(fake_n_calls, 0);
    fake_open();
    settle_down();
    assert_true(poll_asks("\"MaxNumberOfMessages\":2,"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_setting_holds_for_the_next_receive),
        TEST(wait_that_the_settings_cut_is_told_once),
        TEST(less_concurrency_than_is_in_flight_does_no_harm),
        TEST(fewer_empty_receives_than_there_were_end_the_work),
        TEST(queue_not_open_yet_its_opening_uses_the_new_settings),
    };

    return cmocka_run_group_tests_name("consumerd-consumer-reconfigure", tests, NULL, NULL);
}
