/* SPDX-License-Identifier: MIT */
/* A child's output, its time-out, and that nothing of it is left. */
#include "child-fixture.h"

static void child_output_and_status_are_returned(void **state)
{
    struct outcome *o = *state;

    run(o, "echo out; echo err >&2; printf more; exit 3");
    assert_end(o, CHILD_EXITED, 3);
    assert_string_equal(buffer_string(&o->output), "out\nmore");
    assert_string_equal(buffer_string(&o->errors), "err\n");
}

static void child_without_output_succeeds(void **state)
{
    struct outcome *o = *state;

    run(o, "exit 0");
    assert_end(o, CHILD_EXITED, 0);
    assert_int_equal(o->output.size, 0);
}

static void child_killed_by_a_signal_returns_the_signal(void **state)
{
    struct outcome *o = *state;

    run(o, "echo before; kill -TERM $$");
    assert_end(o, CHILD_KILLED, SIGTERM);
    assert_string_equal(buffer_string(&o->output), "before\n");
}

static void child_output_up_to_the_bound_is_kept(void **state)
{
    struct outcome *o = *state;

    run(o, "head -c 65536 /dev/zero | tr '\\0' x");
    assert_end(o, CHILD_EXITED, 0);
    assert_int_equal(o->output.size, OUTPUT_MAX);
    assert_null(memchr(o->output.data, 0, o->output.size));
}

static void child_output_of_one_byte_too_many_ends_it(void **state)
{
    struct outcome *o = *state;

    run(o, "head -c 65537 /dev/zero; exec sleep 100");
    assert_int_equal(o->end, CHILD_TOO_MUCH_OUTPUT);
}

static void child_with_endless_output_is_ended(void **state)
{
    struct outcome *o = *state;

    run(o, "yes & yes");
    assert_int_equal(o->end, CHILD_TOO_MUCH_OUTPUT);
    assert_true(o->output.size <= OUTPUT_MAX);
}

