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

static void ascii_case_changes_only_letters(void **state)
{
    static const char lower[] = "abcdefghijklmnopqrstuvwxyz",
                      upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    for (int c = CHAR_MIN; c <= CHAR_MAX; c++) {
        const char *at_lower = c != 0 ? strchr(lower, c) : NULL;
        const char *at_upper = c != 0 ? strchr(upper, c) : NULL;

        assert_int_equal(is_lower((char)c), at_lower != NULL);
        assert_int_equal(is_upper((char)c), at_upper != NULL);
        assert_int_equal(to_lower((char)c), at_upper ? lower[at_upper - upper] : (char)c);
        assert_int_equal(to_upper((char)c), at_lower ? upper[at_lower - lower] : (char)c);
    }
}

static void hex_digit_of_either_case_has_its_value(void **state)
{
    for (int c = CHAR_MIN; c <= CHAR_MAX; c++) {
        char text[] = {(char)c, '\0'};
        bool is_one = c != 0 && strspn(text, "0123456789abcdefABCDEF") == 1;

        assert_int_equal(hex_digit((char)c), is_one ? (int)strtol(text, NULL, 16) : -1);
    }
}

static void ascii_name_has_its_characters_and_its_length(void **state)
{
    assert_true(is_ascii_name("aZ09-_", 1, 6, "-_"));
    assert_false(is_ascii_name("aZ09-_", 1, 6, "-"));
    assert_false(is_ascii_name("aZ09-_", 1, 5, "-_"));
    assert_false(is_ascii_name("", 1, 5, ""));
    assert_true(is_ascii_name("", 0, 5, ""));
    assert_false(is_ascii_name("\xc3\xa9", 1, 5, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ascii_classes_have_only_their_characters),
        cmocka_unit_test(ascii_case_changes_only_letters),
        cmocka_unit_test(hex_digit_of_either_case_has_its_value),
        cmocka_unit_test(ascii_name_has_its_characters_and_its_length),
    };

    return cmocka_run_group_tests_name("util-ascii", tests, NULL, NULL);
}
