/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "util/error-line.h"

static void error_line_writes_the_line_and_returns_the_condition(void **state)
{
    CLEANUP(free) char *error = NULL;

    assert_int_equal(error_line(7, &error, "%s: line %d", "a.conf", 3), 7);
    assert_string_equal(error, "a.conf: line 3");
}

static void error_line_without_a_place_for_the_line_returns_the_condition(void **state)
{
    assert_int_equal(error_line(1, NULL, "%s", "x"), 1);
}

static void error_line_taken_from_a_buffer_empties_it(void **state)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(100);
    CLEANUP(free) char *error = NULL;

    buffer_append_string(&line, "a.conf: line 3");
    assert_int_equal(error_line_take(7, NULL, &line), 7);
    assert_int_equal(error_line_take(7, &error, &line), 7);
    assert_string_equal(error, "a.conf: line 3");
    assert_int_equal(line.size, 0);
}

static void error_line_taken_from_a_full_buffer_is_its_error(void **state)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(3);
    char *error = NULL;

    buffer_append_string(&line, "a.conf");
    assert_int_equal(error_line_take(7, &error, &line), -E2BIG);
    assert_int_equal(error_line_take(7, NULL, &line), -E2BIG);
    assert_null(error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_line_writes_the_line_and_returns_the_condition),
        cmocka_unit_test(error_line_without_a_place_for_the_line_returns_the_condition),
        cmocka_unit_test(error_line_taken_from_a_buffer_empties_it),
        cmocka_unit_test(error_line_taken_from_a_full_buffer_is_its_error),
    };

    return cmocka_run_group_tests_name("error-line", tests, NULL, NULL);
}
