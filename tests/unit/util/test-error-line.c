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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_line_writes_the_line_and_returns_the_condition),
        cmocka_unit_test(error_line_without_a_place_for_the_line_returns_the_condition),
    };

    return cmocka_run_group_tests_name("error-line", tests, NULL, NULL);
}
