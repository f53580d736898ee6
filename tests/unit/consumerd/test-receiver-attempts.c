/* SPDX-License-Identifier: MIT */
/* ReceiveRequestAttemptId: when it is kept, and when it is replaced. */
#include "receiver-fixture.h"

static void attempt_id_is_new_for_each_receive(void **state)
{
    set_up_busy(queue(true, 2, 0));
    dispatch(20);
    fake_deliver(0, "a", "m");
    dispatch(20);
    assert_string_not_equal(attempt_id(0), attempt_id(1));
    assert_string_not_equal(attempt_id(0), attempt_id(2));
}

static void attempt_id_is_kept_while_the_outcome_is_unknown(void **state)
{
    const char *id;

    set_up(queue(true, 1, 0));
    dispatch(10);
    id = attempt_id(0);
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
    assert_string_equal(attempt_id(0), id);
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "InternalError"));
    assert_string_equal(attempt_id(0), id);
    fake_now_usec += RECEIVER_ATTEMPT_MAX_USEC - 1;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
    assert_string_equal(attempt_id(0), id);
    fake_now_usec += 1;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
    assert_string_not_equal(attempt_id(0), id);
}

static void attempt_id_is_renewed_after_an_error_of_sqs(void **state)
{
    static const enum aws_error_class classes[] = {AWS_ERROR_THROTTLED, AWS_ERROR_PERMANENT};

    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        const char *id;

        set_up(queue(true, 1, 0));
        dispatch(10);
        id = attempt_id(0);
        assert_true(fake_retry(0, classes[i], "x"));
        assert_string_not_equal(attempt_id(0), id);
        id = attempt_id(0);
        assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
        assert_string_equal(attempt_id(0), id);
        tear_down(NULL);
    }
}

/* Refused keys and a wrong clock are of the front door; what found no connection has not come even
 * there. */
static void attempt_id_is_kept_if_sqs_was_not_reached(void **state)
{
    const char *id;

    set_up(queue(true, 1, 0));
    dispatch(10);
    id = attempt_id(0);
    assert_true(fake_retry(0, AWS_ERROR_CREDENTIALS, "ExpiredTokenException"));
    assert_true(fake_retry(0, AWS_ERROR_CLOCK, "RequestExpired"));
    fake_was_not_sent = true;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    assert_string_equal(attempt_id(0), id);
    /* And none of it is a reply that was lost. */
    fake_was_not_sent = false;
    assert_true(fake_retry(0, AWS_ERROR_THROTTLED, "RequestThrottled"));
    assert_string_not_equal(attempt_id(0), id);
}

static void attempt_id_in_doubt_is_kept_whatever_error_follows(void **state)
{
    static const enum aws_error_class classes[] = {AWS_ERROR_CREDENTIALS, AWS_ERROR_CLOCK,
                                                   AWS_ERROR_THROTTLED, AWS_ERROR_PERMANENT};
    const char *id;

    set_up(queue(true, 1, 0));
    dispatch(10);
    id = attempt_id(0);
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        assert_true(fake_retry(0, classes[i], "x"));
        assert_string_equal(attempt_id(0), id);
    }
    /* A new one begins without the old one's doubt. */
    fake_now_usec += RECEIVER_ATTEMPT_MAX_USEC;
    assert_true(fake_retry(0, AWS_ERROR_CREDENTIALS, "x"));
    assert_string_not_equal(attempt_id(0), id);
    id = attempt_id(0);
    assert_true(fake_retry(0, AWS_ERROR_THROTTLED, "x"));
    assert_string_not_equal(attempt_id(0), id);
}

/* And the doubt ends: with the same id SQS may answer from memory, at once. */
static void attempt_id_is_renewed_after_an_early_empty_reply(void **state)
{
    const char *id;

    set_up(queue(true, 1, 0));
    dispatch(10);
    id = attempt_id(0);
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, SQS_ERROR_TOO_EARLY));
    assert_string_not_equal(attempt_id(0), id);
    id = attempt_id(0);
    assert_true(fake_retry(0, AWS_ERROR_THROTTLED, "RequestThrottled"));
    assert_string_not_equal(attempt_id(0), id);
}

/* With the id SQS brings the same again, so it is kept for one more try. */
static void attempt_id_is_renewed_with_fewer_messages_after_two_stalls(void **state)
{
    const char *id;

    set_up(queue(true, 1, 0));
    dispatch(10);
    id = attempt_id(0);
    assert_true(stall(0));
    assert_string_equal(attempt_id(0), id);
    assert_true(asks_for(0, 10));
    assert_true(stall(0));
    assert_string_not_equal(attempt_id(0), id);
    assert_true(asks_for(0, 2));
    assert_int_equal(receiver_reserved(receiver), 2);
    assert_true(receiver_visible_usec(receiver) >= fake_now_usec + 45 * SEC);
}

static void attempt_id_void_is_replaced_at_once_and_a_refusal_waits(void **state)
{
    const char *id;

    set_up(queue(true, 1, SEC));
    dispatch(10);
    id = attempt_id(0);
    fake_fail(0, AWS_ERROR_PERMANENT, "InvalidParameterValueException",
              "The receiveRequestAttemptId is not valid anymore since the receive call is not "
              "retryable.");
    assert_int_equal(n_failed, 1);
    assert_int_equal(dispatch(10), USEC_INFINITY);
    assert_int_equal(fake_n_calls, 2);
    assert_string_not_equal(attempt_id(1), id);
    fake_fail(1, AWS_ERROR_PERMANENT, "UnsupportedOperation", "no");
    assert_int_equal(dispatch(10), fake_now_usec + RECEIVER_REFUSED_PAUSE_USEC);
}

static void standard_queue_has_no_attempt_ids(void **state)
{
    set_up(queue(false, 1, 0));
    dispatch(10);
    assert_null(strstr(fake_request(0), "AttemptId"));
    assert_true(fake_retry(0, AWS_ERROR_THROTTLED, "RequestThrottled"));
    assert_null(strstr(fake_request(0), "AttemptId"));
    fake_fail(0, AWS_ERROR_PERMANENT, "x", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(attempt_id_is_new_for_each_receive, tear_down),
        cmocka_unit_test_teardown(attempt_id_is_kept_while_the_outcome_is_unknown, tear_down),
        cmocka_unit_test_teardown(attempt_id_is_renewed_after_an_error_of_sqs, tear_down),
        cmocka_unit_test_teardown(attempt_id_is_kept_if_sqs_was_not_reached, tear_down),
        cmocka_unit_test_teardown(attempt_id_in_doubt_is_kept_whatever_error_follows, tear_down),
        cmocka_unit_test_teardown(attempt_id_is_renewed_after_an_early_empty_reply, tear_down),
        cmocka_unit_test_teardown(attempt_id_is_renewed_with_fewer_messages_after_two_stalls,
                                  tear_down),
        cmocka_unit_test_teardown(attempt_id_void_is_replaced_at_once_and_a_refusal_waits,
                                  tear_down),
        cmocka_unit_test_teardown(standard_queue_has_no_attempt_ids, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
