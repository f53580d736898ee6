/* SPDX-License-Identifier: MIT */
#include "consumer-fixture.h"

static void receive_waits_no_longer_than_a_stop_can_wait_for_it(void **state)
{
    static const struct {
        unsigned stop_sec, wait_sec;
    } cases[] = {{60, 15}, {23, 15}, {22, 14}, {8, 4}, {4, 1}, {3, 1}, {0, 1}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char expected[64];

        set_up(state);
        config.consumer.stop_timeout_usec = cases[i].stop_sec * SEC;
        start(true);
        snprintf(expected, sizeof(expected), "\"WaitTimeSeconds\":%u,", cases[i].wait_sec);
        assert_non_null(strstr(fake_request(0), expected));
        assert_int_equal(fake_n_lines, cases[i].wait_sec < 15);
        tear_down(state);
    }
}

/* All that was asked for of a kind so far, and not answered. */
static size_t n_under_way(enum sqs_operation operation)
{
    size_t n = 0;

    for (size_t i = 0; i < fake_n_calls; i++)
        n += fake_calls[i].is_open && fake_calls[i].request->operation == operation;
    return n;
}

static size_t n_releases(void)
{
    return n_under_way(SQS_CHANGE_MESSAGE_VISIBILITY) +
           n_under_way(SQS_CHANGE_MESSAGE_VISIBILITY_BATCH);
}

/* Two receives are under way, and a stop was asked for. */
static void stop_with_two_receives(bool is_fifo)
{
    config.consumer.receivers = 2;
    config.consumer.concurrency = 40;
    is_done_at_once = true;
    start(is_fifo);
    deliver("abcdefghij", "x"); /* a full one: more may wait */
    assert_int_equal(n_under_way(SQS_RECEIVE_MESSAGE), 2);
    raise(SIGTERM);
    settle_down();
    n_runs = 0;
}

/* It would come to the other receive, be released again, and be received once more. */
static void stop_releases_a_message_when_no_receive_is_under_way(void **state)
{
    stop_with_two_receives(true);
    deliver("a", "a");
    assert_int_equal(n_releases(), 0);
    assert_string_equal(begun(), "");
    deliver("", "b");
    assert_int_equal(n_releases(), 1);
}

static void finish_all(enum handler_outcome outcome)
{
    for (size_t i = 0; i < n_runs; i++)
        if (runs[i].is_running) {
            runs[i].is_running = false;
            runs[i].done(runs[i].userdata, outcome, HANDLER_DELAY_DEFAULT);
        }
    settle_down();
}

static void stop_releases_what_was_not_reached_when_no_receive_is_under_way(void **state)
{
    config.consumer.receivers = 2;
    config.consumer.concurrency = 40;
    start(false);
    deliver("abcdefghij", "x");
    assert_int_equal(n_under_way(SQS_RECEIVE_MESSAGE), 2);
    raise(SIGTERM);
    settle_down();
    finish_all(HANDLER_NOT_REACHED);
    assert_int_equal(n_releases(), 0);
    deliver("", "a");
    assert_int_equal(n_releases(), 0);
    deliver("", "b");
    assert_int_equal(n_releases(), 1); /* in one request */
}

static void stop_near_its_end_releases_messages_though_it_receives(void **state)
{
    config.consumer.visibility_timeout_usec = 300 * SEC;
    stop_with_two_receives(false);
    deliver("a", "a");
    pass(53 * SEC);
    assert_int_equal(n_releases(), 0);
    pass(2 * SEC);
    assert_int_equal(n_releases(), 1);
    assert_int_equal(n_under_way(SQS_RECEIVE_MESSAGE), 1);
}

static const struct handler_ops logging_ops = {fake_run, fake_cancel, fake_abandon,
                                               fake_handler_free, .waits_for_log = true};

/* Handlers whose work is more than a line have the stop's time. */
static void stop_soon_releases_what_waits_for_the_log(void **state)
{
    start_with(&logging_ops);
    deliver("ab", "a");
    raise(SIGTERM);
    deliver("", "b");
    settle_down();
    assert_int_equal(n_running(), 2); /* the log may be about to take them */
    pass(1 * SEC);
    assert_int_equal(n_running(), 0);
    assert_int_equal(n_releases(), 1); /* in one request */
    assert_true(fake_forget_line("The log accepts no lines: releasing 2 messages"));

    tear_down(state);
    set_up(state);
    start(true);
    deliver("ab", "a");
    raise(SIGTERM);
    deliver("", "b");
    settle_down();
    pass(1 * SEC);
    assert_int_equal(n_running(), 2);
}

/* SQS could give it to that receive, which counts on the way to the dead-letter queue. */
static void stop_keeps_what_waits_for_the_log_while_a_receive_is_under_way(void **state)
{
    start_with(&logging_ops);
    deliver("ab", "a");
    raise(SIGTERM);
    settle_down();
    pass(5 * SEC);
    assert_int_equal(n_under_way(SQS_RECEIVE_MESSAGE), 1);
    assert_int_equal(n_running(), 2);
    assert_int_equal(n_releases(), 0);
    deliver("", "b");
    settle_down();
    assert_int_equal(n_running(), 0);
    assert_int_equal(n_releases(), 1);
    assert_true(fake_forget_line("The log accepts no lines: releasing 2 messages"));
}

static void end_later(struct handler_run *run, uint64_t grace_usec)
{
}

/* Its program had ended before the cancel. */
static void stop_near_its_end_releases_what_waits_for_the_log(void **state)
{
    static const struct handler_ops ops = {fake_run, end_later, fake_abandon, fake_handler_free};

    config.consumer.visibility_timeout_usec = 300 * SEC;
    start_with(&ops);
    deliver("a", "a");
    raise(SIGTERM);
    deliver("", "b");
    pass(2 * SEC);  /* nothing waits for the log yet */
    pass(53 * SEC); /* the cancel was due at 54 */
    fake_holds_messages = true;
    runs[0].is_running = false;
    runs[0].done(runs[0].userdata, HANDLER_REJECT, HANDLER_DELAY_DEFAULT);
    pass(1 * SEC);
    assert_int_equal(n_releases(), 0);
    pass(3 * SEC + 600 * USEC_PER_MSEC);
    assert_int_equal(n_releases(), 1);
    assert_true(fake_forget_line("The log accepts no lines: releasing 1 message"));
    fake_holds_messages = false;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(receive_waits_no_longer_than_a_stop_can_wait_for_it),
        TEST(stop_releases_a_message_when_no_receive_is_under_way),
        TEST(stop_releases_what_was_not_reached_when_no_receive_is_under_way),
        TEST(stop_near_its_end_releases_messages_though_it_receives),
        TEST(stop_soon_releases_what_waits_for_the_log),
        TEST(stop_keeps_what_waits_for_the_log_while_a_receive_is_under_way),
        TEST(stop_near_its_end_releases_what_waits_for_the_log),
    };

    return cmocka_run_group_tests_name("consumer stop", tests, NULL, NULL);
}
