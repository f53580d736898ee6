/* SPDX-License-Identifier: MIT */
#include "aws/clock-skew.h"
#include "test.h"

enum {
    BOOT = 1000,       /* the boot clock, in seconds, where a test begins */
    TRUE = 1796000000, /* AWS's clock then: 2026-11-30 */
    HOUR = 3600,
    YEAR = 365 * 24 * 3600,
};

static struct clock_skew skew;
static enum clock_skew_change change;

static int reset(void **state)
{
    skew = (struct clock_skew){};
    return 0;
}

/* After so many seconds, on a machine whose clock is off by that much. */
static struct clock_reading after(int64_t sec, int64_t ahead_sec)
{
    return (struct clock_reading){.wall_sec = TRUE + sec + ahead_sec,
                                  .boot_usec = (uint64_t)(BOOT + sec) * USEC_PER_SEC};
}

/* How far the next signature's time is off AWS's clock. */
static int64_t error_sec(int64_t sec, int64_t ahead_sec)
{
    struct clock_reading now = after(sec, ahead_sec);

    return clock_skew_signing_time(&skew, &now, &change) - (TRUE + sec);
}

/* A request signed now is refused at once. `server`: what the refusal says AWS's clock shows; 0:
 * nothing. */
static bool refuse(int64_t sec, int64_t ahead_sec, bool is_about_time, time_t server)
{
    struct clock_reading now = after(sec, ahead_sec);
    enum clock_skew_change ignored;
    const struct clock_refusal refusal = {
        .signed_sec = clock_skew_signing_time(&skew, &now, &ignored),
        .signed_usec = now.boot_usec,
        .is_about_time = is_about_time,
        .has_server_time = server != 0,
        .server_sec = server,
    };

    return clock_skew_refused(&skew, &refusal, &now, &change);
}

static void accept_one(int64_t sec, int64_t ahead_sec)
{
    struct clock_reading now = after(sec, ahead_sec);
    time_t t = clock_skew_signing_time(&skew, &now, &change);

    clock_skew_accepted(&skew, t, now.boot_usec);
}

static void skew_unknown_own_clock_is_signed_with(void **state)
{
    assert_int_equal(error_sec(0, 0), 0);
    assert_int_equal(error_sec(10, -7 * HOUR), -7 * HOUR);
    assert_int_equal(change, CLOCK_SKEW_UNCHANGED);
    accept_one(20, 5);
    assert_false(skew.is_known);
}

static void skew_told_by_a_refusal_is_signed_with(void **state)
{
    static const int64_t off[] = {-HOUR, HOUR, 58LL * YEAR, -56LL * YEAR, 1000, -1000, 240, -240};

    for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
        struct clock_reading now = after(3, off[i]);

        reset(NULL);
        assert_true(refuse(3, off[i], true, TRUE + 3));
        assert_int_equal(change, CLOCK_SKEW_LEARNT);
        assert_int_equal(clock_skew_sec(&skew, &now), -off[i]);
        assert_int_equal(error_sec(5, off[i]), 0);
        assert_int_equal(change, CLOCK_SKEW_UNCHANGED);
    }
}

static void skew_small_is_not_learnt(void **state)
{
    assert_false(refuse(0, 239, true, TRUE));
    assert_int_equal(change, CLOCK_SKEW_UNCHANGED);
    assert_false(refuse(0, -239, false, TRUE));
    assert_false(skew.is_known);
}

static void server_time_impossible_is_ignored(void **state)
{
    static const time_t times[] = {
        -2208988800, 253402300799, SERVER_TIME_MIN - 1, SERVER_TIME_MAX + 1,
        1,           -1,           INT64_MAX / 2,       INT64_MIN / 2,
    };

    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        reset(NULL);
        assert_false(refuse(0, 0, true, times[i]));
        assert_int_equal(change, CLOCK_SKEW_UNCHANGED);
        assert_int_equal(error_sec(1, 0), 0);
    }
    assert_true(server_time_is_plausible(SERVER_TIME_MIN));
    assert_true(server_time_is_plausible(SERVER_TIME_MAX));
}

static void estimate_refused_is_dropped(void **state)
{
    /* One bad server has said 2090; the next says what is true, or nothing, or nonsense. */
    static const time_t next[] = {TRUE + 1, 0, 1};

    for (size_t i = 0; i < ARRAY_SIZE(next); i++) {
        reset(NULL);
        assert_true(refuse(0, 0, true, TRUE + 64LL * YEAR));
        assert_int_equal(error_sec(1, 0), 64LL * YEAR);
        assert_true(refuse(1, 0, true, next[i]));
        assert_int_equal(change, next[i] == TRUE + 1 ? CLOCK_SKEW_ENDED : CLOCK_SKEW_DROPPED);
        assert_int_equal(error_sec(1, 0), 0);
    }

    /* A server that repeats its time and still refuses it. */
    reset(NULL);
    assert_true(refuse(0, 0, true, TRUE + HOUR));
    assert_true(refuse(1, 0, true, TRUE + HOUR + 1));
    assert_int_equal(change, CLOCK_SKEW_DROPPED);
    assert_int_equal(error_sec(1, 0), 0);

    /* Also when it had been confirmed: the virtual machine stood still, and its boot clock. */
    reset(NULL);
    assert_true(refuse(0, -HOUR, true, TRUE));
    accept_one(1, -HOUR);
    assert_true(refuse(10, -HOUR, true, 0));
    assert_int_equal(change, CLOCK_SKEW_DROPPED);
}

