/* SPDX-License-Identifier: MIT */
#include "producerd/spool/ages.h"
#include "test.h"

static uint64_t sec(uint64_t n)
{
    return n * USEC_PER_SEC;
}

static void oldest_message_is_as_old_as_the_moment_it_was_added(void **state)
{
    struct spool_ages a = {};

    spool_ages_note(&a, 1, sec(10)); /* the start: nothing waits */
    spool_ages_note(&a, 2, sec(100));
    spool_ages_note(&a, 3, sec(130));
    assert_int_equal(spool_ages_oldest_usec(&a, 1, sec(150)), sec(50));
    assert_int_equal(spool_ages_oldest_usec(&a, 2, sec(150)), sec(20));
    spool_ages_note(&a, 4, sec(160));
    assert_int_equal(spool_ages_oldest_usec(&a, 3, sec(161)), sec(1));
}

static void messages_of_an_earlier_process_count_from_the_start(void **state)
{
    struct spool_ages a = {};

    spool_ages_note(&a, 500, sec(10));
    spool_ages_note(&a, 501, sec(20));
    assert_int_equal(spool_ages_oldest_usec(&a, 7, sec(25)), sec(15));
    assert_int_equal(spool_ages_oldest_usec(&a, 500, sec(25)), sec(5));
}

static void nothing_is_known_of_a_number_that_was_not_given(void **state)
{
    struct spool_ages a = {};

    assert_int_equal(spool_ages_oldest_usec(&a, 1, sec(5)), 0);
    spool_ages_note(&a, 3, sec(10));
    assert_int_equal(spool_ages_oldest_usec(&a, 3, sec(20)), 0);
}

/* A message a second for a day, then the oldest is looked for. */
static void error_stays_a_small_part_of_the_time_however_many_messages_come(void **state)
{
    const uint64_t day = 86400;

    for (uint64_t oldest = 1; oldest < day; oldest += 977) {
        struct spool_ages a = {};
        uint64_t found, right = day - oldest;

        for (uint64_t i = 1; i <= day; i++)
            spool_ages_note(&a, i + 1, sec(i));
        found = spool_ages_oldest_usec(&a, oldest, sec(day)) / USEC_PER_SEC;
        assert_in_range(found, right, right + day / 32);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oldest_message_is_as_old_as_the_moment_it_was_added),
        cmocka_unit_test(messages_of_an_earlier_process_count_from_the_start),
        cmocka_unit_test(nothing_is_known_of_a_number_that_was_not_given),
        cmocka_unit_test(error_stays_a_small_part_of_the_time_however_many_messages_come),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
