/* SPDX-License-Identifier: MIT */
/* A stop: polls end, and lost replies are asked for again. */
#include "receiver-fixture.h"

static void stop_with_time_lets_polls_end(void **state)
{
    set_up_busy(queue(true, 2, 0));
    dispatch(20);
    receiver_stop(receiver, fake_now_usec, fake_now_usec + 20 * SEC);
    assert_true(fake_calls[0].is_open && fake_calls[0].is_last_attempt);
    assert_true(fake_calls[1].is_open && fake_calls[1].is_last_attempt);
    fake_answer(0, "{}");
    dispatch(20);
    assert_int_equal(fake_n_calls, 2);
    fake_answer(1, "{}");
    assert_int_equal(receiver_polls(receiver), 0);
    assert_int_equal(n_done, 2);
}

/* Not before: it may be given messages until it ends. */
static void stop_too_short_for_a_poll_repeats_it_without_a_wait(void **state)
{
    uint64_t ask_usec;

    set_up(queue(true, 1, 0));
    dispatch(7);
    ask_usec = fake_now_usec + 8 * SEC;
    receiver_stop(receiver, fake_now_usec, ask_usec + RECEIVER_POLL_MARGIN_USEC);
    assert_int_equal(dispatch(0), ask_usec);
    fake_now_usec = ask_usec - 1;
    assert_int_equal(dispatch(0), ask_usec);
    assert_int_equal(fake_n_calls, 1);
    assert_true(fake_calls[0].is_open && fake_calls[0].is_last_attempt);
    fake_now_usec = ask_usec;
    dispatch(0);
    assert_int_equal(fake_n_calls, 2);
    assert_false(fake_calls[0].is_open);
    assert_string_equal(attempt_id(1), attempt_id(0));
    assert_non_null(strstr(fake_request(1), "\"MaxNumberOfMessages\":7,\"WaitTimeSeconds\":0,"));
    assert_int_equal(fake_calls[1].options.wait_usec, 0);
    assert_int_equal(fake_calls[1].timeout_usec, RECEIVER_POLL_MARGIN_USEC / 4);
    assert_true(fake_retry(1, AWS_ERROR_TRANSIENT, ""));
    assert_string_equal(attempt_id(1), attempt_id(0));
    assert_int_equal(fake_calls[1].timeout_usec, RECEIVER_POLL_MARGIN_USEC / 2);
    assert_int_equal(receiver_polls(receiver), 1);
    fake_answer(1, "{}");
    assert_int_equal(fake_n_calls, 2);
    assert_int_equal(receiver_polls(receiver), 0);
    assert_int_equal(receiver_abandoned(receiver), 0);
}

static void repeat_without_success_until_the_deadline_is_logged(void **state)
{
    uint64_t deadline_usec;

    set_up_busy(queue(true, 3, 0));
    dispatch(27);
    deadline_usec = fake_now_usec + 10 * SEC;
    receiver_stop(receiver, fake_now_usec, deadline_usec);
    fake_now_usec += 8 * SEC;
    dispatch(0);
    assert_int_equal(fake_n_calls, 4);
    for (size_t i = 0; i < 8; i++) {
        fake_now_usec += 100 * MSEC;
        assert_int_equal(dispatch(0), deadline_usec);
        assert_true(fake_retry(2, AWS_ERROR_TRANSIENT, ""));
    }
    fake_now_usec = deadline_usec - 1;
    assert_true(fake_retry(2, AWS_ERROR_THROTTLED, "RequestThrottled"));
    assert_false(fake_calls[2].is_last_attempt);
    fake_now_usec = deadline_usec;
    assert_int_equal(dispatch(0), USEC_INFINITY);
    assert_true(fake_calls[2].is_last_attempt && fake_calls[3].is_last_attempt);
    assert_false(fake_retry(2, AWS_ERROR_THROTTLED, "RequestThrottled"));
    assert_int_equal(receiver_abandoned(receiver), 10);
    fake_answer(3, "{}");
    assert_int_equal(receiver_polls(receiver), 0);
    assert_int_equal(receiver_abandoned(receiver), 10);
}

/* It is not under way, and so is not asked about where SQS never had it. */
static void stop_too_short_ends_a_poll_that_waits_for_its_retry(void **state)
{
    set_up(queue(true, 1, 0));
    dispatch(7);
    receiver_stop(receiver, fake_now_usec, fake_now_usec + 10 * SEC);
    assert_int_equal(fake_n_calls, 1);
    assert_true(fake_calls[0].is_open && fake_calls[0].is_last_attempt);
    fake_was_not_sent = true;
    fake_fail(0, AWS_ERROR_TRANSIENT, "NetworkFailure", "connection refused");
    assert_int_equal(fake_n_calls, 1);
    assert_int_equal(receiver_abandoned(receiver), 0);
}