static void estimate_secret_is_wrong_is_kept(void **state)
{
    assert_true(refuse(0, -HOUR, true, TRUE));
    assert_false(refuse(1, -HOUR, false, TRUE + 1));
    assert_int_equal(change, CLOCK_SKEW_UNCHANGED);
    assert_int_equal(error_sec(2, -HOUR), 0);
    accept_one(2, -HOUR);
    assert_false(refuse(3, -HOUR, false, 0));
    assert_int_equal(error_sec(3, -HOUR), 0);

    /* Not confirmed, and no time told: it may be that. */
    reset(NULL);
    assert_true(refuse(0, 0, true, TRUE + HOUR));
    assert_true(refuse(1, 0, false, 0));
    assert_int_equal(change, CLOCK_SKEW_DROPPED);
}

static void estimate_unconfirmed_ends_by_its_age(void **state)
{
    assert_true(refuse(0, 0, true, TRUE + HOUR));
    assert_int_equal(error_sec(300, 0), HOUR);
    assert_int_equal(change, CLOCK_SKEW_UNCHANGED);
    assert_int_equal(error_sec(301, 0), 0);
    assert_int_equal(change, CLOCK_SKEW_DROPPED);

    /* Told again, it is as new. */
    assert_true(refuse(400, 0, true, TRUE + 400 + HOUR));
    assert_false(refuse(600, 0, false, TRUE + 600 + HOUR));
    assert_int_equal(error_sec(800, 0), HOUR);

    /* Confirmed, it stays. */
    accept_one(800, 0);
    assert_int_equal(error_sec(1000000, 0), HOUR);
    assert_int_equal(change, CLOCK_SKEW_UNCHANGED);
}

static void signing_time_own_clock_is_set_stays_right(void **state)
{
    assert_true(refuse(0, 58LL * YEAR, true, TRUE));
    accept_one(1, 58LL * YEAR);

    /* Set, but not well. */
    assert_int_equal(error_sec(2, -HOUR), 0);
    assert_int_equal(change, CLOCK_SKEW_UNCHANGED);
    /* Set well. */
    assert_int_equal(error_sec(3, 1), 1);
    assert_int_equal(change, CLOCK_SKEW_ENDED);
    assert_int_equal(error_sec(4, 1), 1);
    assert_int_equal(change, CLOCK_SKEW_UNCHANGED);
}

static void request_refused_own_clock_was_set_meanwhile_is_repeated(void **state)
{
    struct clock_reading then = after(0, HOUR), now = after(1, 0);
    const struct clock_refusal refusal = {
        .signed_sec = then.wall_sec,
        .signed_usec = then.boot_usec,
        .is_about_time = true,
        .has_server_time = true,
        .server_sec = TRUE + 1,
    };

    assert_true(clock_skew_refused(&skew, &refusal, &now, &change));
    assert_int_equal(change, CLOCK_SKEW_UNCHANGED);
    assert_false(skew.is_known);
}

static void request_refused_another_has_learnt_is_repeated(void **state)
{
    struct clock_reading now = after(1, HOUR);
    const struct clock_refusal refusal = {
        .signed_sec = TRUE + HOUR,
        .signed_usec = (uint64_t)BOOT * USEC_PER_SEC,
        .is_about_time = true,
        .has_server_time = true,
        .server_sec = TRUE + 1,
    };

    assert_true(refuse(0, HOUR, true, TRUE));
    assert_true(clock_skew_refused(&skew, &refusal, &now, &change));
    assert_int_equal(change, CLOCK_SKEW_UNCHANGED);
}

static void change_is_left_it_is_taken_once_and_the_last_counts(void **state)
{
    assert_int_equal(clock_skew_take_change(&skew), CLOCK_SKEW_UNCHANGED);
    clock_skew_leave_change(&skew, CLOCK_SKEW_LEARNT);
    clock_skew_leave_change(&skew, CLOCK_SKEW_UNCHANGED);
    assert_int_equal(clock_skew_take_change(&skew), CLOCK_SKEW_LEARNT);
    assert_int_equal(clock_skew_take_change(&skew), CLOCK_SKEW_UNCHANGED);
    clock_skew_leave_change(&skew, CLOCK_SKEW_LEARNT);
    clock_skew_leave_change(&skew, CLOCK_SKEW_DROPPED);
    assert_int_equal(clock_skew_take_change(&skew), CLOCK_SKEW_DROPPED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(skew_unknown_own_clock_is_signed_with, reset),
        cmocka_unit_test_setup(skew_told_by_a_refusal_is_signed_with, reset),
        cmocka_unit_test_setup(skew_small_is_not_learnt, reset),
        cmocka_unit_test_setup(server_time_impossible_is_ignored, reset),
        cmocka_unit_test_setup(estimate_refused_is_dropped, reset),
        cmocka_unit_test_setup(estimate_secret_is_wrong_is_kept, reset),
        cmocka_unit_test_setup(estimate_unconfirmed_ends_by_its_age, reset),
        cmocka_unit_test_setup(signing_time_own_clock_is_set_stays_right, reset),
        cmocka_unit_test_setup(request_refused_own_clock_was_set_meanwhile_is_repeated, reset),
        cmocka_unit_test_setup(request_refused_another_has_learnt_is_repeated, reset),
        cmocka_unit_test_setup(change_is_left_it_is_taken_once_and_the_last_counts, reset),
    };

    return cmocka_run_group_tests_name("aws-clock-skew", tests, NULL, NULL);
}
