/* SPDX-License-Identifier: MIT */
/* A lease is lost, by our clock or by SQS's word: what becomes of the message, its group, and its
 * delete. */
#include "inflight-fixture.h"

#include <stdio.h>

static void lease_ends_handling_is_cancelled_and_successors_are_released(void **state)
{
    set_up(true, 10, "aab");
    dispatch();
    assert_string_equal(begun(), "02");
    fake_now_usec = T0 + 3600 * SEC; /* the process was stopped */
    dispatch();
    assert_true(runs[0].is_cancelled);
    assert_true(runs[1].is_cancelled);
    assert_string_equal(begun(), "02");
    assert_int_equal(fake_n_calls, 0); /* nothing is asked for with stale handles */
    assert_int_equal(inflight_status(inflight).messages, 0);
}

static void message_handled_after_its_lease_is_not_deleted(void **state)
{
    set_up(true, 10, "a");
    dispatch();
    fake_now_usec = T0 + 30 * SEC;
    finish(0, HANDLER_DONE, 0);
    dispatch();
    assert_int_equal(fake_n_calls, 0);
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_counts(inflight)->deleted, 0);
}

static void receipt_handle_lost_handling_is_cancelled_and_successors_are_released(void **state)
{
    set_up(true, 10, "aab");
    dispatch();
    fake_now_usec = T0 + 15 * SEC;
    dispatch();
    assert_int_equal(fake_calls[0].request->n_entries, 3);
    fake_answer(0, "{\"Failed\":[{\"Id\":\"0\",\"Code\":\"ReceiptHandleIsInvalid\"}],"
                   "\"Successful\":[{\"Id\":\"1\"},{\"Id\":\"2\"}]}");
    assert_true(runs[0].is_cancelled);
    assert_true(runs[1].is_running);
    dispatch();
    assert_string_equal(answer_open(),
                        "{\"QueueUrl\":\"q\",\"Entries\":["
                        "{\"Id\":\"0\",\"ReceiptHandle\":\"h1\",\"VisibilityTimeout\":0}]}");
    assert_int_equal(inflight_status(inflight).messages, 1);
}

static void delete_refused_successors_are_released(void **state)
{
    set_up(true, 10, "aaa");
    dispatch();
    finish(0, HANDLER_DONE, 0);
    dispatch();
    fake_fail(0, AWS_ERROR_PERMANENT, "ReceiptHandleIsInvalid", "");
    assert_true(runs[1].is_cancelled);
    dispatch();
    assert_int_equal(fake_calls[1].request->n_entries, 2);
    answer_open();
    assert_int_equal(inflight_status(inflight).messages, 0);
}

static void lease_ends_during_a_delete_its_answer_decides(void **state)
{
    for (int ok = 0; ok < 2; ok++) {
        set_up(true, 10, "aa");
        dispatch();
        finish(0, HANDLER_DONE, 0);
        dispatch();
        assert_string_equal(begun(), "01");
        fake_now_usec = T0 + 30 * SEC;
        dispatch();
        assert_true(runs[1].is_cancelled);
        assert_int_equal(inflight_status(inflight).messages, 1);
        if (ok)
            fake_answer(0, "{}");
        else
            assert_false(fake_retry(0, AWS_ERROR_TRANSIENT, "")); /* it is not sent again */
        assert_int_equal(inflight_status(inflight).messages, 0);
        assert_int_equal(inflight_counts(inflight)->deleted, ok);
        assert_int_equal(fake_n_calls, 1);
        tear_down(NULL);
    }
    set_up(true, 1, "");
}

static void message_received_again_waits_for_the_first_handling(void **state)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *again = NULL;

    set_up(true, 10, "a");
    dispatch();
    fake_now_usec = T0 + 30 * SEC;
    dispatch();
    assert_int_equal(inflight_status(inflight).messages, 0);
    again = fake_received("aa", "n");
    inflight_add(inflight, again, fake_now_usec);
    dispatch();
    assert_int_equal(n_runs, 2);
    assert_string_equal(runs[1].handle, "n0");
}

