/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "util/buffer.h"

static void buffer_append_extends_the_text_and_terminates_it(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4096);

    assert_string_equal(buffer_string(&b), "");
    assert_int_equal(buffer_append(&b, "ab\0c", 4), 0);
    assert_int_equal(buffer_append_char(&b, 'd'), 0);
    assert_int_equal(buffer_printf(&b, "%d-%s", 7, "x"), 0);
    assert_int_equal(b.size, 8);
    assert_memory_equal(b.data, "ab\0cd7-x", 9);
}

static void buffer_beyond_its_cap_has_an_error_that_stays(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4);

    assert_int_equal(buffer_append_string(&b, "1234"), 0);
    assert_int_equal(buffer_append_string(&b, ""), 0);
    assert_int_equal(buffer_append_char(&b, '5'), -E2BIG);
    assert_int_equal(buffer_append_string(&b, ""), -E2BIG);
    assert_string_equal(buffer_string(&b), "1234");
    buffer_reset(&b);
    assert_int_equal(buffer_printf(&b, "%s", "12345"), -E2BIG);
    buffer_reset(&b);
    assert_int_equal(buffer_append_string(&b, "abcd"), 0);
}

static void buffer_without_its_front_keeps_the_others_and_can_grow_again(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(6);

    buffer_remove_front(&b, 0);
    buffer_append_string(&b, "abcdef");
    assert_int_equal(buffer_append_char(&b, 'g'), -E2BIG);
    buffer_remove_front(&b, 0);
    assert_string_equal(buffer_string(&b), "abcdef");
    buffer_remove_front(&b, 2);
    assert_int_equal(b.size, 4);
    assert_memory_equal(b.data, "cdef\0\0", 7);
    assert_int_equal(buffer_append_string(&b, "gh"), 0);
    assert_string_equal(buffer_string(&b), "cdefgh");
    buffer_remove_front(&b, 6);
    assert_int_equal(b.size, 0);
    assert_string_equal(buffer_string(&b), "");
}

static void buffer_take_passes_the_bytes_to_the_caller(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(64);
    CLEANUP(free) char *s = NULL, *empty = NULL;

    buffer_append_string(&b, "mine");
    s = buffer_take(&b);
    assert_string_equal(s, "mine");
    assert_int_equal(b.size, 0);
    empty = buffer_take(&b);
    assert_string_equal(empty, "");
}

static void buffer_that_grows_keeps_every_byte(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(1 << 20);

    for (int i = 0; i < 100000; i++)
        assert_int_equal(buffer_append_char(&b, (char)('a' + i % 26)), 0);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(b.data[i], 'a' + i % 26);
}

/* Around the end of the memory that is allocated, and of the cap. */
static void buffer_printf_text_of_any_length_is_whole(void **state)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";

    for (size_t before = 0; before <= 300; before++) {
        CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(before + 20);

        for (size_t i = 0; i < before; i++)
            buffer_append_char(&b, 'x');
        assert_int_equal(buffer_printf(&b, "%.*s", 20, letters), 0);
        assert_int_equal(b.size, before + 20);
        assert_memory_equal(b.data + before, "abcdefghijklmnopqrst", 21);
        assert_int_equal(strspn(b.data, "x"), before);
        assert_int_equal(buffer_printf(&b, "%d", 1), -E2BIG);
        assert_int_equal(b.size, before + 20);
        assert_memory_equal(b.data + before, "abcdefghijklmnopqrst", 21);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_append_extends_the_text_and_terminates_it),
        cmocka_unit_test(buffer_beyond_its_cap_has_an_error_that_stays),
        cmocka_unit_test(buffer_without_its_front_keeps_the_others_and_can_grow_again),
        cmocka_unit_test(buffer_take_passes_the_bytes_to_the_caller),
        cmocka_unit_test(buffer_that_grows_keeps_every_byte),
        cmocka_unit_test(buffer_printf_text_of_any_length_is_whole),
    };

    return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
