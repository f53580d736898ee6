/* SPDX-License-Identifier: MIT */
#include "aws/clock-correction.h"
#include "aws/sigv4-time.h"
#include "test.h"

#include <stdio.h>

enum {
    BOOT_SEC = 1000,
    TRUE_SEC = 1796000000, /* AWS's clock then: 2026-11-30 */
    HOUR_SEC = 3600,
};

static struct clock_skew skew;
static struct clock_correction correction;
static struct clock_lesson lesson;

static int reset(void **state)
{
    skew = (struct clock_skew){};
    correction = (struct clock_correction){};
    lesson = (struct clock_lesson){};
    return 0;
}

/* On a machine whose clock is an hour ahead. */
static struct clock_reading now_at(unsigned sec)
{
    return (struct clock_reading){.wall_sec = TRUE_SEC + HOUR_SEC + sec,
                                  .boot_usec = (BOOT_SEC + sec) * USEC_PER_SEC};
}

static void sign_at(unsigned sec)
{
    struct clock_reading now = now_at(sec);

    clock_correction_sign(&correction, &skew, &now);
}

/* `server_sec`: the server's clock, which the text names; 0: no text. */
static void refuse_at(unsigned sec, enum aws_error_class class, time_t server_sec)
{
    struct clock_reading now = now_at(sec);
    char when[AWS_TIME_SIZE], text[128];

    aws_time_format(server_sec, when);
    snprintf(text, sizeof(text), "Signature not yet current: (%s + 15 min.)", when);
    clock_correction_refused(&correction, &skew, &now, class, NULL, server_sec ? text : NULL,
                             &lesson);
}

static void clock_correction_first_attempt_signs_with_this_machines_clock(void **state)
{
    sign_at(7);
    assert_int_equal(correction.signed_sec, TRUE_SEC + HOUR_SEC + 7);
    assert_int_equal(correction.signed_usec, (BOOT_SEC + 7) * USEC_PER_SEC);
}

static void clock_correction_refused_with_the_time_signs_with_it_at_once(void **state)
{
    sign_at(0);
    refuse_at(1, AWS_ERROR_CLOCK, TRUE_SEC + 1);
    assert_true(lesson.is_time_corrected);
    assert_false(lesson.is_server_time_implausible);
    assert_int_equal(lesson.change, CLOCK_SKEW_LEARNT);
    sign_at(2);
    assert_int_equal(correction.signed_sec, TRUE_SEC + 2);
}

/* A proxy may have set the Date. */
static void clock_correction_date_counts_before_the_text_if_it_is_plausible(void **state)
{
    static const struct {
        const char *date;
        time_t signed_sec;
    } rows[] = {
        {"Mon, 30 Nov 2026 00:53:20 GMT", TRUE_SEC},
        {"Thu, 01 Jan 1970 00:00:00 GMT", TRUE_SEC - HOUR_SEC},
        {"today", TRUE_SEC - HOUR_SEC},
        {NULL, TRUE_SEC - HOUR_SEC},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct clock_reading now = now_at(0);

        reset(NULL);
        sign_at(0);
        clock_correction_refused(&correction, &skew, &now, AWS_ERROR_CLOCK, rows[i].date,
                                 "Signature not yet current: (20261129T235320Z + 15 min.)",
                                 &lesson);
        assert_true(lesson.is_time_corrected);
        assert_false(lesson.is_server_time_implausible);
        sign_at(0);
        assert_int_equal(correction.signed_sec, rows[i].signed_sec);
    }
}

static void clock_correction_refused_without_a_time_has_no_better_one(void **state)
{
    sign_at(0);
    refuse_at(1, AWS_ERROR_CREDENTIALS, 0);
    assert_false(lesson.is_time_corrected);
    assert_int_equal(lesson.change, CLOCK_SKEW_UNCHANGED);
}

static void clock_correction_server_time_implausible_teaches_nothing(void **state)
{
    sign_at(0);
    refuse_at(1, AWS_ERROR_CLOCK, HOUR_SEC);
    assert_true(lesson.is_server_time_implausible);
    assert_int_equal(lesson.server_sec, HOUR_SEC);
    assert_false(lesson.is_time_corrected);
    assert_false(skew.is_known);

    /* A wrong key is refused whatever the server's clock shows. */
    refuse_at(1, AWS_ERROR_CREDENTIALS, HOUR_SEC);
    assert_false(lesson.is_server_time_implausible);
}

/* Each time the server's clock shows another hour. */
static unsigned count_corrections(unsigned attempts)
{
    unsigned n = 0;

    for (unsigned i = 1; i <= attempts; i++) {
        sign_at(i);
        refuse_at(i, AWS_ERROR_CLOCK, TRUE_SEC + (time_t)i * 5 * HOUR_SEC);
        n += lesson.is_time_corrected;
    }
    return n;
}

static void clock_correction_server_contradicts_itself_corrections_end(void **state)
{
    assert_int_equal(count_corrections(10), CLOCK_CORRECTIONS_MAX);
}

static void clock_correction_accepted_allows_new_corrections(void **state)
{
    assert_int_equal(count_corrections(10), CLOCK_CORRECTIONS_MAX);
    sign_at(11);
    clock_correction_accepted(&correction, &skew);
    assert_true(skew.is_confirmed);
    refuse_at(12, AWS_ERROR_CLOCK, TRUE_SEC);
    assert_true(lesson.is_time_corrected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(clock_correction_first_attempt_signs_with_this_machines_clock,
                               reset),
        cmocka_unit_test_setup(clock_correction_refused_with_the_time_signs_with_it_at_once, reset),
        cmocka_unit_test_setup(clock_correction_date_counts_before_the_text_if_it_is_plausible,
                               reset),
        cmocka_unit_test_setup(clock_correction_refused_without_a_time_has_no_better_one, reset),
        cmocka_unit_test_setup(clock_correction_server_time_implausible_teaches_nothing, reset),
        cmocka_unit_test_setup(clock_correction_server_contradicts_itself_corrections_end, reset),
        cmocka_unit_test_setup(clock_correction_accepted_allows_new_corrections, reset),
    };

    return cmocka_run_group_tests_name("aws-clock-correction", tests, NULL, NULL);
}