/* SQS gives it out again at once; what is left of its handling goes first. */
static void message_lost_and_received_again_is_not_handled_twice_at_once(void **state)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *again = NULL;

    set_up(true, 10, "ab");
    ends_late = true;
    dispatch();
    fake_now_usec = T0 + 30 * SEC;
    dispatch();
    assert_true(runs[0].is_cancelled && runs[0].is_running);
    again = fake_received("aa", "n");
    inflight_add(inflight, again, fake_now_usec);
    dispatch();
    assert_string_equal(begun(), "01");
    fake_now_usec += 4 * SEC;
    finish(0, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    dispatch();
    assert_string_equal(begun(), "010");
    assert_string_equal(runs[2].handle, "n0");
    assert_int_equal(fake_n_calls, 0); /* nothing is asked for with the stale handle */
    assert_int_equal(inflight_status(inflight).messages, 3);
    finish(1, HANDLER_DONE, 0); /* without a ledger that is all that can be done about it */
    dispatch();
    assert_int_equal(fake_n_calls, 0);
    assert_int_equal(inflight_status(inflight).messages, 2);
}

static void successor_of_a_lost_message_ends_before_it_is_released(void **state)
{
    set_up(true, 10, "aaa");
    ends_late = true;
    dispatch();
    finish(0, HANDLER_DONE, 0);
    dispatch();
    assert_string_equal(begun(), "01");
    fake_fail(0, AWS_ERROR_PERMANENT, "ReceiptHandleIsInvalid", "");
    assert_true(runs[1].is_cancelled);
    dispatch();
    assert_int_equal(fake_calls[1].request->n_entries, 1);
    assert_non_null(strstr(answer_open(), "\"h2\",\"VisibilityTimeout\":0"));
    finish(1, HANDLER_RETRY, 100 * SEC);
    dispatch();
    assert_non_null(strstr(answer_open(), "\"h1\",\"VisibilityTimeout\":0"));
    assert_int_equal(inflight_status(inflight).messages, 0);
}

/* Were it deleted, the one before it would be handled behind it. */
static void successor_handled_behind_a_lost_message_is_not_deleted(void **state)
{
    set_up(true, 10, "aa");
    ends_late = true;
    dispatch();
    finish(0, HANDLER_DONE, 0);
    dispatch();
    assert_string_equal(begun(), "01");
    fake_fail(0, AWS_ERROR_PERMANENT, "ReceiptHandleIsInvalid", "");
    assert_true(runs[1].is_cancelled);
    finish(1, HANDLER_DONE, 0);
    dispatch();
    assert_non_null(strstr(answer_open(), "\"h1\",\"VisibilityTimeout\":0"));
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_counts(inflight)->deleted, 0);
}

static void lease_of_twelve_hours_is_lost(void **state)
{
    set_up(true, 10, "a");
    dispatch();
    while (inflight_status(inflight).messages > 0 && fake_now_usec < T0 + 50000 * SEC) {
        uint64_t next = dispatch();

        if (fake_n_open() > 0)
            answer_open();
        else if (next != USEC_INFINITY)
            fake_now_usec = next;
    }
    assert_true(runs[0].is_cancelled);
    assert_in_range(fake_now_usec, T0 + 43100 * SEC, T0 + 43200 * SEC);
}

/* A message with the handler, and the request that extends its lease under way. */
static void set_up_and_extend(void)
{
    set_up(true, 10, "a");
    dispatch();
    fake_now_usec = T0 + 15 * SEC;
    dispatch();
    assert_int_equal(fake_n_open(), 1);
}

static void lease_renewed_after_it_was_lost_message_is_released(void **state)
{
    set_up_and_extend();
    ends_late = true;
    fake_now_usec = T0 + 29 * SEC;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
    fake_now_usec = T0 + 30 * SEC;
    dispatch();
    assert_true(runs[0].is_cancelled);
    answer_open(); /* away until T0 + 59 s */
    finish(0, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    dispatch();
    assert_non_null(strstr(answer_open(), "\"ReceiptHandle\":\"h0\",\"VisibilityTimeout\":0"));
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_status(inflight).visible_usec, T0 + 30 * SEC);
}

