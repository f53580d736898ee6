/* SPDX-License-Identifier: MIT */
#include "producer-fixture.h"

#include <signal.h>

static void entry_failing_repeatedly_backs_off(void **state)
{
    static const char answer[] =
        "{\"Successful\":[],\"Failed\":["
        "{\"Id\":\"0\",\"Code\":\"RequestThrottled\",\"Message\":\"\",\"SenderFault\":true},"
        "{\"Id\":\"1\",\"Code\":\"RequestThrottled\",\"Message\":\"\",\"SenderFault\":true}]}";
    static const unsigned pauses_sec[] = {1, 2, 4, 8, 16, 20, 20};

    add(0);
    add(0);
    config.producer.batch_size = 2;
    start();
    is_clock_still = true;
    run_once();
    for (size_t i = 0; i < ARRAY_SIZE(pauses_sec); i++) {
        assert_int_equal(fake_n_calls, i + 1);
        fake_answer(i, answer);
        ahead_usec += (pauses_sec[i] - 1) * SEC;
        run_once();
        assert_int_equal(fake_n_calls, i + 1);
        ahead_usec += SEC;
        run_once();
    }
    assert_int_equal(fake_n_calls, ARRAY_SIZE(pauses_sec) + 1);

    /* 51 s have passed between the first answer and the last, and 20 more until the next. */
    assert_int_equal(fake_count_lines("sending them again in "), 1);
    fake_answer(ARRAY_SIZE(pauses_sec), answer);
    assert_int_equal(fake_count_lines("sending them again in "), 2);
    assert_int_equal(fake_count_lines("20.000 s (14 since the last such line)"), 1);
}

static void request_without_memory_is_sent_later(void **state)
{
    add(0);
    add(0);
    add(0);
    messages[1].message.group_id = messages[0].message.group_id;
    fake_call_error = -ENOMEM;
    start();
    assert_int_equal(fake_n_lines, 1);
    assert_non_null(strstr(fake_lines[0], "Cannot send at the moment, trying again"));
    run_for(service_event(service), 1200 * USEC_PER_MSEC);
    assert_int_equal(fake_n_lines, 1);
    fake_call_error = 0;
    ahead_usec = 301 * SEC; /* a message that was never sent is not in doubt */
    run_until_calls(2);
    assert_int_equal(fake_n_calls, 2);
    /* In order, and none missing. */
    assert_non_null(strstr(fake_request(0), "\"MessageDeduplicationId\":\"0\""));
    assert_non_null(strstr(fake_request(1), "\"MessageDeduplicationId\":\"2\""));
    acknowledge(0);
    assert_non_null(strstr(fake_request(2), "\"MessageDeduplicationId\":\"1\""));
    end_source();
    acknowledge(1);
    acknowledge(2);
    assert_int_equal(n_sent, 3);
    assert_true(fake_forget_line("3 sent;"));
    assert_int_equal(fake_n_lines, 1);
}

static void source_without_memory_is_asked_later(void **state)
{
    add(0);
    next_error = -ENOMEM;
    is_clock_still = true;
    start();
    assert_int_equal(fake_n_calls, 0);
    assert_non_null(strstr(fake_lines[0], "Cannot take a message from the source at the moment"));
    next_error = 0;
    ahead_usec += SEC - 1;
    run_once();
    assert_int_equal(fake_n_calls, 0);
    ahead_usec += 1;
    run_once();
    assert_int_equal(fake_n_calls, 1);
    end_source();
    acknowledge(0);
    assert_int_equal(n_sent, 1);
}

static void idle_or_busy_producer_is_not_stalled(void **state)
{
    assert_int_equal(service_new(&service), 0);
    assert_int_equal(producer_new(service, &config, &producer, NULL), 0);
    assert_null(service_find_stall(service)); /* the queue is being opened */
    fake_open();
    assert_null(service_find_stall(service)); /* the source has nothing yet */
    add(0);
    ready(ready_userdata);
    assert_int_equal(fake_n_open(), 1);
    assert_null(service_find_stall(service)); /* under way */
    fake_fail(0, AWS_ERROR_THROTTLED, "RequestThrottled", "");
    assert_int_equal(fake_n_open(), 0);
    assert_null(service_find_stall(service)); /* waits for its time */
    fake_hangs = "the queue's";
    assert_string_equal(service_find_stall(service), "the queue's");
    fake_hangs = NULL;
    end_source();
    run_until_calls(2);
    acknowledge(1);
    assert_null(service_find_stall(service)); /* it ends */
}

