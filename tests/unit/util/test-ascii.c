/* SPDX-License-Identifier: MIT */
#include "util/ascii.h"
#include "test.h"

#include <limits.h>

static void ascii_classes_have_only_their_characters(void **state)
{
    static const char digits[] = "0123456789";
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    for (int c = CHAR_MIN; c <= CHAR_MAX; c++) {
        bool is_one_digit = c != 0 && strchr(digits, c) != NULL;
        bool is_one_letter = c != 0 && strchr(letters, c) != NULL;

        assert_int_equal(is_digit((char)c), is_one_digit);
        assert_int_equal(is_letter((char)c), is_one_letter);
        assert_int_equal(is_letter_or_digit((char)c), is_one_digit || is_one_letter);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ascii_classes_have_only_their_characters),
    };

    return cmocka_run_group_tests_name("util-ascii", tests, NULL, NULL);
}
