/* SPDX-License-Identifier: MIT */
/* A stop: messages are released or brought to their end. */
#include "inflight-fixture.h"

static void stop_cancels_handling_failed_is_released_and_done_is_deleted(void **state)
{
    set_up(true, 10, "abb");
    ends_late = true;
    dispatch();
    inflight_stop(inflight, fake_now_usec + 30 * SEC);
    dispatch();
    answer_open(); /* what was not begun */
    assert_int_equal(inflight_cancel(inflight, 3 * SEC), 2);
    dispatch();
    assert_int_equal(fake_n_open(), 0); /* still ours */
    finish(0, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    finish(1, HANDLER_DONE, 0);
    dispatch();
    assert_int_equal(fake_n_open(), 2);
    answer_open();
    answer_open();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_counts(inflight)->deleted, 1);
}

static void stop_releases_messages_not_begun(void **state)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *late = NULL;

    set_up(true, 10, "aab");
    dispatch();
    inflight_stop(inflight, fake_now_usec + 30 * SEC);
    dispatch();
    assert_non_null(strstr(answer_open(), "\"h1\",\"VisibilityTimeout\":0"));
    late = fake_received("c", "l");
    inflight_add(inflight, late, fake_now_usec);
    dispatch();
    assert_string_equal(begun(), "02");
    assert_non_null(strstr(answer_open(), "\"l0\",\"VisibilityTimeout\":0"));
    assert_int_equal(inflight_status(inflight).messages, 2);
    finish(0, HANDLER_DONE, 0);
    assert_int_equal(inflight_cancel(inflight, SEC), 1);
    assert_true(runs[1].is_cancelled);
    dispatch();
    answer_open();
    answer_open();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_counts(inflight)->deleted, 1);
}

static void stop_releases_messages_that_have_not_reached_the_handler(void **state)
{
    set_up(true, 10, "ab");
    dispatch();
    assert_string_equal(begun(), "01");
    is_unreached = true;
    inflight_stop(inflight, fake_now_usec + 30 * SEC);
    assert_int_equal(inflight_status(inflight).handling, 0);
    dispatch();
    assert_string_equal(answer_open(),
                        "{\"QueueUrl\":\"q\",\"Entries\":["
                        "{\"Id\":\"0\",\"ReceiptHandle\":\"h0\",\"VisibilityTimeout\":0},"
                        "{\"Id\":\"1\",\"ReceiptHandle\":\"h1\",\"VisibilityTimeout\":0}]}");
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_counts(inflight)->released[RELEASE_NOT_REACHED], 2);
}

static void stop_keeps_messages_that_have_not_reached_the_handler_while_it_receives(void **state)
{
    set_up(true, 10, "ab");
    dispatch();
    is_unreached = true;
    inflight_set_receiving(inflight, true);
    inflight_stop(inflight, fake_now_usec + 30 * SEC);
    dispatch();
    assert_int_equal(inflight_status(inflight).handling, 0);
    assert_int_equal(fake_n_open(), 0);
    inflight_set_receiving(inflight, false);
    dispatch();
    assert_string_equal(begun(), "01");
    answer_open();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_counts(inflight)->released[RELEASE_NOT_BEGUN], 2);
}

/* It may have come again, and would be handled elsewhere beside what is left of it here. */
static void stop_keeps_messages_behind_one_that_still_ends(void **state)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *again = NULL, *late = NULL;

    set_up(true, 10, "a");
    ends_late = true;
    dispatch();
    fake_now_usec = T0 + 30 * SEC;
    dispatch();
    again = fake_received("aab", "n");
    inflight_add(inflight, again, fake_now_usec);
    inflight_stop(inflight, fake_now_usec + 30 * SEC);
    late = fake_received("ac", "l");
    inflight_add(inflight, late, fake_now_usec);
    dispatch();
    assert_string_equal(answer_open(),
                        "{\"QueueUrl\":\"q\",\"Entries\":["
                        "{\"Id\":\"0\",\"ReceiptHandle\":\"n2\",\"VisibilityTimeout\":0},"
                        "{\"Id\":\"1\",\"ReceiptHandle\":\"l1\",\"VisibilityTimeout\":0}]}");
    dispatch();
    assert_int_equal(fake_n_open(), 0);
    assert_int_equal(inflight_status(inflight).messages, 4);
    finish(0, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    dispatch();
    assert_string_equal(begun(), "0");
    assert_string_equal(answer_open(),
                        "{\"QueueUrl\":\"q\",\"Entries\":["
                        "{\"Id\":\"0\",\"ReceiptHandle\":\"n0\",\"VisibilityTimeout\":0},"
                        "{\"Id\":\"1\",\"ReceiptHandle\":\"n1\",\"VisibilityTimeout\":0},"
                        "{\"Id\":\"2\",\"ReceiptHandle\":\"l0\",\"VisibilityTimeout\":0}]}");
    assert_int_equal(inflight_status(inflight).messages, 0);
}

static void stop_releases_a_copy_when_its_message_has_ended(void **state)
{
    set_up_and_lose(false, "-");
    take("-");
    inflight_stop(inflight, fake_now_usec + 20 * SEC);
    dispatch();
    assert_int_equal(inflight_status(inflight).releasing, 0);
    finish(0, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    dispatch();
    assert_int_equal(inflight_status(inflight).releasing, 1);
    answer_open();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(n_runs, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(stop_cancels_handling_failed_is_released_and_done_is_deleted,
                                  tear_down),
        cmocka_unit_test_teardown(stop_releases_messages_not_begun, tear_down),
        cmocka_unit_test_teardown(stop_releases_messages_that_have_not_reached_the_handler,
                                  tear_down),
        cmocka_unit_test_teardown(
            stop_keeps_messages_that_have_not_reached_the_handler_while_it_receives, tear_down),
        cmocka_unit_test_teardown(stop_keeps_messages_behind_one_that_still_ends, tear_down),
        cmocka_unit_test_teardown(stop_releases_a_copy_when_its_message_has_ended, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