/* Else it would use up the time in which what it was given can be released. */
static void poll_stalls_during_a_stop_it_is_repeated_in_time(void **state)
{
    uint64_t late_usec, deadline_usec;

    set_up_busy(queue(true, 2, 0));
    dispatch(20);
    late_usec = fake_now_usec + 15 * SEC + RECEIVER_POLL_MARGIN_USEC;
    fake_now_usec += 5 * SEC;
    deadline_usec = fake_now_usec + 20 * SEC;
    receiver_stop(receiver, fake_now_usec, deadline_usec);
    assert_int_equal(dispatch(0), late_usec);
    fake_answer(0, "{}");
    assert_int_equal(dispatch(0), late_usec);
    fake_now_usec = late_usec - 1;
    dispatch(0);
    assert_int_equal(fake_n_calls, 2);
    fake_now_usec = late_usec;
    assert_int_equal(dispatch(0), deadline_usec);
    assert_int_equal(fake_n_calls, 3);
    assert_false(fake_calls[1].is_open);
    assert_string_equal(attempt_id(2), attempt_id(1));
    assert_non_null(strstr(fake_request(2), "\"MaxNumberOfMessages\":10,\"WaitTimeSeconds\":0,"));
    assert_int_equal(receiver_polls(receiver), 1);
    /* Once is enough: this one has no wait that could be over. */
    fake_now_usec += 60 * SEC;
    assert_int_equal(dispatch(0), USEC_INFINITY);
    assert_int_equal(fake_n_calls, 3);
    fake_answer(2, "{}");
    assert_int_equal(receiver_polls(receiver), 0);
}

static void standard_queue_poll_is_not_repeated(void **state)
{
    set_up(queue(false, 1, 0));
    dispatch(7);
    receiver_stop(receiver, fake_now_usec, fake_now_usec + 20 * SEC);
    fake_now_usec += 19 * SEC;
    assert_int_equal(dispatch(0), fake_now_usec + SEC);
    assert_int_equal(fake_n_calls, 1);
    assert_true(fake_calls[0].is_open);
}

static void standard_queue_poll_goes_on_during_a_short_stop(void **state)
{
    set_up(queue(false, 1, 0));
    dispatch(7);
    receiver_stop(receiver, fake_now_usec, fake_now_usec + SEC);
    assert_int_equal(fake_n_calls, 1);
    assert_true(fake_calls[0].is_open && fake_calls[0].is_last_attempt);
}

static void reply_lost_during_a_stop_is_asked_for_again(void **state)
{
    set_up(queue(true, 1, 0));
    dispatch(7);
    receiver_stop(receiver, fake_now_usec, fake_now_usec + 20 * SEC);
    fake_fail(0, AWS_ERROR_TRANSIENT, "", "connection reset");
    assert_int_equal(n_done, 0);
    assert_int_equal(fake_n_calls, 2);
    assert_string_equal(attempt_id(1), attempt_id(0));
    fake_answer(1, "{}");
    assert_int_equal(n_done, 1);
    assert_int_equal(receiver_polls(receiver), 0);
}

/* As refused keys are: what was lost before them can still be had. */
static void outcome_unknown_during_a_stop_is_asked_for_again_whatever_error_followed(void **state)
{
    static const enum aws_error_class classes[] = {AWS_ERROR_CREDENTIALS, AWS_ERROR_CLOCK,
                                                   AWS_ERROR_THROTTLED, AWS_ERROR_PERMANENT};

    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        set_up(queue(true, 1, 0));
        dispatch(7);
        assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
        receiver_stop(receiver, fake_now_usec, fake_now_usec + 20 * SEC);
        fake_fail(0, classes[i], "x", "");
        assert_int_equal(fake_n_calls, 2);
        assert_string_equal(attempt_id(1), attempt_id(0));
        for (size_t j = 0; j < ARRAY_SIZE(classes); j++)
            assert_true(fake_retry(1, classes[j], "x"));
        assert_string_equal(attempt_id(1), attempt_id(0));
        fake_answer(1, "{}");
        assert_int_equal(receiver_polls(receiver), 0);
        assert_int_equal(receiver_abandoned(receiver), 0);
        tear_down(state);
    }
}

