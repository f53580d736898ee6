/* SPDX-License-Identifier: MIT */
#include "consumer-fixture.h"

static void busy_group_leaves_free_slots_to_others(void **state)
{
    start(true);
    deliver("aaaaaaaaaa", "a");
    assert_string_equal(begun(), "a");
    deliver("bcc", "b");
    assert_string_equal(begun(), "abc");
    assert_int_not_equal(poll_under_way(), SIZE_MAX);
}

static void groups_as_deep_as_can_be_get_all_places_and_no_more(void **state)
{
    start(true);
    for (const char *group = "abcdefghij"; *group; group++) {
        char groups[11] = "", prefix[2] = {*group};

        memset(groups, *group, 10);
        deliver(groups, prefix);
    }
    assert_string_equal(begun(), "abcdefghij");
    assert_int_equal(n_running(), 10);
    /* All slots are taken, and 100 messages are in flight. */
    assert_int_equal(poll_under_way(), SIZE_MAX);
}

static void messages_in_flight_are_bounded(void **state)
{
    config.consumer.concurrency = 2;
    config.consumer.max_messages = 3;
    start(true);
    deliver("aaa", "a");
    assert_non_null(strstr(fake_request(poll_under_way()), "\"MaxNumberOfMessages\":3,"));
    deliver("aab", "b"); /* SQS gives no more of a busy group, but who knows */
    assert_string_equal(begun(), "ab");
    assert_int_equal(poll_under_way(), SIZE_MAX);
}

static void message_that_may_be_begun_takes_its_slot(void **state)
{
    config.consumer.concurrency = 2;
    start(true);
    deliver("aabbccdd", "a");
    assert_string_equal(begun(), "ab");
    assert_int_equal(poll_under_way(), SIZE_MAX);
}

static void standard_queue_messages_in_flight_are_those_handled(void **state)
{
    start(false);
    deliver("aaaaaaa", "a");
    assert_string_equal(begun(), "aaaaaaa");
    assert_non_null(strstr(fake_request(poll_under_way()), "\"MaxNumberOfMessages\":3,"));
    deliver("aaa", "b");
    assert_int_equal(poll_under_way(), SIZE_MAX);
}

static void messages_of_a_reply_are_begun_without_a_round_of_the_loop(void **state)
{
    start(false);
    fake_replied(); /* to something else */
    assert_int_equal(fake_n_calls, 1);

    fake_deliver(poll_under_way(), "aa", "a");
    assert_string_equal(begun(), "");
    assert_int_equal(fake_n_open(), 0);
    fake_replied();
    assert_string_equal(begun(), "aa");
    assert_int_not_equal(poll_under_way(), SIZE_MAX);

    runs[0].is_running = false;
    runs[0].done(runs[0].userdata, HANDLER_DONE, 0);
    fake_replied(); /* to something else again */
    assert_int_equal(fake_n_open(), 2);
    settle_down();
    assert_int_equal(fake_n_open(), 2);
}

static void message_handled_at_once_needs_no_second_round(void **state)
{
    is_done_at_once = true;
    start(true);
    fake_deliver(poll_under_way(), "ab", "a");
    fake_replied();
    assert_string_equal(begun(), "ab");
    assert_int_equal(sd_event_run(service_event(service), 0), 0);
    /* The deletes, in one request, and the next receive. */
    assert_int_equal(fake_n_open(), 2);
}

static void consumer_that_has_ended_begins_nothing(void **state)
{
    config.consumer.exit_after_empty_receives = 1;
    start(true);
    fake_deliver(poll_under_way(), "", "a");
    fake_replied();
    fake_replied();
    assert_int_equal(fake_n_open(), 0);
    assert_int_equal(fake_n_calls, 1);
}

static unsigned asked_for(void)
{
    const char *text = strstr(fake_request(poll_under_way()), "\"MaxNumberOfMessages\":");

    return (unsigned)strtoul(text + strlen("\"MaxNumberOfMessages\":"), NULL, 10);
}

