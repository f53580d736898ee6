/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "util/buffer.h"
#include "util/line-splitter.h"

enum { MAX_BYTES = LINE_SPLITTER_MAX_BYTES };

/* What was handed on, each line in brackets. */
static struct buffer lines;
static struct line_splitter splitter;

static int begin(void **state)
{
    lines = BUFFER_INIT(1 << 20);
    splitter = (struct line_splitter){};
    return 0;
}

static int end(void **state)
{
    buffer_done(&lines);
    return 0;
}

static void on_line(void *userdata, const char *line, size_t size)
{
    assert_in_range(size, 1, MAX_BYTES);
    buffer_append_char(&lines, '[');
    buffer_append(&lines, line, size);
    buffer_append_char(&lines, ']');
}

static void feed(const char *bytes, size_t size)
{
    line_splitter_feed(&splitter, bytes, size, on_line, NULL);
}

static void line_splitter_pieces_of_any_size_give_the_same_lines(void **state)
{
    static const char text[] = "one\ntwo\r\n\n\r\nthree\0four\rx\n\nlast";
    static const char expected[] = "[one][two][three][four\rx][last]";

    for (size_t piece = 1; piece <= sizeof(text); piece++) {
        buffer_reset(&lines);
        for (size_t at = 0; at < sizeof(text) - 1; at += piece)
            feed(text + at, MIN(piece, sizeof(text) - 1 - at));
        line_splitter_end(&splitter, on_line, NULL);
        assert_string_equal(buffer_string(&lines), expected);
    }
}

static void line_splitter_line_without_its_end_is_kept(void **state)
{
    feed("half", 4);
    assert_int_equal(lines.size, 0);
    feed(" a line", 7);
    assert_int_equal(lines.size, 0);
    feed("\n", 1);
    assert_string_equal(buffer_string(&lines), "[half a line]");
    line_splitter_end(&splitter, on_line, NULL);
    assert_string_equal(buffer_string(&lines), "[half a line]");
}

static void line_splitter_long_line_is_split(void **state)
{
    static const size_t sizes[] = {MAX_BYTES - 1, MAX_BYTES, MAX_BYTES + 1, 5 * MAX_BYTES + 7};
    static char text[5 * MAX_BYTES + 8];

    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        for (size_t piece = 1; piece <= sizeof(text); piece *= 3) {
            size_t n_pieces = (sizes[i] + MAX_BYTES - 1) / MAX_BYTES;

            buffer_reset(&lines);
            text[sizes[i]] = '\n';
            for (size_t at = 0; at < sizes[i] + 1; at += piece)
                feed(text + at, MIN(piece, sizes[i] + 1 - at));
            text[sizes[i]] = 'x';
            assert_int_equal(lines.size, sizes[i] + 2 * n_pieces);
        }
    }
}

static void line_splitter_does_not_split_a_character(void **state)
{
    static const char *const characters[] = {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};

    for (size_t k = 0; k < ARRAY_SIZE(characters); k++) {
        size_t length = strlen(characters[k]);

        /* The character begins so many bytes before the bound. */
        for (size_t before = 0; before <= length; before++) {
            static char text[MAX_BYTES + 8];
            size_t first = before < length && before > 0 ? MAX_BYTES - before : MAX_BYTES;
            char *second;

            buffer_reset(&lines);
            memset(text, 'x', sizeof(text));
            memcpy(text + MAX_BYTES - before, characters[k], length);
            text[MAX_BYTES + 7] = '\n';
            feed(text, sizeof(text));
            second = memchr(lines.data, ']', lines.size);
            assert_int_equal(second - lines.data, first + 1);
            if (before < length)
                assert_int_equal(strncmp(second, "][", 2), 0);
            assert_non_null(strstr(buffer_string(&lines), characters[k]));
        }
    }
}

static void line_splitter_bytes_that_are_not_utf8_are_kept(void **state)
{
    static char text[3 * MAX_BYTES];

    memset(text, '\x80', sizeof(text));
    feed(text, sizeof(text));
    memset(text, '\xff', sizeof(text));
    feed(text, sizeof(text));
    line_splitter_end(&splitter, on_line, NULL);
    assert_in_range(lines.size, 6 * MAX_BYTES + 2 * 6, 6 * MAX_BYTES + 2 * 7);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(line_splitter_pieces_of_any_size_give_the_same_lines),
        TEST(line_splitter_line_without_its_end_is_kept),
        TEST(line_splitter_long_line_is_split),
        TEST(line_splitter_does_not_split_a_character),
        TEST(line_splitter_bytes_that_are_not_utf8_are_kept),
    };
#undef TEST

    return cmocka_run_group_tests_name("line-splitter", tests, NULL, NULL);
}