/* SQS may have extended it all the same. */
static void renewal_without_answer_message_may_stay_hidden_for_another_timeout(void **state)
{
    set_up_and_extend();
    ends_late = true;
    fake_now_usec = T0 + 31 * SEC;
    dispatch();
    finish(0, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_status(inflight).visible_usec, T0 + 61 * SEC);
}

static void release_behind_a_renewal_without_answer_may_stay_hidden_as_long(void **state)
{
    set_up_and_extend();
    finish(0, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    dispatch();
    assert_int_equal(fake_n_open(), 1); /* the extension */
    fake_now_usec = T0 + 30 * SEC;
    dispatch();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_status(inflight).visible_usec, T0 + 60 * SEC);
}

/* Both in one batch, which leaves the second when the first is lost. */
static void handle_and_lose_the_first(const char *second)
{
    char json[512];

    set_up_with_linger(true, 2, SEC, "aa");
    is_quick = true;
    dispatch();
    dispatch();
    fake_now_usec += SEC;
    dispatch();
    assert_int_equal(fake_n_open(), 1);
    assert_int_equal(fake_calls[0].request->operation, SQS_DELETE_MESSAGE_BATCH);
    snprintf(
        json, sizeof(json),
        "{\"Failed\":[{\"Id\":\"0\",\"Code\":\"ReceiptHandleIsInvalid\",\"SenderFault\":true}%s]}",
        second);
    fake_answer(0, json);
    dispatch();
}

static void delete_fails_behind_a_lost_message_it_is_released(void **state)
{
    handle_and_lose_the_first(
        ",{\"Id\":\"1\",\"Code\":\"InternalError\",\"SenderFault\":false}],\"Successful\":[");
    assert_non_null(strstr(answer_open(), "\"ReceiptHandle\":\"h1\",\"VisibilityTimeout\":0"));
    assert_int_equal(inflight_status(inflight).messages, 0);
}

static void delete_succeeds_behind_a_lost_message_nothing_is_released(void **state)
{
    handle_and_lose_the_first("],\"Successful\":[{\"Id\":\"1\"}");
    assert_int_equal(fake_n_open(), 0);
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_counts(inflight)->deleted, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(lease_ends_handling_is_cancelled_and_successors_are_released,
                                  tear_down),
        cmocka_unit_test_teardown(message_handled_after_its_lease_is_not_deleted, tear_down),
        cmocka_unit_test_teardown(
            receipt_handle_lost_handling_is_cancelled_and_successors_are_released, tear_down),
        cmocka_unit_test_teardown(delete_refused_successors_are_released, tear_down),
        cmocka_unit_test_teardown(lease_ends_during_a_delete_its_answer_decides, tear_down),
        cmocka_unit_test_teardown(message_received_again_waits_for_the_first_handling, tear_down),
        cmocka_unit_test_teardown(message_lost_and_received_again_is_not_handled_twice_at_once,
                                  tear_down),
        cmocka_unit_test_teardown(successor_of_a_lost_message_ends_before_it_is_released,
                                  tear_down),
        cmocka_unit_test_teardown(successor_handled_behind_a_lost_message_is_not_deleted,
                                  tear_down),
        cmocka_unit_test_teardown(lease_of_twelve_hours_is_lost, tear_down),
        cmocka_unit_test_teardown(lease_renewed_after_it_was_lost_message_is_released, tear_down),
        cmocka_unit_test_teardown(
            renewal_without_answer_message_may_stay_hidden_for_another_timeout, tear_down),
        cmocka_unit_test_teardown(release_behind_a_renewal_without_answer_may_stay_hidden_as_long,
                                  tear_down),
        cmocka_unit_test_teardown(delete_fails_behind_a_lost_message_it_is_released, tear_down),
        cmocka_unit_test_teardown(delete_succeeds_behind_a_lost_message_nothing_is_released,
                                  tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
