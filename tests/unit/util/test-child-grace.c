/* SPDX-License-Identifier: MIT */
/* How a child and its group are ended: SIGTERM, a time to end, SIGKILL. */
#include "child-fixture.h"

/* --- With grace --- */

/* Runs a script until it has printed something, then ends it. */
static void run_and_terminate(struct outcome *o, const char *script)
{
    struct child *child;

    o->goes_on = true;
    child = start_script(o, script, 1000 * USEC_PER_SEC);
    while (o->output.size == 0)
        assert_true(sd_event_run(o->event, USEC_PER_SEC) >= 0);
    child_terminate(child, o->options.grace_usec);
    child_terminate(child, o->options.grace_usec);
    assert_int_equal(o->n, 0);
    run_until_answered(o);
    assert_int_equal(o->end, CHILD_TERMINATED);
    assert_int_equal(o->status, 0);
}

static void child_terminated_may_clean_up(void **state)
{
    struct outcome *o = *state;

    o->options.grace_usec = 1000 * USEC_PER_SEC;
    run_and_terminate(o,
                      "trap 'echo tidied; exit 3' TERM; echo begun; while :; do sleep 0.01; done");
    assert_string_equal(buffer_string(&o->output), "begun\ntidied\n");
    assert_false(has_children());
}

static void child_that_ignores_sigterm_is_killed_after_the_grace_time(void **state)
{
    struct outcome *o = *state;

    o->options.grace_usec = 200 * USEC_PER_MSEC;
    run_and_terminate(o, "trap '' TERM; echo begun; while :; do sleep 100; done");
    wait_for_no_children(o);
}

static void child_without_a_grace_time_is_killed(void **state)
{
    struct outcome *o = *state;

    run_and_terminate(o, "trap 'echo tidied' TERM; echo begun; while :; do sleep 100; done");
    assert_string_equal(buffer_string(&o->output), "begun\n");
    wait_for_no_children(o);
}

static void child_grace_time_can_be_shortened(void **state)
{
    struct outcome *o = *state;
    char sh[] = "sh", c[] = "-c",
         script[] = "trap '' TERM; echo begun; while :; do sleep 100; done";
    char *argv[] = {sh, c, script, NULL};
    struct child *child = NULL;

    o->goes_on = true;
    o->options.grace_usec = 1000 * USEC_PER_SEC;
    assert_int_equal(start(o, 1000 * USEC_PER_SEC, argv, &child), 0);
    while (o->output.size == 0)
        assert_true(sd_event_run(o->event, USEC_PER_SEC) >= 0);
    child_terminate(child, 900 * USEC_PER_SEC);
    child_terminate(child, 100 * USEC_PER_MSEC);
    run_until_answered(o);
    assert_int_equal(o->end, CHILD_TERMINATED);
    wait_for_no_children(o);
}