static void overdue_timer_is_a_stall(void **state)
{
    add(0);
    start();
    fake_fail(0, AWS_ERROR_THROTTLED, "RequestThrottled", "");
    run_for(service_event(service), 0);
    assert_null(service_find_stall(service));
    /* The loop's clock goes on, and the timer does not come. */
    ahead_usec = SERVICE_LATE_MAX_USEC + 5 * SEC;
    assert_true(sd_event_prepare(service_event(service)) >= 0);
    assert_true(sd_event_wait(service_event(service), 0) >= 0);
    assert_string_equal(service_find_stall(service), "a request was due, but was not sent");
}

/* Ten bytes, where the queue takes five. */
static void add_large(void)
{
    add(0);
    messages[n_messages - 1].message.body = "xxxxxxxxxx";
    messages[n_messages - 1].message.body_bytes = 10;
}

static void message_over_queue_size_waits_for_a_refresh(void **state)
{
    fake_attributes.maximum_message_bytes = 5;
    fake_may_refresh = true;
    add_large();
    add(0);
    start();
    assert_int_equal(fake_n_calls, 0);
    assert_int_equal(n_rejected, 0);
    assert_null(service_find_stall(service));
    fake_may_refresh = false; /* it is fresh then */
    fake_attributes.maximum_message_bytes = 10;
    fake_refreshed();
    assert_int_equal(fake_n_calls, 2);
    assert_non_null(strstr(fake_request(0), "xxxxxxxxxx"));
    assert_int_equal(n_rejected, 0);

    /* It was lowered, and that is believed. */
    fake_attributes.maximum_message_bytes = 5;
    fake_refreshed();
    add_large();
    ready(ready_userdata);
    assert_int_equal(n_rejected, 1);
}

static void rejection_refreshes_queue_attributes(void **state)
{
    static const char answer[] =
        "{\"Failed\":[{\"Id\":\"0\",\"Code\":\"InvalidParameterValue\",\"SenderFault\":true,"
        "\"Message\":\"Reason: Message must be shorter than 5 bytes.\"},"
        "{\"Id\":\"1\",\"Code\":\"InternalError\",\"Message\":\"\",\"SenderFault\":false}]}";

    add(0);
    add(0);
    config.producer.batch_size = 2;
    start();
    assert_int_equal(fake_n_refreshes, 0);
    fake_answer(0, answer);
    assert_int_equal(n_rejected, 1);
    assert_int_equal(fake_n_refreshes, 1);
}

static size_t n_entries(size_t i)
{
    return MAX(fake_calls[i].request->n_entries, (size_t)1);
}

/* Every open request bears so many messages. */
static void assert_open(size_t n_requests, size_t entries)
{
    assert_int_equal(fake_n_open(), n_requests);
    for (size_t i = 0; i < fake_n_calls; i++)
        if (fake_calls[i].is_open)
            assert_int_equal(n_entries(i), entries);
}

static void stall_all(void)
{
    size_t n = fake_n_calls;

    fake_stall = SQS_STALL_SEND;
    for (size_t i = 0; i < n; i++)
        if (fake_calls[i].is_open)
            (void)fake_retry(i, AWS_ERROR_TRANSIENT, SQS_ERROR_STALLED);
    fake_stall = SQS_STALL_NONE;
}

static void run_until_open(size_t n)
{
    uint64_t end_usec = boot_clock_usec() + TEST_PATIENCE_USEC;

    while (fake_n_open() < n) {
        assert_true(sd_event_run(service_event(service), 100 * USEC_PER_MSEC) >= 0);
        assert_true(boot_clock_usec() < end_usec);
    }
}

static void stalled_requests_reduce_requests_and_batches(void **state)
{
    for (size_t i = 0; i < 120; i++)
        add(0);
    config.producer.max_connections = 4;
    config.producer.batch_size = 10;
    start();
    assert_open(4, 10);
    stall_all(); /* they stalled together, which counts once */
    run_until_open(2);
    assert_open(2, 5);
    stall_all();
    run_until_open(1);
    assert_open(1, 2);
    stall_all();
    run_until_open(1);
    assert_open(1, 1);
    /* The last goes on as it is. */
    fake_stall = SQS_STALL_SEND;
    assert_true(fake_retry(fake_n_calls - 1, AWS_ERROR_TRANSIENT, SQS_ERROR_STALLED));
    fake_stall = SQS_STALL_NONE;
    assert_open(1, 1);
    /* None was lost, and what gets through lets both grow again. */
    acknowledge(fake_n_calls - 1);
    run_until_open(2);
    assert_open(2, 2);
    assert_int_equal(n_sent, 1);
    assert_int_equal(n_rejected, 0);
}

