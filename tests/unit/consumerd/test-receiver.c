/* SPDX-License-Identifier: MIT */
/* How many polls, for how many messages, and when. */
#include "receiver-fixture.h"

static size_t first_open(void)
{
    size_t i = 0;

    while (!fake_calls[i].is_open)
        i++;
    return i;
}

static void poll_asks_for_as_many_as_there_is_capacity_for(void **state)
{
    set_up(queue(false, 1, 0));
    assert_int_equal(dispatch(0), USEC_INFINITY);
    assert_int_equal(fake_n_calls, 0);
    assert_int_equal(dispatch(3), USEC_INFINITY);
    assert_int_equal(fake_n_calls, 1);
    assert_string_equal(fake_request(0),
                        "{\"QueueUrl\":\"q\",\"MaxNumberOfMessages\":3,\"WaitTimeSeconds\":15,"
                        "\"VisibilityTimeout\":30,\"MessageSystemAttributeNames\":[\"All\"],"
                        "\"MessageAttributeNames\":[\"All\"]}");
    assert_int_equal(fake_calls[0].options.wait_usec, 15 * SEC);
    assert_int_equal(receiver_reserved(receiver), 3);
    assert_int_equal(receiver_polls(receiver), 1);
    fake_answer(0, "{}");
    assert_int_equal(receiver_reserved(receiver), 0);
    assert_int_equal(n_done, 1);
}

static void poll_with_one_free_slot_may_bring_others(void **state)
{
    set_up(queue(true, 1, 0));
    dispatch_since(1, 10, 0);
    assert_non_null(strstr(fake_request(0), "\"MaxNumberOfMessages\":10"));
}

static void further_polls_start_only_if_they_can_be_full(void **state)
{
    set_up_busy(queue(true, 4, 0));
    dispatch(25);
    assert_int_equal(fake_n_calls, 2);
    assert_int_equal(receiver_reserved(receiver), 20);
    dispatch(5);
    assert_int_equal(fake_n_calls, 2);
    fake_deliver(0, "a", "m");
    fake_deliver(1, "a", "m");
    dispatch(5);
    assert_int_equal(fake_n_calls, 3);
    assert_int_equal(receiver_reserved(receiver), 5);
    dispatch(1000);
    assert_int_equal(receiver_polls(receiver), 4);
}

static void idle_queue_has_one_poll_at_a_time(void **state)
{
    set_up(queue(true, 32, 0));
    dispatch(1000);
    assert_int_equal(receiver_polls(receiver), 1);
    fake_answer(0, "{}");
    dispatch(1000);
    assert_int_equal(receiver_polls(receiver), 1);
}

static void full_receives_double_the_polls_and_empty_ones_halve_them(void **state)
{
    static const unsigned polls[] = {1, 2, 4, 7, 7};

    set_up(queue(true, 7, 0));
    for (size_t i = 0; i < ARRAY_SIZE(polls); i++) {
        dispatch(1000);
        assert_int_equal(receiver_polls(receiver), polls[i]);
        fake_deliver(first_open(), "abcdefghij", "m");
    }
    fake_deliver(first_open(), "abcdefghi", "m"); /* neither full nor empty */
    dispatch(1000);
    assert_int_equal(receiver_polls(receiver), 7);
    fake_answer(first_open(), "{}");
    fake_answer(first_open(), "{}");
    dispatch(1000);
    assert_int_equal(receiver_polls(receiver), 5); /* those under way are let end */
    while (receiver_polls(receiver) > 0)
        fake_answer(first_open(), "{}");
    dispatch(1000);
    assert_int_equal(receiver_polls(receiver), 1);
}

static void poll_that_pauses_is_not_replaced(void **state)
{
    set_up(queue(true, 4, 500 * MSEC));
    dispatch(1000);
    fake_answer(0, "{}");
    assert_int_equal(dispatch(1000), fake_now_usec + 500 * MSEC);
    assert_int_equal(fake_n_calls, 1);
    fake_now_usec += 500 * MSEC;
    dispatch(1000);
    assert_int_equal(fake_n_calls, 2);
}

