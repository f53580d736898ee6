/* SPDX-License-Identifier: MIT */
#include "producer-fixture.h"

#include "producerd/deduplication.h"
#include "producerd/producer-log.h"

static size_t n_possible_duplicates(void)
{
    return fake_count_lines("SQS may store it twice");
}

static void message_in_doubt_over_5_minutes_is_logged_once(void **state)
{
    add(0);
    start();
    ahead_usec = 10 * SEC;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    ahead_usec = 299 * SEC;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    assert_int_equal(n_possible_duplicates(), 0);
    /* The five minutes begin when the first attempt is sent. */
    ahead_usec = 301 * SEC;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    assert_int_equal(n_possible_duplicates(), 1);
    assert_non_null(strstr(fake_lines[0], "The message with id 0 is sent again"));
    assert_non_null(
        strstr(fake_lines[0], "[SQS_MESSAGE_GROUP_ID=0] [SQS_MESSAGE_DEDUPLICATION_ID=0]"));
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    assert_int_equal(fake_n_lines, 1);
    end_source();
    acknowledge(0);
    assert_int_equal(n_sent, 1);
    assert_true(fake_forget_line("1 sent, 1 perhaps stored twice;"));
    assert_int_equal(fake_n_lines, 2);
    assert_non_null(strstr(fake_lines[1], "may have stored twice"));
    assert_non_null(strstr(fake_lines[1], ": 1."));
}

static void message_surely_not_stored_is_not_in_doubt(void **state)
{
    add(0);
    start();
    for (size_t i = 0; i < 3; i++) {
        ahead_usec += 200 * SEC;
        assert_true(fake_retry(0, AWS_ERROR_THROTTLED, "RequestThrottled"));
        assert_true(fake_retry(0, AWS_ERROR_CREDENTIALS, "NoCredentials"));
        assert_true(fake_retry(0, AWS_ERROR_PERMANENT, "AccessDeniedException"));
        fake_was_not_sent = true;
        assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
        fake_was_not_sent = false;
    }
    /* The attempt that is sent now is the first one of unknown outcome. */
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    ahead_usec += 299 * SEC;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    assert_int_equal(n_possible_duplicates(), 0);
    end_source();
    acknowledge(0);
    assert_true(fake_forget_line("1 sent;"));
    assert_int_equal(fake_n_lines, 0);
}

static void later_failure_does_not_end_doubt(void **state)
{
    add(0);
    start();
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    assert_true(fake_retry(0, AWS_ERROR_THROTTLED, "RequestThrottled"));
    ahead_usec = 301 * SEC;
    assert_true(fake_retry(0, AWS_ERROR_THROTTLED, "RequestThrottled"));
    assert_int_equal(n_possible_duplicates(), 1);
}

static void retried_batch_entries_are_in_doubt(void **state)
{
    static const char answer[] =
        "{\"Successful\":[],\"Failed\":["
        "{\"Id\":\"0\",\"Code\":\"InternalError\",\"Message\":\"\",\"SenderFault\":false},"
        "{\"Id\":\"1\",\"Code\":\"RequestThrottled\",\"Message\":\"\",\"SenderFault\":true}]}";

    add(0);
    add(0);
    config.producer.batch_size = 2;
    start();
    assert_int_equal(fake_n_calls, 1);
    fake_answer(0, answer);
    ahead_usec = 301 * SEC;
    run_until_calls(2);
    assert_int_equal(n_possible_duplicates(), 1);
    assert_int_equal(fake_count_lines("with id 0 is sent again"), 1);
}

static void doubt_of_previous_process_counts(void **state)
{
    add(wall_usec() - 301 * SEC);
    add(wall_usec() - 200 * SEC);
    add(wall_usec() + 1000 * SEC); /* the wall clock was set back */
    start();
    assert_int_equal(n_possible_duplicates(), 1);
    assert_int_equal(fake_count_lines("with id 0 is sent again"), 1);
    ahead_usec = 101 * SEC;
    assert_true(fake_retry(1, AWS_ERROR_THROTTLED, "RequestThrottled"));
    assert_true(fake_retry(2, AWS_ERROR_THROTTLED, "RequestThrottled"));
    assert_int_equal(n_possible_duplicates(), 2);
}

static void wall_clock_jump_does_not_age_doubt(void **state)
{
    add(0);
    start();
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    wall_jump_sec = 58 * 365 * 86400L;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    assert_int_equal(n_possible_duplicates(), 0);
    /* A jump does not hide time that has passed, either. */
    wall_jump_sec = -3600;
    ahead_usec = 301 * SEC;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    assert_int_equal(n_possible_duplicates(), 1);
}

static void standard_queue_logs_no_possible_duplicate(void **state)
{
    fake_is_fifo = false;
    add(wall_usec() - 301 * SEC);
    messages[0].message.deduplication_id = messages[0].message.group_id = NULL;
    start();
    end_source();
    acknowledge(0);
    assert_int_equal(n_sent, 1);
    assert_true(fake_forget_line("1 sent;"));
    assert_int_equal(fake_n_lines, 0);
}

static void many_possible_duplicates_are_counted_and_some_logged(void **state)
{
    for (int i = 0; i < 60; i++)
        add(wall_usec() - 1000 * SEC);
    start();
    assert_int_equal(fake_n_open(), 60);
    assert_int_equal(n_possible_duplicates(), POSSIBLE_DUPLICATE_LINES_MAX);
    assert_int_equal(fake_count_lines("further ones within a minute are only counted"), 1);
    ahead_usec = 61 * SEC;
    add(wall_usec() - 1000 * SEC);
    run_for(service_event(service), 0);
    ready(ready_userdata);
    assert_int_equal(fake_n_open(), 61);
    assert_int_equal(fake_count_lines("(so were 40 others since the last such line)"), 1);
    end_source();
    for (size_t i = 0; i < 61; i++)
        acknowledge(i);
    assert_int_equal(n_sent, 61);
    assert_int_equal(fake_count_lines("is not known: 61."), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(message_in_doubt_over_5_minutes_is_logged_once),
        TEST(message_surely_not_stored_is_not_in_doubt),
        TEST(later_failure_does_not_end_doubt),
        TEST(retried_batch_entries_are_in_doubt),
        TEST(doubt_of_previous_process_counts),
        TEST(wall_clock_jump_does_not_age_doubt),
        TEST(standard_queue_logs_no_possible_duplicate),
        TEST(many_possible_duplicates_are_counted_and_some_logged),
    };

    return cmocka_run_group_tests_name("producer-in-doubt", tests, NULL, NULL);
}
