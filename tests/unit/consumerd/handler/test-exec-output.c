/* SPDX-License-Identifier: MIT */
/* What programs print. */
#include "exec-fixture.h"

#include <stdatomic.h>
#include <stdio.h>
#include <syslog.h>

static void output_is_logged_line_by_line(void **state)
{
    const struct entry *e;
    char expected[64];

    handle("cat; echo; echo; echo err >&2; printf '\\a\\303\\244\\377 rest'; exit 1");
    assert_int_equal(n_entries, 4);
    e = logged("the body");
    assert_int_equal(e->priority, LOG_INFO);
    assert_string_equal(e->message_id, "m-1");
    assert_string_equal(e->group_id, "g-1");
    snprintf(expected, sizeof(expected), "sh[%s]: the body", e->pid);
    assert_string_equal(e->text, expected);
    assert_int_equal(logged(": err")->priority, LOG_WARNING);
    assert_logged(": \\x07\xc3\xa4\\xff rest");
    /* What was printed comes before how it ended. */
    assert_non_null(strstr(entries[3].text, "exit status 1"));
}

static void output_of_too_many_lines_is_cut_and_counted(void **state)
{
    handle("yes line | head -n 1000000; exit 0");
    assert_outcome(HANDLER_DONE, 0);
    assert_int_equal(n_entries, 1000 + 2);
    assert_logged(
        "has printed 999000 more lines, which are not shown: the maximum is 1000 for each message");
    assert_int_equal(entries[1000].priority, LOG_WARNING);
}

static void output_without_line_ends_is_cut_into_pieces(void **state)
{
    handle("head -c 5000000 /dev/zero | tr '\\0' x; exit 0");
    assert_outcome(HANDLER_DONE, 0);
    assert_int_equal(n_entries, 1000 + 2);
    assert_logged("has printed 1442 more lines");
}

static void output_without_end_ends_with_the_timeout(void **state)
{
    /* A slow machine may take longer than a second to start the programs. */
    for (uint64_t usec = USEC_PER_SEC; !logged("more lines"); usec *= 2) {
        assert_true(usec <= SLOWEST_START_USEC);
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(set_up(state), 0);
        config.consumer.timeout_usec = usec;
        handle("yes & yes >&2");
        assert_outcome(HANDLER_RETRY, GROWING);
    }
}

static void program_that_waits_for_the_log_alone_is_not_reached(void **state)
{
    /* A slow machine may take longer than a second to start the programs. */
    for (uint64_t usec = USEC_PER_SEC; outcome.outcome != HANDLER_NOT_REACHED; usec *= 2) {
        assert_true(usec <= SLOWEST_START_USEC);
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(set_up(state), 0);
        config.consumer.timeout_usec = usec;
        assert_int_equal(log_start_thread(event), 0);
        atomic_store(&journal_is_stuck, true);
        handle("yes $(printf %04000d 0) | head -n 900");
        atomic_store(&journal_is_stuck, false);
        log_stop_thread();
    }
    assert_outcome(HANDLER_NOT_REACHED, 0);
    assert_non_null(strstr(handler->ops->why_not_reached(handler), "the log is too slow"));
}

static void output_below_the_log_level_is_discarded(void **state)
{
    log_open("test", LOG_TARGET_JOURNAL, LOG_NOTICE, LOG_COLOUR_NONE);
    handle("yes line | head -n 1000000; echo err >&2; exit 0");
    assert_outcome(HANDLER_DONE, 0);
    assert_int_equal(n_entries, 1);
    assert_logged(": err");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(output_is_logged_line_by_line),
        TEST(output_of_too_many_lines_is_cut_and_counted),
        TEST(output_without_line_ends_is_cut_into_pieces),
        TEST(output_without_end_ends_with_the_timeout),
        TEST(program_that_waits_for_the_log_alone_is_not_reached),
        TEST(output_below_the_log_level_is_discarded),
    };

    return cmocka_run_group_tests_name("exec-output", tests, NULL, NULL);
}