static void attempt_id_void_during_a_stop_is_logged_and_not_repeated(void **state)
{
    set_up(queue(true, 1, 0));
    dispatch(7);
    receiver_stop(receiver, fake_now_usec, fake_now_usec + 10 * SEC);
    fake_now_usec += 8 * SEC;
    dispatch(0);
    assert_true(fake_retry(1, AWS_ERROR_THROTTLED, "RequestThrottled"));
    fake_fail(1, AWS_ERROR_PERMANENT, "InvalidParameterValueException",
              "The receiveRequestAttemptId is not valid anymore since the receive call is not "
              "retryable.");
    assert_int_equal(fake_n_calls, 2);
    assert_int_equal(receiver_polls(receiver), 0);
    assert_int_equal(receiver_abandoned(receiver), 7);
}

static void standard_queue_reply_lost_during_a_stop_is_logged(void **state)
{
    set_up(queue(false, 1, 0));
    dispatch(7);
    receiver_stop(receiver, fake_now_usec, fake_now_usec + 20 * SEC);
    fake_fail(0, AWS_ERROR_TRANSIENT, "", "connection reset");
    assert_int_equal(fake_n_calls, 1);
    assert_int_equal(receiver_polls(receiver), 0);
    assert_int_equal(receiver_abandoned(receiver), 7);
}

/* On a FIFO queue the same attempt brings it, unless its id is no longer good. */
static void reply_lost_messages_are_visible_after_wait_and_timeout(void **state)
{
    for (int i = 0; i < 3; i++) {
        uint64_t lost_usec;

        set_up(queue(i > 0, 1, 0));
        dispatch(7);
        assert_int_equal(receiver_visible_usec(receiver), 0);
        fake_now_usec += SEC;
        lost_usec = fake_now_usec;
        assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
        if (i == 2) {
            fake_now_usec += RECEIVER_ATTEMPT_MAX_USEC;
            assert_true(fake_retry(0, AWS_ERROR_THROTTLED, "RequestThrottled"));
        }
        fake_answer(0, "{}");
        assert_int_equal(receiver_visible_usec(receiver), i == 1 ? 0 : lost_usec + 45 * SEC);
        tear_down(state);
    }
}

/* By then what was lost has come back. */
static void outcome_stays_in_doubt_as_long_as_messages_may_be_hidden(void **state)
{
    for (int i = 0; i < 2; i++) {
        set_up(queue(true, 1, 0));
        dispatch(7);
        assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
        fake_now_usec += 45 * SEC - 1 + i; /* the wait and the visibility timeout */
        fake_was_not_sent = true;
        receiver_stop(receiver, fake_now_usec, fake_now_usec + 20 * SEC);
        fake_fail(0, AWS_ERROR_TRANSIENT, "NetworkFailure", "connection refused");
        assert_int_equal(fake_n_calls, i == 0 ? 2 : 1);
        if (i == 0)
            fake_answer(1, "{}");
        assert_int_equal(receiver_polls(receiver), 0);
        tear_down(state);
    }
}

static void poll_refused_during_a_stop_is_not_repeated(void **state)
{
    set_up(queue(true, 1, 0));
    dispatch(7);
    receiver_stop(receiver, fake_now_usec, fake_now_usec + 20 * SEC);
    fake_fail(0, AWS_ERROR_THROTTLED, "RequestThrottled", "");
    assert_int_equal(fake_n_calls, 1);
    assert_int_equal(n_failed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(stop_with_time_lets_polls_end, tear_down),
        cmocka_unit_test_teardown(stop_too_short_for_a_poll_repeats_it_without_a_wait, tear_down),
        cmocka_unit_test_teardown(standard_queue_reply_lost_during_a_stop_is_logged, tear_down),
        cmocka_unit_test(reply_lost_messages_are_visible_after_wait_and_timeout),
        cmocka_unit_test_teardown(repeat_without_success_until_the_deadline_is_logged, tear_down),
        cmocka_unit_test_teardown(stop_too_short_ends_a_poll_that_waits_for_its_retry, tear_down),
        cmocka_unit_test_teardown(standard_queue_poll_goes_on_during_a_short_stop, tear_down),
        cmocka_unit_test_teardown(poll_stalls_during_a_stop_it_is_repeated_in_time, tear_down),
        cmocka_unit_test_teardown(standard_queue_poll_is_not_repeated, tear_down),
        cmocka_unit_test_teardown(reply_lost_during_a_stop_is_asked_for_again, tear_down),
        cmocka_unit_test_teardown(
            outcome_unknown_during_a_stop_is_asked_for_again_whatever_error_followed, tear_down),
        cmocka_unit_test_teardown(attempt_id_void_during_a_stop_is_logged_and_not_repeated,
                                  tear_down),
        cmocka_unit_test_teardown(outcome_stays_in_doubt_as_long_as_messages_may_be_hidden,
                                  tear_down),
        cmocka_unit_test_teardown(poll_refused_during_a_stop_is_not_repeated, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