static void poll_refused_is_repeated_after_five_seconds(void **state)
{
    set_up(queue(true, 1, 0));
    dispatch(7);
    fake_fail(0, AWS_ERROR_PERMANENT, "InvalidParameterValueException", "no");
    assert_int_equal(dispatch(7), fake_now_usec + 5 * SEC);
    fake_now_usec += 5 * SEC - 1;
    dispatch(7);
    assert_int_equal(fake_n_calls, 1);
    fake_now_usec++;
    dispatch(7);
    assert_int_equal(fake_n_calls, 2);
}

static void poll_pauses_after_a_poll_and_after_full_capacity(void **state)
{
    set_up(queue(true, 1, 500 * MSEC));
    dispatch(1);
    fake_answer(0, "{}");
    assert_int_equal(dispatch(1), fake_now_usec + 500 * MSEC);
    fake_now_usec += 300 * MSEC;
    assert_int_equal(dispatch_since(1, 1, fake_now_usec), fake_now_usec + 500 * MSEC);
    fake_now_usec += 200 * MSEC;
    assert_int_equal(fake_n_calls, 1);
    assert_int_equal(dispatch(1), USEC_INFINITY);
    assert_int_equal(fake_n_calls, 2);
}

static void poll_does_not_start_before_start_usec(void **state)
{
    fake_reset();
    assert_int_equal(
        receiver_new(NULL, queue(true, 1, 0), fake_now_usec + SEC, on_done, NULL, &receiver), 0);
    assert_int_equal(dispatch(1), fake_now_usec + SEC);
    assert_int_equal(fake_n_calls, 0);
    fake_now_usec += SEC;
    dispatch(1);
    assert_int_equal(fake_n_calls, 1);
}

static void stall_halves_the_messages_of_a_poll_down_to_one(void **state)
{
    static const unsigned wanted[] = {5, 2, 1, 1};

    set_up(queue(false, 1, 0));
    dispatch(10);
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        assert_true(stall(0));
        assert_true(asks_for(0, wanted[i]));
        assert_int_equal(receiver_reserved(receiver), wanted[i]);
    }
    /* Full ones let it grow again, step by step. */
    fake_deliver(0, "a", "m");
    dispatch(10);
    assert_true(asks_for(1, 2));
    fake_deliver(1, "a", "m"); /* not full */
    dispatch(10);
    assert_true(asks_for(2, 2));
    assert_int_equal(receiver_reserved(receiver), 2);
}

static void stall_halves_the_polls(void **state)
{
    set_up_busy(queue(false, 4, 0));
    dispatch(1000);
    assert_int_equal(receiver_polls(receiver), 4);
    /* They stalled together, which counts once: two go on, with half of the messages. */
    assert_false(stall(0));
    assert_false(stall(1));
    assert_true(stall(2));
    assert_true(stall(3));
    assert_true(asks_for(2, 5) && asks_for(3, 5));
    assert_int_equal(n_failed, 2);
    dispatch(1000);
    assert_int_equal(receiver_polls(receiver), 2);
    assert_int_equal(receiver_reserved(receiver), 10);
    /* What they were given is away for a while. */
    assert_true(receiver_visible_usec(receiver) >= fake_now_usec + 45 * SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(poll_asks_for_as_many_as_there_is_capacity_for, tear_down),
        cmocka_unit_test_teardown(poll_with_one_free_slot_may_bring_others, tear_down),
        cmocka_unit_test_teardown(further_polls_start_only_if_they_can_be_full, tear_down),
        cmocka_unit_test_teardown(idle_queue_has_one_poll_at_a_time, tear_down),
        cmocka_unit_test_teardown(full_receives_double_the_polls_and_empty_ones_halve_them,
                                  tear_down),
        cmocka_unit_test_teardown(poll_that_pauses_is_not_replaced, tear_down),
        cmocka_unit_test_teardown(poll_refused_is_repeated_after_five_seconds, tear_down),
        cmocka_unit_test_teardown(poll_pauses_after_a_poll_and_after_full_capacity, tear_down),
        cmocka_unit_test_teardown(poll_does_not_start_before_start_usec, tear_down),
        cmocka_unit_test_teardown(stall_halves_the_messages_of_a_poll_down_to_one, tear_down),
        cmocka_unit_test_teardown(stall_halves_the_polls, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
