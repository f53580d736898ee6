/* SPDX-License-Identifier: MIT */
#include "daemon/progress.h"

#include "fake-log.h"
#include "ahead-clock.h"
#include "test-loop.h"

#include <unistd.h>

#define SEC USEC_PER_SEC

/* --- The clock, which a test puts forward --- */

/* --- Somebody who counts --- */

struct totals {
    uint64_t apples, pears;
};

static struct totals totals;
static sd_event *event;
static struct progress *progress;

static void describe(void *userdata, struct buffer *line, const void *before)
{
    const struct totals *b = before;

    assert_ptr_equal(userdata, &totals);
    buffer_printf(line, "%ju apples, %ju pears", (uintmax_t)(totals.apples - b->apples),
                  (uintmax_t)(totals.pears - b->pears));
}

static int set_up(void **state)
{
    struct progress_options options = {
        .queue_url = "https://q",
        .what = "handler journal",
        .keys = "environment",
        .counts = &totals,
        .size = sizeof(totals),
        .describe = describe,
        .userdata = &totals,
    };

    fake_n_lines = 0;
    ahead_usec = 0;
    slow_clocks(1000); /* the lines tell seconds */
    totals = (struct totals){.apples = 100};
    assert_int_equal(sd_event_new(&event), 0);
    assert_int_equal(progress_new(event, &options, &progress), 0);
    return 0;
}

static int tear_down(void **state)
{
    progress = progress_free(progress);
    event = sd_event_unref(event);
    return 0;
}

static void pass(uint64_t usec)
{
    ahead_usec += usec;
    while (sd_event_run(event, 0) > 0)
        ;
}

static void start_has_a_line(void **state)
{
    assert_int_equal(fake_n_lines, 1);
    assert_string_equal(fake_lines[0], "Version " PROJECT_VERSION
                                       " works on the standard queue https://q; handler journal; "
                                       "keys from environment.");
}

static void progress_without_a_change_has_no_line(void **state)
{
    for (int i = 0; i < 10; i++) {
        pass(61 * SEC);
        progress_update(progress);
    }
    assert_int_equal(fake_n_lines, 1);
}

static void line_a_minute_tells_what_has_changed(void **state)
{
    pass(100 * SEC);
    for (int i = 0; i < 6; i++) {
        totals.apples++;
        progress_update(progress);
        pass(10 * SEC);
        assert_int_equal(fake_n_lines, i < 5 ? 1 : 2);
    }
    assert_string_equal(fake_lines[1], "In the last 60 s: 6 apples, 0 pears.");
    progress_update(progress); /* they are as they were told */
    pass(200 * SEC);
    assert_int_equal(fake_n_lines, 2);
    totals.pears += 2;
    progress_update(progress);
    pass(60 * SEC);
    assert_int_equal(fake_n_lines, 3);
    assert_string_equal(fake_lines[2], "In the last 60 s: 0 apples, 2 pears.");
}

/* After a minute's line, what came since is not lost: the next look finds it. */
static void change_that_was_not_looked_at_is_logged_later(void **state)
{
    totals.apples++;
    progress_update(progress);
    pass(59 * SEC);
    totals.apples++;
    pass(1 * SEC);
    assert_string_equal(fake_lines[1], "In the last 60 s: 2 apples, 0 pears.");
    totals.apples++;
    pass(300 * SEC);
    assert_int_equal(fake_n_lines, 2);
    progress_update(progress);
    pass(60 * SEC);
    assert_string_equal(fake_lines[2], "In the last 60 s: 1 apples, 0 pears.");
}

static void end_tells_all_since_the_start_once(void **state)
{
    totals.apples++;
    progress_update(progress);
    pass(61 * SEC);
    totals.pears++;
    progress_update(progress);
    pass(9 * SEC);
    assert_int_equal(fake_n_lines, 2);
    progress_end(progress);
    assert_int_equal(fake_n_lines, 3);
    assert_string_equal(fake_lines[2], "In all, in 70 s: 1 apples, 1 pears.");
    progress_end(progress);
    totals.pears++;
    progress_update(progress);
    pass(100 * SEC);
    assert_int_equal(fake_n_lines, 3);
}

static void progress_without_a_start_has_no_end(void **state)
{
    progress_end(NULL);
    progress_update(NULL);
    assert_int_equal(fake_n_lines, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(start_has_a_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(progress_without_a_change_has_no_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(line_a_minute_tells_what_has_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(change_that_was_not_looked_at_is_logged_later, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(end_tells_all_since_the_start_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(progress_without_a_start_has_no_end, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
