/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "util/error-line.h"

static void the_line_is_printed_and_the_condition_returned(void **state)
{
    CLEANUP(free) char *error = NULL;

    assert_int_equal(error_line(7, &error, "%s: line %d", "a.conf", 3), 7);
    assert_string_equal(error, "a.conf: line 3");
}

static void nobody_need_want_the_line(void **state)
{
    assert_int_equal(error_line(1, NULL, "%s", "x"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_is_printed_and_the_condition_returned),
        cmocka_unit_test(nobody_need_want_the_line),
    };

    return cmocka_run_group_tests_name("error-line", tests, NULL, NULL);
}