static void bytes_in_flight_are_bounded(void **state)
{
    size_t delete;

    start(true);
    fake_reply_bytes = 24 * MIB;
    deliver("ab", "a");
    /* 40 MiB are left for messages of 12. */
    assert_int_equal(asked_for(), 3);
    fake_reply_bytes = 20 * MIB;
    deliver("c", "c");
    assert_int_equal(asked_for(), 1);
    deliver("d", "d");
    assert_string_equal(begun(), "abcd");
    assert_int_equal(poll_under_way(), SIZE_MAX);
    assert_int_equal(fake_held_bytes, 64 * MIB);
    assert_null(service_find_stall(service));
    runs[3].is_running = false;
    runs[3].done(runs[3].userdata, HANDLER_DONE, 0);
    settle_down();
    assert_int_equal(poll_under_way(), SIZE_MAX);
    delete = fake_n_calls - 1;
    assert_int_equal(fake_calls[delete].request->operation, SQS_DELETE_MESSAGE);
    fake_answer(delete, "{}");
    settle_down();
    assert_int_equal(asked_for(), 1);
    assert_int_equal(fake_held_bytes, 44 * MIB);
}

static void message_larger_than_the_memory_is_received_alone(void **state)
{
    start(true);
    is_done_at_once = true;
    fake_reply_bytes = 200 * MIB;
    deliver("a", "a");
    assert_int_equal(poll_under_way(), SIZE_MAX);
    fake_answer(fake_n_calls - 1, "{}");
    settle_down();
    assert_int_equal(asked_for(), 1);
}

static void message_whose_attributes_have_another_md5_is_handled_with_one_line(void **state)
{
    start(true);
    fake_answer(poll_under_way(),
                "{\"Messages\":["
                "{\"MessageId\":\"m0\",\"ReceiptHandle\":\"h0\",\"Body\":\"x\","
                "\"Attributes\":{\"MessageGroupId\":\"a\"},"
                "\"MessageAttributes\":{\"n\":{\"DataType\":\"String\",\"StringValue\":\"v\"}},"
                "\"MD5OfMessageAttributes\":\"00000000000000000000000000000000\"},"
                "{\"MessageId\":\"m1\",\"ReceiptHandle\":\"h1\",\"Body\":\"x\","
                "\"Attributes\":{\"MessageGroupId\":\"b\"},"
                "\"MessageAttributes\":{\"n\":{\"DataType\":\"String\",\"StringValue\":\"v\"}},"
                "\"MD5OfMessageAttributes\":\"00000000000000000000000000000000\"},"
                "{\"MessageId\":\"m2\",\"ReceiptHandle\":\"h2\",\"Body\":\"x\","
                "\"Attributes\":{\"MessageGroupId\":\"c\"}}]}");
    settle_down();
    assert_string_equal(begun(), "abc");
    assert_int_equal(fake_count_lines("The attributes of message m0 may be damaged"), 1);
    assert_int_equal(fake_count_lines("may be damaged: their MD5"), 1);
}

