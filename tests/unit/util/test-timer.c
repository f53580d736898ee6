/* SPDX-License-Identifier: MIT */
#include "util/timer.h"

#include "test-loop.h"
#include "util/clock.h"

static sd_event *event;
static struct timer timer;
static unsigned n_calls;
static uint64_t again_usec; /* what the function sets the timer to; 0: nothing */

static void on_time(void *userdata)
{
    assert_ptr_equal(userdata, &timer);
    assert_false(timer_is_set(&timer));
    n_calls++;
    if (again_usec > 0) {
        assert_int_equal(timer_set(&timer, again_usec), 0);
        again_usec = 0;
    }
}

static int set_up(void **state)
{
    n_calls = 0;
    again_usec = 0;
    assert_true(sd_event_new(&event) >= 0);
    assert_true(timer_init(&timer, event, USEC_PER_MSEC, on_time, &timer) >= 0);
    return 0;
}

static int tear_down(void **state)
{
    timer_done(&timer);
    event = sd_event_unref(event);
    return 0;
}

static void timer_new_is_off(void **state)
{
    assert_true(timer_is_initialized(&timer));
    assert_false(timer_is_set(&timer));
    assert_int_equal(timer_usec(&timer), USEC_INFINITY);
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(n_calls, 0);
}

static void timer_set_calls_once_and_not_before_its_time(void **state)
{
    uint64_t due_usec = clock_boot_usec() + 30 * USEC_PER_MSEC;

    assert_int_equal(timer_set(&timer, due_usec), 0);
    assert_int_equal(timer_usec(&timer), due_usec);
    run_until(event, &n_calls, 1);
    assert_true(clock_boot_usec() >= due_usec);
    run_for(event, 60 * USEC_PER_MSEC);
    assert_int_equal(n_calls, 1);
}

static void timer_set_to_the_past_calls_at_once(void **state)
{
    assert_int_equal(timer_set(&timer, 1), 0);
    run_until(event, &n_calls, 1);
}

static void timer_set_after_counts_from_the_loops_time(void **state)
{
    uint64_t loop_usec;

    assert_true(sd_event_run(event, 0) >= 0);
    loop_usec = clock_loop_usec(event);
    assert_int_equal(timer_set_after(&timer, 50), 0);
    assert_int_equal(timer_usec(&timer), loop_usec + 50);
    assert_int_equal(timer_set_after(&timer, USEC_INFINITY), 0);
    assert_false(timer_is_set(&timer));
    assert_int_equal(timer_set_after(&timer, USEC_INFINITY - 1), 0);
    assert_false(timer_is_set(&timer));
}

static void timer_set_to_infinity_is_off(void **state)
{
    assert_int_equal(timer_set_after(&timer, 0), 0);
    assert_int_equal(timer_set(&timer, USEC_INFINITY), 0);
    assert_false(timer_is_set(&timer));
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(n_calls, 0);
}

static void timer_stopped_does_not_call_and_can_be_set_again(void **state)
{
    uint64_t due_usec = clock_boot_usec();

    assert_int_equal(timer_set(&timer, due_usec), 0);
    timer_stop(&timer);
    timer_stop(&timer);
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(n_calls, 0);
    assert_int_equal(timer_set(&timer, due_usec), 0); /* to the same moment as before */
    run_until(event, &n_calls, 1);
}

static void timer_set_in_its_function_calls_again(void **state)
{
    assert_int_equal(timer_set(&timer, 1), 0);
    again_usec = 1; /* the same moment as the one that it was called for */
    run_until(event, &n_calls, 2);
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(n_calls, 2);
}

static void timer_set_early_moves_only_forward(void **state)
{
    uint64_t now_usec = clock_boot_usec(), near_usec = now_usec + 60 * USEC_PER_SEC;

    assert_int_equal(timer_set_no_later(&timer, USEC_INFINITY), 0);
    assert_false(timer_is_set(&timer));
    assert_int_equal(timer_set_no_later(&timer, near_usec), 0);
    assert_int_equal(timer_usec(&timer), near_usec);
    assert_int_equal(timer_set_no_later(&timer, near_usec + 1), 0);
    assert_int_equal(timer_set_no_later(&timer, USEC_INFINITY), 0);
    assert_int_equal(timer_usec(&timer), near_usec);
    assert_int_equal(timer_set_no_later(&timer, now_usec), 0);
    run_until(event, &n_calls, 1);
}

static void timer_done_is_zero_and_never_calls(void **state)
{
    assert_int_equal(timer_set_after(&timer, 0), 0);
    timer_done(&timer);
    assert_false(timer_is_initialized(&timer));
    assert_false(timer_is_set(&timer));
    timer_stop(&timer);
    timer_done(&timer);
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(n_calls, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(timer_new_is_off),
        TEST(timer_set_calls_once_and_not_before_its_time),
        TEST(timer_set_to_the_past_calls_at_once),
        TEST(timer_set_after_counts_from_the_loops_time),
        TEST(timer_set_to_infinity_is_off),
        TEST(timer_stopped_does_not_call_and_can_be_set_again),
        TEST(timer_set_in_its_function_calls_again),
        TEST(timer_set_early_moves_only_forward),
        TEST(timer_done_is_zero_and_never_calls),
    };

    return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