/* Whether the program has ended, and the loop has not seen it yet. */
static bool has_zombie(const struct child *child)
{
    siginfo_t info = {};

    return waitid(P_PID, (id_t)child_pid(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0;
}

/* Runs a script whose program ends by itself, while something of its group goes on. */
static struct child *start_and_see_it_end(struct outcome *o, const char *script, siginfo_t *ret)
{
    struct child *child;

    o->options.grace_usec = 1000 * USEC_PER_SEC;
    child = start_script(o, script, 1000 * USEC_PER_SEC);
    assert_int_equal(waitid(P_PID, (id_t)child_pid(child), ret, WEXITED | WNOWAIT), 0);
    return child;
}

static void child_that_has_ended_before_is_not_reported_as_terminated(void **state)
{
    struct outcome *o = *state;
    siginfo_t info = {};
    struct child *child = start_and_see_it_end(o, "exit 7", &info);

    /* The loop has not told yet. */
    child_terminate(child, 0);
    assert_int_equal(o->n, 0);
    run_until_answered(o);
    assert_int_equal(o->end, CHILD_EXITED);
    assert_int_equal(o->status, 7);
}

static void child_group_whose_leader_has_ended_keeps_its_first_grace_time(void **state)
{
    struct outcome *o = *state;
    siginfo_t info = {};
    struct child *child =
        start_and_see_it_end(o,
                             "trap 'exit 7' USR1; (trap 'sleep 1; exit' TERM; kill -USR1 $$; "
                             "while :; do sleep 0.01; done) & wait; wait",
                             &info);
    uint64_t start_usec = clock_loop_usec(o->event);

    while (has_zombie(child))
        assert_true(sd_event_run(o->event, 10 * USEC_PER_MSEC) >= 0);
    child_terminate(child, 60 * USEC_PER_SEC);
    run_until_answered(o);
    assert_true(clock_loop_usec(o->event) - start_usec < 40 * USEC_PER_SEC);
    assert_int_equal(o->end, CHILD_EXITED);
    assert_int_equal(o->status, 7);
}

/* Without SIGCONT it would be killed after the grace, and never have tidied up. */
static void child_that_is_suspended_is_ended(void **state)
{
    struct outcome *o = *state;
    struct child *child;
    siginfo_t info = {};

    o->goes_on = true;
    o->options.grace_usec = 1000 * USEC_PER_SEC;
    child = start_script(
        o, "trap 'echo tidied; exit' TERM; kill -STOP $$; while :; do sleep 0.01; done",
        1000 * USEC_PER_SEC);
    assert_int_equal(waitid(P_PID, (id_t)child_pid(child), &info, WSTOPPED | WNOWAIT), 0);
    assert_int_equal(info.si_code, CLD_STOPPED);
    child_terminate(child, o->options.grace_usec);
    run_until_answered(o);
    assert_int_equal(o->end, CHILD_TERMINATED);
    assert_string_equal(buffer_string(&o->output), "tidied\n");
    assert_false(has_children());
}

/* A program that leaves `left` behind, once that has sent it SIGUSR1. Returns with nobody having a
 * pipe's writing end open any more that both were given. */
static void run_leaving(struct outcome *o, const char *left)
{
    int fds[2];
    char script[256];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    snprintf(script, sizeof(script), "exec 3>/proc/%d/fd/%d; trap 'exit 7' USR1; (%s) & wait; wait",
             (int)getpid(), fds[1], left);
    run(o, script);
    assert_end(o, CHILD_EXITED, 7);
    wait_for_writers(fds);
}

static void child_with_processes_left_in_its_group_is_answered_when_they_have_ended(void **state)
{
    struct outcome *o = *state;

    o->options.grace_usec = 1000 * USEC_PER_SEC;
    run_leaving(o, "trap 'sleep 0.2; echo tidied; exit' TERM; echo begun; kill -USR1 $$; "
                   "while :; do sleep 0.01; done");
    assert_string_equal(buffer_string(&o->output), "begun\ntidied\n");
}

static void child_process_left_in_its_group_is_killed_after_the_grace_time(void **state)
{
    struct outcome *o = *state;

    o->options.grace_usec = 200 * USEC_PER_MSEC;
    run_leaving(o, "trap '' TERM; kill -USR1 $$; sleep 100");
}

static void child_cancelled_in_the_grace_time_is_killed_with_its_group(void **state)
{
    struct outcome *o = *state;
    int fds[2];
    char sh[] = "sh", c[] = "-c", script[256];
    char *argv[] = {sh, c, script, NULL};
    struct child *child = NULL;

    o->options.grace_usec = 100 * USEC_PER_SEC;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    snprintf(script, sizeof(script),
             "exec 3>/proc/%d/fd/%d; trap '' TERM; (echo left; sleep 100) & exit 0", (int)getpid(),
             fds[1]);
    assert_int_equal(start(o, 1000 * USEC_PER_SEC, argv, &child), 0);
    while (has_children())
        assert_true(sd_event_run(o->event, 10 * USEC_PER_MSEC) >= 0);
    assert_int_equal(o->n, 0);
    child_cancel(child);
    wait_for_writers(fds);
    assert_int_equal(o->n, 0);
}

static void child_end_can_be_waited_for_without_the_loop(void **state)
{
    struct outcome *o = *state;
    char sleep_name[] = "sleep", seconds[] = "100";
    char *argv[] = {sleep_name, seconds, NULL};
    struct child *child = NULL;
    siginfo_t info = {};

    o->options.grace_usec = 100 * USEC_PER_SEC;
    assert_int_equal(start(o, 1000 * USEC_PER_SEC, argv, &child), 0);
    child_wait(child, USEC_PER_MSEC);
    assert_int_equal(waitid(P_PID, (id_t)child_pid(child), &info, WEXITED | WNOHANG | WNOWAIT), 0);
    assert_int_equal(info.si_pid, 0);
    child_terminate(child, 5 * USEC_PER_SEC);
    child_wait(child, 60 * USEC_PER_SEC);
    assert_int_equal(waitid(P_PID, (id_t)child_pid(child), &info, WEXITED | WNOHANG | WNOWAIT), 0);
    assert_int_equal(info.si_pid, child_pid(child));
    child_cancel(child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(child_terminated_may_clean_up),
        TEST(child_that_ignores_sigterm_is_killed_after_the_grace_time),
        TEST(child_without_a_grace_time_is_killed),
        TEST(child_grace_time_can_be_shortened),
        TEST(child_that_has_ended_before_is_not_reported_as_terminated),
        TEST(child_group_whose_leader_has_ended_keeps_its_first_grace_time),
        TEST(child_that_is_suspended_is_ended),
        TEST(child_with_processes_left_in_its_group_is_answered_when_they_have_ended),
        TEST(child_process_left_in_its_group_is_killed_after_the_grace_time),
        TEST(child_cancelled_in_the_grace_time_is_killed_with_its_group),
        TEST(child_end_can_be_waited_for_without_the_loop),
    };
#undef TEST

    return cmocka_run_group_tests_name("util-child-grace", tests, NULL, NULL);
}
