/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "util/shell-words.h"

#include <stdio.h>

/* As Python's shlex.split answers. */
static const struct {
    const char *text;
    const char *words[8];
} good[] = {
    {"aws-vault exec", {"aws-vault", "exec"}},
    {"a  b\tc\nd\re", {"a", "b", "c", "d", "e"}},
    {"  a  ", {"a"}},
    {"'a b' \"c d\"", {"a b", "c d"}},
    {"a'b c'd\"e f\"g", {"ab cde fg"}},
    {"x '' \"\"", {"x", "", ""}},
    {"x ''", {"x", ""}},
    {"x a\\ b", {"x", "a b"}},
    {"x \"a\\\"b\\\\c\\d\\$e\"", {"x", "a\"b\\c\\d\\$e"}},
    {"x 'a\\'", {"x", "a\\"}},
    {"x \\'", {"x", "'"}},
    {"x \"\\'\" '\"'", {"x", "\\'", "\""}},
    {"#x y", {"#x", "y"}},
    {"a #b", {"a", "#b"}},
    {"a;b|c&d $HOME ~ * `id`", {"a;b|c&d", "$HOME", "~", "*", "`id`"}},
    {"x \\\n y", {"x", "\n", "y"}},
    {"\"prog ram\" 'it'\"'\"'s'", {"prog ram", "it's"}},
    {"x \xc3\xa4 \xff", {"x", "\xc3\xa4", "\xff"}},
    {"x \"a\nb\"", {"x", "a\nb"}},
    {"x \x0b y", {"x", "\x0b", "y"}},
    {"x a\"\"b", {"x", "ab"}},
    {"x \"\\\\\"", {"x", "\\"}},
};

static void shell_words_are_those_of_shlex(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        CLEANUP(shell_words_free) char **words = NULL;
        CLEANUP(free) char *error = NULL;
        size_t n;

        assert_int_equal(shell_words_split(good[i].text, &words, &error), 0);
        assert_null(error);
        for (n = 0; good[i].words[n]; n++) {
            assert_non_null(words[n]);
            assert_string_equal(words[n], good[i].words[n]);
        }
        assert_null(words[n]);
    }
}

static const struct {
    const char *text, *says;
} bad[] = {
    {"", "names no program"},
    {" \t\r\n", "names no program"},
    {"''", "names no program"},
    {"\"\" SECRET", "names no program"},
    {"x 'SECRET", "has an opening ' without a closing one"},
    {"x '", "has an opening ' without a closing one"},
    {"x \"SECRET", "has an opening \" without a closing one"},
    {"x \"SECRET\\\"", "has an opening \" without a closing one"},
    {"x \"SECRET\\", "has an opening \" without a closing one"},
    {"x \"it's\" 'SECRET", "has an opening ' without a closing one"},
    {"x SECRET\\", "ends in a backslash with nothing after it"},
    {"x \\", "ends in a backslash with nothing after it"},
    {"\\", "ends in a backslash with nothing after it"},
};

static void shell_words_invalid_text_is_refused_and_not_shown(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char **words = (char **)0x1;
        CLEANUP(free) char *error = NULL;

        assert_int_equal(shell_words_split(bad[i].text, &words, &error), SHELL_WORDS_E_INVALID);
        assert_string_equal(error, bad[i].says);
        assert_ptr_equal(words, (char **)0x1);
        assert_int_equal(shell_words_split(bad[i].text, &words, NULL), SHELL_WORDS_E_INVALID);
    }
}

static void shell_words_too_many_or_too_long_are_refused(void **state)
{
    CLEANUP(free) char *text = malloc(SHELL_WORDS_MAX_BYTES + 2);
    CLEANUP(shell_words_free) char **most = NULL;
    CLEANUP(shell_words_free) char **longest = NULL;
    CLEANUP(free) char *too_many = NULL;
    CLEANUP(free) char *too_long = NULL;
    char **none = NULL;
    size_t n = 0;

    assert_non_null(text);
    for (size_t i = 0; i < SHELL_WORDS_MAX; i++)
        n += (size_t)sprintf(text + n, "w ");
    assert_int_equal(shell_words_split(text, &most, NULL), 0);
    assert_string_equal(most[SHELL_WORDS_MAX - 1], "w");
    assert_null(most[SHELL_WORDS_MAX]);
    strcpy(text + n, "w");
    assert_int_equal(shell_words_split(text, &none, &too_many), SHELL_WORDS_E_INVALID);
    assert_string_equal(too_many, "has more than 256 words");

    memset(text, 'a', SHELL_WORDS_MAX_BYTES + 1);
    text[SHELL_WORDS_MAX_BYTES] = '\0';
    assert_int_equal(shell_words_split(text, &longest, NULL), 0);
    assert_int_equal(strlen(longest[0]), SHELL_WORDS_MAX_BYTES);
    text[SHELL_WORDS_MAX_BYTES] = 'a';
    text[SHELL_WORDS_MAX_BYTES + 1] = '\0';
    assert_int_equal(shell_words_split(text, &none, &too_long), SHELL_WORDS_E_INVALID);
    assert_string_equal(too_long, "is longer than 32768 bytes");
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shell_words_are_those_of_shlex),
        cmocka_unit_test(shell_words_invalid_text_is_refused_and_not_shown),
        cmocka_unit_test(shell_words_too_many_or_too_long_are_refused),
    };

    return cmocka_run_group_tests_name("util-shell-words", tests, NULL, NULL);
}
