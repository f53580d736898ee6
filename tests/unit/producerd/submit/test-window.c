/* SPDX-License-Identifier: MIT */
#include "producerd/submit/window.h"
#include "test.h"

static void lines_leave_in_the_order_in_which_they_came(void **state)
{
    struct window window;

    window_init(&window);
    assert_null(window_first(&window));
    for (uint64_t i = 1; i <= 3; i++)
        assert_non_null(window_add(&window, i, "abc\n", (size_t)i));
    assert_int_equal(window.n_lines, 3);
    assert_int_equal(window.bytes, 6);
    for (uint64_t i = 1; i <= 3; i++) {
        struct window_line *line = window_first(&window);

        assert_int_equal(line->number, i);
        assert_int_equal(line->size, i);
        assert_memory_equal(line->bytes, "abc\n", line->size);
        window_remove(&window, line);
    }
    assert_int_equal(window.n_lines + window.bytes, 0);
    window_done(&window);
}

static void window_is_full_at_its_lines_and_has_room_after_one_has_left(void **state)
{
    struct window window;

    window_init(&window);
    for (int i = 0; i < WINDOW_LINES_MAX; i++) {
        assert_true(window_has_room(&window));
        window_add(&window, 1, "x", 1)->error = strdup("it is freed with the line");
    }
    assert_false(window_has_room(&window));
    window_remove(&window, window_first(&window));
    assert_true(window_has_room(&window));
    window_done(&window);
}

static void window_is_full_at_its_bytes_and_an_empty_one_takes_any_line(void **state)
{
    char *large = calloc(1, WINDOW_MAX_BYTES + 1);
    struct window window;

    window_init(&window);
    assert_true(window_has_room(&window));
    assert_non_null(window_add(&window, 1, large, WINDOW_MAX_BYTES + 1));
    assert_false(window_has_room(&window));
    window_remove(&window, window_first(&window));
    assert_true(window_has_room(&window));
    window_done(&window);
    free(large);
}

static void refused_lines_are_not_sent_and_another_connection_begins_anew(void **state)
{
    struct window window;
    struct window_line *refused;

    window_init(&window);
    assert_null(window_next_unsent(&window));
    window_add(&window, 1, "a", 1);
    refused = window_add(&window, 2, "b", 1);
    refused->is_refused = true;
    window_add(&window, 3, "c", 1);
    assert_int_equal(window_next_unsent(&window)->number, 1);
    assert_int_equal(window_next_unsent(&window)->number, 3);
    assert_null(window_next_unsent(&window));
    window_add(&window, 4, "d", 1);
    assert_int_equal(window_next_unsent(&window)->number, 4);
    window_remove(&window, window_first(&window));
    window_rewind(&window);
    window_remove(&window, window_first(&window)); /* it was the next one */
    assert_int_equal(window_next_unsent(&window)->number, 3);
    window_done(&window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_leave_in_the_order_in_which_they_came),
        cmocka_unit_test(window_is_full_at_its_lines_and_has_room_after_one_has_left),
        cmocka_unit_test(window_is_full_at_its_bytes_and_an_empty_one_takes_any_line),
        cmocka_unit_test(refused_lines_are_not_sent_and_another_connection_begins_anew),
    };

    return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