static void child_output_for_a_function_may_have_any_size(void **state)
{
    struct outcome *o = *state;

    run(o, "head -c 3000000 /dev/zero | tr '\\0' e >&2; echo done");
    assert_end(o, CHILD_EXITED, 0);
    assert_string_equal(buffer_string(&o->output), "done\n");
    assert_int_equal(o->errors_bytes, 3000000);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
    unsigned *left = userdata;

    return --*left > 0 ? 0 : sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

static void child_with_endless_output_does_not_block_the_loop(void **state)
{
    struct outcome *o = *state;
    sd_event_source *timer = NULL;
    unsigned left = 100;
    struct child *child;

    o->goes_on = true;
    child = start_script(o, "yes >&2", 1000 * USEC_PER_SEC);
    while (o->errors_bytes == 0)
        assert_true(sd_event_run(o->event, USEC_PER_SEC) >= 0);
    assert_int_equal(sd_event_add_time(o->event, &timer, CLOCK_MONOTONIC, 0, 1, on_tick, &left), 0);
    assert_int_equal(sd_event_source_set_enabled(timer, SD_EVENT_ON), 0);
    while (left > 0)
        assert_true(sd_event_run(o->event, USEC_PER_SEC) >= 0);
    assert_int_equal(o->n, 0);
    child_cancel(child);
    sd_event_source_unref(timer);

    o->goes_on = false;
    run_for(o, "yes >&2", 200 * USEC_PER_MSEC);
    assert_int_equal(o->end, CHILD_TIMED_OUT);
}

static void child_at_its_deadline_is_killed_with_its_group(void **state)
{
    struct outcome *o = *state;
    struct timespec start_time, end_time;
    int fds[2];
    char script[128];

    /* Both the program and what it started hold a pipe's writing end open. */
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    snprintf(script, sizeof(script), "exec 3>/proc/%d/fd/%d; sleep 100 & sleep 100", (int)getpid(),
             fds[1]);
    clock_gettime(CLOCK_MONOTONIC, &start_time);
    run_for(o, script, 300 * USEC_PER_MSEC);
    clock_gettime(CLOCK_MONOTONIC, &end_time);
    assert_int_equal(o->end, CHILD_TIMED_OUT);
    assert_true(end_time.tv_sec - start_time.tv_sec < 50);
    wait_for_writers(fds);
}

static void child_process_left_in_its_group_is_killed(void **state)
{
    struct outcome *o = *state;
    int fds[2];
    char script[128];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    snprintf(script, sizeof(script), "exec 3>/proc/%d/fd/%d; trap '' TERM; sleep 100 & echo done",
             (int)getpid(), fds[1]);
    run(o, script);
    assert_end(o, CHILD_EXITED, 0);
    assert_string_equal(buffer_string(&o->output), "done\n");
    wait_for_writers(fds);
}

static void child_cancelled_is_killed_without_an_answer(void **state)
{
    struct outcome *o = *state;
    char sleep_name[] = "sleep", seconds[] = "100";
    char *argv[] = {sleep_name, seconds, NULL};
    struct child *child = NULL;

    assert_int_equal(start(o, 1000 * USEC_PER_SEC, argv, &child), 0);
    assert_true(has_children());
    assert_null(child_cancel(child));
    wait_for_no_children(o);
    assert_int_equal(o->n, 0);
    assert_null(child_cancel(NULL));
}

static void child_cancelled_while_the_loop_ends_leaks_nothing(void **state)
{
    struct outcome *o = *state;
    char sleep_name[] = "sleep", seconds[] = "100";
    char *argv[] = {sleep_name, seconds, NULL};
    struct child *child = NULL;

    assert_int_equal(start(o, 1000 * USEC_PER_SEC, argv, &child), 0);
    child_cancel(child);
    o->event = sd_event_unref(o->event);
    assert_int_equal(o->n, 0);
}

static void child_killed_at_its_deadline_is_collected(void **state)
{
    struct outcome *o = *state;

    char sleep_name[] = "sleep", seconds[] = "100";
    char *argv[] = {sleep_name, seconds, NULL};
    struct child *child = NULL;

    o->goes_on = true;
    assert_int_equal(start(o, 100 * USEC_PER_MSEC, argv, &child), 0);
    run_until_answered(o);
    assert_int_equal(o->end, CHILD_TIMED_OUT);
    wait_for_no_children(o);
    assert_int_equal(o->n, 1);
}

static unsigned count_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* A process that has left the group may hold them for long after the program's end. */
static void spawned_program_output_does_not_block(void **state)
{
    char *argv[] = {(char[]){"true"}, NULL};
    struct spawned l;

    assert_int_equal(spawn_program(&(struct spawn_options){.argv = argv}, &l), 0);
    assert_true(fcntl(l.output, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(l.errors, F_GETFL) & O_NONBLOCK);
    assert_int_equal(waitpid(l.pid, NULL, 0), l.pid);
    close(l.output);
    close(l.errors);
    close(l.pidfd);
}

static void child_that_has_ended_leaves_no_descriptor(void **state)
{
    struct outcome *o = *state;
    unsigned before = count_descriptors();
    char missing[] = "/nonexistent/program";
    char *argv[] = {missing, NULL};
    struct child *child = NULL;

    assert_int_equal(start(o, USEC_PER_SEC, argv, &child), -ENOENT);
    assert_int_equal(count_descriptors(), before);
    run(o, "echo hello");
    /* The loop itself may have opened a timer's. */
    assert_true(count_descriptors() <= before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(child_output_and_status_are_returned),
        TEST(child_without_output_succeeds),
        TEST(child_killed_by_a_signal_returns_the_signal),
        TEST(child_output_up_to_the_bound_is_kept),
        TEST(child_output_of_one_byte_too_many_ends_it),
        TEST(child_with_endless_output_is_ended),
        TEST(child_output_for_a_function_may_have_any_size),
        TEST(child_with_endless_output_does_not_block_the_loop),
        TEST(child_at_its_deadline_is_killed_with_its_group),
        TEST(child_process_left_in_its_group_is_killed),
        TEST(child_cancelled_is_killed_without_an_answer),
        TEST(child_cancelled_while_the_loop_ends_leaks_nothing),
        TEST(child_killed_at_its_deadline_is_collected),
        TEST(spawned_program_output_does_not_block),
        TEST(child_that_has_ended_leaves_no_descriptor),
    };
#undef TEST

    return cmocka_run_group_tests_name("util-child", tests, NULL, NULL);
}