static void spool_opens_before_queue_and_is_told_of_sending(void **state)
{
    config.producer.source = CONFIG_SOURCE_SPOOL;
    config.producer.batch_size = 10;
    assert_int_equal(service_new(&service), 0);
    assert_int_equal(producer_new(service, &config, &producer, NULL), 0);
    assert_true(fake_keeps_trying);
    add(0);
    add(0);
    ready(ready_userdata);
    assert_int_equal(n_given, 0);             /* the queue is not open */
    assert_null(service_find_stall(service)); /* however long that takes */
    fake_attributes.maximum_message_bytes = 4096;
    fake_open();
    assert_int_equal(opened_bytes, 4096);
    assert_int_equal(n_given, 2);
    assert_int_equal(n_sending, 2);
    assert_int_equal(n_calls_at_sending, 0); /* before anything is on its way */
    assert_int_equal(fake_n_calls, 1);
}

static void spool_is_told_of_a_stop(void **state)
{
    config.producer.source = CONFIG_SOURCE_SPOOL;
    start();
    kill(getpid(), SIGTERM);
    assert_int_equal(service_run(service), 0);
    assert_int_equal(n_stops, 1);
}

static void demo_ends_when_queue_cannot_be_opened(void **state)
{
    start();
    assert_false(fake_keeps_trying);
}

static void send_permission_is_requested(void **state)
{
    start();
    assert_int_equal(fake_permissions, PERMISSION_BIT(SQS_SEND_MESSAGE));
}

static void settle_down(void)
{
    while (sd_event_run(service_event(service), 0) > 0)
        ;
}

static void start_logs_queue_and_source(void **state)
{
    config.producer.source = CONFIG_SOURCE_SPOOL;
    assert_int_equal(service_new(&service), 0);
    assert_int_equal(producer_new(service, &config, &producer, NULL), 0);
    assert_int_equal(fake_n_lines, 0); /* before the queue has answered, no keys are known to do */
    fake_open();
    assert_int_equal(fake_n_lines, 1);
    assert_string_equal(fake_lines[0],
                        "Version " PROJECT_VERSION
                        " works on the FIFO queue q; source spool; keys from the test.");
}

static void end_logs_spool_counts(void **state)
{
    config.producer.source = CONFIG_SOURCE_SPOOL;
    add(0);
    is_clock_still = true; /* the lines tell seconds */
    start();
    acknowledge(0);
    assert_int_equal(raise(SIGTERM), 0);
    settle_down();
    assert_int_equal(fake_count_lines("In all, in 0 s: 1 sent; in flight: 0; so many wait."), 1);
}

static void busy_minute_is_logged_and_idle_one_is_not(void **state)
{
    for (size_t i = 0; i < 4; i++)
        add(0);
    messages[2].message.body = "\x01"; /* SQS would reject it */
    is_clock_still = true;             /* the lines tell seconds */
    start();
    settle_down();
    acknowledge(0);
    fake_fail(1, AWS_ERROR_THROTTLED, "RequestThrottled", "slower");
    fake_n_lines = 0;
    ahead_usec = 59 * SEC;
    settle_down();
    assert_int_equal(fake_count_lines("In the last"), 0);
    ahead_usec = 61 * SEC;
    settle_down();
    assert_int_equal(
        fake_count_lines("In the last 61 s: 1 sent, 1 rejected, 1 to be sent again; in "
                         "flight: 2."),
        1);
    ahead_usec = 400 * SEC;
    settle_down();
    assert_int_equal(fake_count_lines("In the last"), 1);
    /* What comes later has a line of its own, of that alone. */
    acknowledge(2);
    ahead_usec = 500 * SEC;
    settle_down();
    assert_int_equal(fake_count_lines("In the last 100 s: 1 sent; in flight: 1."), 1);
    end_source();
    acknowledge(3);
    assert_int_equal(
        fake_count_lines("In all, in 500 s: 3 sent, 1 rejected, 1 to be sent again; in "
                         "flight: 0."),
        1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(entry_failing_repeatedly_backs_off),
        TEST(request_without_memory_is_sent_later),
        TEST(source_without_memory_is_asked_later),
        TEST(idle_or_busy_producer_is_not_stalled),
        TEST(overdue_timer_is_a_stall),
        TEST(message_over_queue_size_waits_for_a_refresh),
        TEST(rejection_refreshes_queue_attributes),
        TEST(stalled_requests_reduce_requests_and_batches),
        TEST(spool_opens_before_queue_and_is_told_of_sending),
        TEST(spool_is_told_of_a_stop),
        TEST(demo_ends_when_queue_cannot_be_opened),
        TEST(send_permission_is_requested),
        TEST(start_logs_queue_and_source),
        TEST(end_logs_spool_counts),
        TEST(busy_minute_is_logged_and_idle_one_is_not),
    };

    return cmocka_run_group_tests_name("producer", tests, NULL, NULL);
}
