/* SPDX-License-Identifier: MIT */
/* The receiver with other options than it began with. */
#include "receiver-fixture.h"

static size_t first_open(void)
{
    size_t i = 0;

    while (!fake_calls[i].is_open)
        i++;
    return i;
}

static void more_polls_start_once_the_queue_is_busy(void **state)
{
    set_up(queue(true, 1, 0));
    dispatch(1000);
    fake_deliver(0, "abcdefghij", "m");
    dispatch(1000);
    assert_int_equal(receiver_polls(receiver), 1);
    receiver_reconfigure(receiver, 4, 10, 0);
    fake_deliver(1, "abcdefghij", "n");
    dispatch(1000);
    assert_int_equal(receiver_polls(receiver), 2);
    fake_deliver(2, "abcdefghij", "o");
    dispatch(1000);
    assert_int_equal(receiver_polls(receiver), 4);
}

static void fewer_polls_those_under_way_end_and_none_is_cancelled(void **state)
{
    set_up_busy(queue(true, 8, 0));
    dispatch(1000);
    assert_int_equal(receiver_polls(receiver), 8);
    receiver_reconfigure(receiver, 2, 10, 0);
    for (unsigned left = 7; left >= 2; left--) {
        fake_deliver(7 - left, "abcdefghij", "m");
        dispatch(1000);
        assert_int_equal(receiver_polls(receiver), left);
    }
    assert_int_equal(receiver_reserved(receiver), 20);
    for (unsigned i = 0; i < 5; i++) { /* whichever places are left */
        fake_deliver(first_open(), "abcdefghij", "m");
        dispatch(1000);
        assert_int_equal(receiver_polls(receiver), 2);
    }
}

/* A stop sees to the polls beyond the number that is configured now. */
static void fewer_polls_a_stop_repeats_all_that_are_late(void **state)
{
    set_up_busy(queue(true, 4, 0));
    dispatch(1000);
    receiver_reconfigure(receiver, 1, 10, 0);
    receiver_stop(receiver, fake_now_usec, fake_now_usec + 60 * SEC);
    fake_now_usec += 15 * SEC + RECEIVER_POLL_MARGIN_USEC;
    dispatch(0);
    assert_int_equal(fake_n_calls, 8);
    assert_int_equal(receiver_polls(receiver), 4);
}

/* Otherwise a poll that fails is tried until the stop's time is over. */
static void more_polls_a_stop_ends_the_retries_of_all(void **state)
{
    set_up(queue(true, 1, 0));
    receiver_reconfigure(receiver, 4, 10, 0);
    for (size_t i = 0; receiver_polls(receiver) < 4; i++) {
        dispatch(1000);
        if (receiver_polls(receiver) < 4)
            fake_deliver(i, "abcdefghij", "m");
    }
    receiver_stop(receiver, fake_now_usec, fake_now_usec + 60 * SEC);
    for (size_t i = 0; i < fake_n_calls; i++)
        assert_true(!fake_calls[i].is_open || fake_calls[i].is_last_attempt);
}

static void other_number_of_messages_is_asked_for(void **state)
{
    set_up(queue(false, 1, 0));
    dispatch(1000);
    assert_true(asks_for(0, 10));
    receiver_reconfigure(receiver, 1, 3, 0);
    assert_int_equal(receiver_reserved(receiver), 10);
    fake_deliver(0, "ab", "m");
    dispatch(1000);
    assert_true(asks_for(1, 3));
    assert_int_equal(receiver_reserved(receiver), 3);
    receiver_reconfigure(receiver, 1, 7, 0);
    fake_deliver(1, "ab", "m");
    dispatch(1000);
    assert_true(asks_for(2, 7));
}

static void pause_that_has_begun_gets_the_new_length(void **state)
{
    uint64_t ended_usec;

    set_up(queue(false, 1, 3600 * SEC));
    dispatch(1000);
    fake_answer(0, "{}");
    ended_usec = fake_now_usec;
    assert_int_equal(dispatch(1000), ended_usec + 3600 * SEC);
    fake_now_usec += 10 * SEC;
    receiver_reconfigure(receiver, 1, 10, 20 * SEC);
    assert_int_equal(dispatch(1000), ended_usec + 20 * SEC);
    receiver_reconfigure(receiver, 1, 10, 30 * SEC);
    assert_int_equal(dispatch(1000), ended_usec + 30 * SEC);
    receiver_reconfigure(receiver, 1, 10, 0);
    assert_int_equal(fake_n_calls, 1);
    dispatch(1000);
    assert_int_equal(fake_n_calls, 2);
}

/* No setting changes how long a refused receive and the start wait. */
static void other_pauses_stay(void **state)
{
    set_up(queue(false, 1, SEC));
    dispatch(1000);
    fake_fail(0, AWS_ERROR_PERMANENT, "InvalidAddress", "");
    receiver_reconfigure(receiver, 1, 10, 0);
    assert_int_equal(dispatch(1000), fake_now_usec + RECEIVER_REFUSED_PAUSE_USEC);
    tear_down(NULL);

    fake_reset();
    assert_int_equal(
        receiver_new(NULL, queue(false, 1, SEC), fake_now_usec + 2 * SEC, on_done, NULL, &receiver),
        0);
    receiver_reconfigure(receiver, 2, 10, 0);
    assert_int_equal(dispatch(1000), fake_now_usec + 2 * SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(more_polls_start_once_the_queue_is_busy, tear_down),
        cmocka_unit_test_teardown(fewer_polls_those_under_way_end_and_none_is_cancelled, tear_down),
        cmocka_unit_test_teardown(fewer_polls_a_stop_repeats_all_that_are_late, tear_down),
        cmocka_unit_test_teardown(more_polls_a_stop_ends_the_retries_of_all, tear_down),
        cmocka_unit_test_teardown(other_number_of_messages_is_asked_for, tear_down),
        cmocka_unit_test_teardown(pause_that_has_begun_gets_the_new_length, tear_down),
        cmocka_unit_test_teardown(other_pauses_stay, tear_down),
    };

    return cmocka_run_group_tests_name("consumerd-receiver-reconfigure", tests, NULL, NULL);
}
