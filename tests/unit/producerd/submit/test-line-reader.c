/* SPDX-License-Identifier: MIT */
#include "producerd/submit/line-reader.h"
#include "test.h"

/* The pieces so far, as "number:bytes|", with "+" before those that continue a line and "!" before
 * those of a long one. */
static char found[512];

static void take_all(struct line_reader *reader)
{
    struct line_piece piece;

    while (line_reader_next(reader, &piece)) {
        size_t n = strlen(found);

        snprintf(found + n, sizeof(found) - n, "%s%s%d:%.*s|", piece.is_first ? "" : "+",
                 piece.is_long ? "!" : "", (int)piece.number, (int)piece.size, piece.bytes);
    }
}

static void feed(struct line_reader *reader, const char *bytes, size_t size)
{
    size_t room;
    char *into;

    assert_int_equal(line_reader_space(reader, &into, &room), 0);
    assert_true(room >= LINE_READER_READ_BYTES);
    memcpy(into, bytes, size);
    line_reader_add(reader, size);
    take_all(reader);
}

static void end(struct line_reader *reader)
{
    line_reader_end(reader);
    take_all(reader);
    line_reader_done(reader);
}

static void lines_keep_each_byte_however_they_are_cut(void **state)
{
    static const char text[] = "a\r\n\nbb\nlast";

    for (size_t cut = 1; cut < sizeof(text); cut++) {
        struct line_reader reader = LINE_READER_INIT(10);

        found[0] = '\0';
        for (size_t at = 0; at < sizeof(text) - 1; at += cut)
            feed(&reader, text + at, MIN(cut, sizeof(text) - 1 - at));
        assert_string_equal(strstr(found, "4:") ? "too early" : "", "");
        end(&reader);
        assert_string_equal(found, "1:a\r\n|2:\n|3:bb\n|4:last|");
    }
}

static void line_of_the_maximum_is_whole_and_one_byte_more_is_long(void **state)
{
    struct line_reader reader = LINE_READER_INIT(3);

    found[0] = '\0';
    feed(&reader, "abc\nabcd\nx\n", 11);
    end(&reader);
    assert_string_equal(found, "1:abc\n|!2:abcd\n|3:x\n|");
}

static void long_line_comes_in_pieces_and_the_next_one_is_whole(void **state)
{
    struct line_reader reader = LINE_READER_INIT(3);

    found[0] = '\0';
    feed(&reader, "abc", 3);
    assert_string_equal(found, "");
    feed(&reader, "d", 1);
    feed(&reader, "ef", 2);
    feed(&reader, "\nx\nlong without end", 19);
    feed(&reader, ".", 1);
    end(&reader);
    assert_string_equal(found, "!1:abcd|+!1:ef|+!1:\n|2:x\n|!3:long without end|+!3:.|");
}

static void memory_stays_bounded_in_a_line_without_end(void **state)
{
    struct line_reader reader = LINE_READER_INIT(1000);
    static const char zeros[LINE_READER_READ_BYTES];
    struct line_piece piece;
    size_t room;
    char *into;

    for (int i = 0; i < 100; i++) {
        assert_int_equal(line_reader_space(&reader, &into, &room), 0);
        memcpy(into, zeros, sizeof(zeros));
        line_reader_add(&reader, sizeof(zeros));
        while (line_reader_next(&reader, &piece))
            assert_true(piece.is_long);
    }
    assert_true(reader.allocated <= 4 * LINE_READER_READ_BYTES);
    line_reader_done(&reader);
}

static void rest_has_what_was_not_taken_and_its_line(void **state)
{
    struct line_reader reader = LINE_READER_INIT(10);
    struct line_piece piece;
    size_t room;
    char *into;

    assert_int_equal(line_reader_space(&reader, &into, &room), 0);
    memcpy(into, "a\nb\nc\nd", 7);
    line_reader_add(&reader, 7);
    assert_true(line_reader_next(&reader, &piece));
    assert_true(line_reader_take_rest(&reader, &piece));
    assert_int_equal(piece.number, 2);
    assert_memory_equal(piece.bytes, "b\nc\nd", 5);
    assert_false(line_reader_take_rest(&reader, &piece));
    assert_int_equal(line_reader_space(&reader, &into, &room), 0);
    memcpy(into, "d\ne", 3);
    line_reader_add(&reader, 3);
    assert_true(line_reader_take_rest(&reader, &piece));
    assert_int_equal(piece.number, 4); /* it continues the line "d" */
    assert_int_equal(reader.n_lines, 5);
    line_reader_done(&reader);
}

static void piece_that_was_put_back_comes_again(void **state)
{
    struct line_reader reader = LINE_READER_INIT(3);
    struct line_piece piece, again;
    size_t room;
    char *into;

    assert_int_equal(line_reader_space(&reader, &into, &room), 0);
    memcpy(into, "a\nlong\nrest.", 12);
    line_reader_add(&reader, 11);
    for (unsigned number = 1; line_reader_next(&reader, &piece); number++) {
        assert_int_equal(piece.number, number);
        line_reader_put_back(&reader, &piece);
        assert_true(line_reader_next(&reader, &again));
        assert_int_equal(again.number, number);
        assert_int_equal(again.size, piece.size);
        assert_ptr_equal(again.bytes, piece.bytes);
        assert_int_equal(again.is_first, piece.is_first);
        assert_int_equal(again.is_long, piece.is_long);
    }
    line_reader_add(&reader, 1);
    assert_true(line_reader_next(&reader, &piece)); /* of the same line */
    line_reader_put_back(&reader, &piece);
    assert_true(line_reader_take_rest(&reader, &again));
    assert_int_equal(again.number, 3);
    assert_int_equal(again.size, 1);
    assert_false(again.is_first);
    line_reader_done(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_keep_each_byte_however_they_are_cut),
        cmocka_unit_test(line_of_the_maximum_is_whole_and_one_byte_more_is_long),
        cmocka_unit_test(long_line_comes_in_pieces_and_the_next_one_is_whole),
        cmocka_unit_test(memory_stays_bounded_in_a_line_without_end),
        cmocka_unit_test(piece_that_was_put_back_comes_again),
        cmocka_unit_test(rest_has_what_was_not_taken_and_its_line),
    };

    return cmocka_run_group_tests_name("line-reader", tests, NULL, NULL);
}
