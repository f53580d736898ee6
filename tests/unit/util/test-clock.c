/* SPDX-License-Identifier: MIT */
#include "util/clock.h"

#include "test.h"

static void clock_boot_is_microseconds_of_the_boot_clock(void **state)
{
    struct timespec before, after;
    uint64_t usec;

    clock_gettime(CLOCK_BOOTTIME, &before);
    usec = clock_boot_usec();
    clock_gettime(CLOCK_BOOTTIME, &after);
    assert_in_range(usec, (uint64_t)before.tv_sec * USEC_PER_SEC + (uint64_t)before.tv_nsec / 1000,
                    (uint64_t)after.tv_sec * USEC_PER_SEC + (uint64_t)after.tv_nsec / 1000);
}

static void clock_monotonic_is_microseconds_of_the_monotonic_clock(void **state)
{
    struct timespec before, after;
    uint64_t usec;

    clock_gettime(CLOCK_MONOTONIC, &before);
    usec = clock_monotonic_usec();
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_in_range(usec, (uint64_t)before.tv_sec * USEC_PER_SEC + (uint64_t)before.tv_nsec / 1000,
                    (uint64_t)after.tv_sec * USEC_PER_SEC + (uint64_t)after.tv_nsec / 1000);
}

static void clock_wall_is_time_since_the_epoch(void **state)
{
    time_t before = time(NULL), sec = clock_wall_sec();
    uint64_t usec = clock_wall_usec();

    assert_in_range(sec, before, time(NULL) + 1); /* time() may lag by a tick */
    assert_in_range(usec / USEC_PER_SEC, before, time(NULL) + 1);
}

static void clock_loop_is_constant_in_a_round_of_the_loop(void **state)
{
    sd_event *event = NULL;
    uint64_t start_usec;

    assert_true(sd_event_new(&event) >= 0);
    start_usec = clock_loop_usec(event); /* before the first round: now */
    assert_in_range(start_usec, 1, clock_boot_usec());
    assert_true(sd_event_run(event, 0) >= 0);
    start_usec = clock_loop_usec(event);
    while (clock_boot_usec() - start_usec < 2000) {
    }
    assert_int_equal(clock_loop_usec(event), start_usec);
    assert_true(sd_event_run(event, 0) >= 0);
    assert_true(clock_loop_usec(event) >= start_usec + 2000);
    sd_event_unref(event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_boot_is_microseconds_of_the_boot_clock),
        cmocka_unit_test(clock_monotonic_is_microseconds_of_the_monotonic_clock),
        cmocka_unit_test(clock_wall_is_time_since_the_epoch),
        cmocka_unit_test(clock_loop_is_constant_in_a_round_of_the_loop),
    };

    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