/* The queue only seems to be empty. */
static void message_that_waits_for_its_retry_keeps_empty_receives_from_counting(void **state)
{
    size_t release;

    config.consumer.exit_after_empty_receives = 2;
    config.consumer.retry_delay_usec = config.consumer.retry_delay_max_usec = 5 * SEC;
    start(true);
    deliver("a", "a");
    runs[0].is_running = false;
    runs[0].done(runs[0].userdata, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    settle_down();
    release = fake_n_calls - 1;
    assert_int_equal(fake_calls[release].request->operation, SQS_CHANGE_MESSAGE_VISIBILITY_BATCH);
    fake_answer(release, "{\"Successful\":[{\"Id\":\"0\"}]}");
    settle_down();
    for (int i = 0; i < 3; i++)
        deliver("", "b");
    fake_now_usec += 5 * SEC;
    deliver("", "b"); /* began before */
    deliver("", "b");
    assert_int_not_equal(poll_under_way(), SIZE_MAX);
    deliver("", "b");
    assert_int_equal(poll_under_way(), SIZE_MAX);
    assert_int_equal(sd_event_get_state(service_event(service)), SD_EVENT_FINISHED);
}

static void lost_reply_keeps_empty_receives_from_counting(void **state)
{
    config.consumer.exit_after_empty_receives = 1;
    start(false);
    assert_true(fake_retry(poll_under_way(), AWS_ERROR_TRANSIENT, ""));
    deliver("", "a");
    fake_now_usec += 45 * SEC - 1; /* the wait, and the queue's visibility timeout */
    deliver("", "a");
    deliver("", "a"); /* began too early, too */
    fake_now_usec += 1;
    deliver("", "a");
    assert_int_not_equal(poll_under_way(), SIZE_MAX);
    deliver("", "a");
    assert_int_equal(poll_under_way(), SIZE_MAX);
}

/* Has it look again at a time, by a poll's empty answer. */
static void look_at(uint64_t usec)
{
    fake_now_usec = usec;
    deliver("", "none");
}

static size_t n_extensions(void)
{
    size_t n = 0;

    for (size_t i = 0; i < fake_n_calls; i++)
        n += fake_calls[i].request->operation == SQS_CHANGE_MESSAGE_VISIBILITY_BATCH;
    return n;
}

/* At SQS a lease may begin as soon as the request has gone out: of its 30 s, 18 are left when a
 * long poll brings the message after 12, and half of them are over after 21. */
static void assert_lease_counts_from(uint64_t sent_usec)
{
    fake_now_usec = sent_usec + 12 * SEC;
    deliver("a", "a");
    assert_string_equal(begun(), "a");
    look_at(sent_usec + 21 * SEC - 1);
    assert_int_equal(n_extensions(), 0);
    look_at(sent_usec + 21 * SEC);
    assert_int_equal(n_extensions(), 1);
}

static void lease_counts_from_before_its_receive_went_out(void **state)
{
    start(true);
    assert_lease_counts_from(fake_now_usec);
}

static void lease_counts_from_the_attempt_that_brought_it(void **state)
{
    start(true);
    fake_now_usec += 5 * SEC;
    assert_true(fake_retry(poll_under_way(), AWS_ERROR_TRANSIENT, "NetworkFailure"));
    assert_lease_counts_from(fake_now_usec);
}

/* Whether the receive under way asks for that. */
static bool asks_for(const char *name, unsigned value)
{
    char text[64];

    snprintf(text, sizeof(text), "\"%s\":%u,", name, value);
    return strstr(fake_request(poll_under_way()), text);
}

static void visibility_timeout_that_was_lowered_is_kept_to(void **state)
{
    fake_attributes.visibility_timeout_sec = 60;
    start(true);
    assert_true(asks_for("VisibilityTimeout", 60) && asks_for("WaitTimeSeconds", 15));
    fake_attributes.visibility_timeout_sec = 10;
    fake_refreshed();
    assert_int_equal(fake_count_lines("leased for 10 s now, before for 60 s"), 1);
    /* What is under way brings messages for as long as it has asked for. */
    fake_now_usec += 12 * SEC;
    deliver("a", "m");
    assert_string_equal(begun(), "a");
    assert_true(asks_for("VisibilityTimeout", 10) && asks_for("WaitTimeSeconds", 5));
    fake_refreshed();
    assert_int_equal(fake_count_lines("leased for"), 1);
}

static void visibility_timeout_that_is_set_is_not_the_queues(void **state)
{
    config.consumer.visibility_timeout_usec = 40 * SEC;
    start(true);
    fake_attributes.visibility_timeout_sec = 10;
    fake_refreshed();
    deliver("a", "m");
    assert_true(asks_for("VisibilityTimeout", 40));
}

static void memory_shortage_is_waited_out(void **state)
{
    fake_call_error = -ENOMEM;
    start(true);
    settle_down();
    assert_int_equal(fake_n_calls, 0);
    assert_int_equal(fake_n_lines, 1);
    assert_non_null(strstr(fake_lines[0], "Cannot receive at the moment, trying again"));
    fake_call_error = 0;
    pass(SEC / 2);
    assert_int_equal(fake_n_calls, 0);
    pass(SEC);
    assert_int_equal(fake_n_calls, 1);
    deliver("ab", "a");
    assert_string_equal(begun(), "ab");
    assert_int_equal(fake_n_lines, 1);
}

static void watchdog_finds_no_stall_idle_or_busy(void **state)
{
    static const struct handler_ops ops = {fake_run, fake_cancel, fake_abandon, fake_handler_free};
    static struct handler handler = {&ops};

    config.consumer.concurrency = 2;
    config.consumer.start_delay_usec = 100 * USEC_PER_MSEC;
    assert_int_equal(service_new(&service), 0);
    assert_int_equal(consumer_new(service, &config, &handler, &consumer, NULL), 0);
    assert_null(service_find_stall(service)); /* the queue is being opened */
    fake_open();
    assert_null(service_find_stall(service));
    settle_down();
    assert_int_equal(fake_n_calls, 0);
    assert_null(service_find_stall(service)); /* waits for the start */
    pass(150 * USEC_PER_MSEC);
    assert_int_equal(fake_n_open(), 1);
    assert_null(service_find_stall(service)); /* receives */
    deliver("", "a");
    assert_null(service_find_stall(service));
    deliver("abab", "a");
    assert_int_equal(n_running(), 2);
    assert_int_equal(fake_n_open(), 0);
    assert_null(service_find_stall(service)); /* handles, and waits to keep the leases */
    fake_hangs = "the queue's";
    assert_string_equal(service_find_stall(service), "the queue's");
}

/* --- What is told of the work as a whole --- */

static void start_logs_queue_handler_and_keys(void **state)
{
    static const struct handler_ops ops = {fake_run, fake_cancel, fake_abandon, fake_handler_free};
    static struct handler handler = {&ops, "/bin/true"};

    config.consumer.handler = CONFIG_HANDLER_EXEC;
    fake_is_fifo = false;
    assert_int_equal(service_new(&service), 0);
    assert_int_equal(consumer_new(service, &config, &handler, &consumer, NULL), 0);
    assert_int_equal(fake_n_lines, 0); /* before the queue has answered, no keys are known to do */
    fake_open();
    assert_int_equal(fake_n_lines, 1);
    assert_string_equal(fake_lines[0], "Version " PROJECT_VERSION
                                       " works on the standard queue q; handler exec (/bin/true); "
                                       "keys from the test.");
}

static void minute_with_messages_has_a_line_and_an_idle_one_none(void **state)
{
    start(false);
    pass(300 * SEC);
    deliver("", "");
    assert_int_equal(fake_n_lines, 0);
    deliver("---", "a");
    runs[0].is_running = runs[1].is_running = false;
    runs[0].done(runs[0].userdata, HANDLER_DONE, 0);
    runs[1].done(runs[1].userdata, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    settle_down();
    pass(12 * SEC);
    assert_int_equal(fake_n_lines, 0);
    for (int i = 0; i < 6; i++)
        pass(10 * SEC);
    assert_int_equal(fake_count_lines("In the last "), 1);
    assert_int_equal(fake_count_lines(" s: 3 received, 0 deleted, 1 failed"), 1);
}

static void end_logs_the_totals_and_why(void **state)
{
    is_done_at_once = true;
    config.consumer.exit_after_empty_receives = 1;
    start(false);
    deliver("--", "a");
    for (size_t i = 0; i < fake_n_calls; i++)
        if (fake_calls[i].is_open && fake_calls[i].request->operation != SQS_RECEIVE_MESSAGE)
            fake_answer(i, "{\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"1\"}]}");
    settle_down();
    assert_int_equal(fake_n_lines, 0);
    deliver("", "");
    assert_int_equal(fake_n_lines, 2);
    assert_string_equal(fake_lines[0], "In all, in 0 s: 2 received, 2 deleted; in flight: 0.");
    assert_string_equal(fake_lines[1],
                        "The queue stays empty (consumer.exit_after_empty_receives = 1). "
                        "Terminated!");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(busy_group_leaves_free_slots_to_others),
        TEST(groups_as_deep_as_can_be_get_all_places_and_no_more),
        TEST(messages_in_flight_are_bounded),
        TEST(message_that_may_be_begun_takes_its_slot),
        TEST(standard_queue_messages_in_flight_are_those_handled),
        TEST(messages_of_a_reply_are_begun_without_a_round_of_the_loop),
        TEST(message_handled_at_once_needs_no_second_round),
        TEST(consumer_that_has_ended_begins_nothing),
        TEST(bytes_in_flight_are_bounded),
        TEST(message_larger_than_the_memory_is_received_alone),
        TEST(message_whose_attributes_have_another_md5_is_handled_with_one_line),
        TEST(message_that_waits_for_its_retry_keeps_empty_receives_from_counting),
        TEST(lost_reply_keeps_empty_receives_from_counting),
        TEST(lease_counts_from_before_its_receive_went_out),
        TEST(lease_counts_from_the_attempt_that_brought_it),
        TEST(visibility_timeout_that_was_lowered_is_kept_to),
        TEST(visibility_timeout_that_is_set_is_not_the_queues),
        TEST(memory_shortage_is_waited_out),
        TEST(watchdog_finds_no_stall_idle_or_busy),
        TEST(start_logs_queue_handler_and_keys),
        TEST(minute_with_messages_has_a_line_and_an_idle_one_none),
        TEST(end_logs_the_totals_and_why),
    };

    return cmocka_run_group_tests_name("consumer", tests, NULL, NULL);
}
