/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "util/buffer.h"
#include "util/child.h"
#include "util/clock.h"
#include "util/descriptor-limit.h"
#include "util/spawn-program.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { OUTPUT_MAX = 64 * 1024, WRITERS_MAX_MSEC = 30 * 1000 };

struct outcome {
    sd_event *event;
    unsigned n;
    bool goes_on; /* the loop does not end with the child */
    enum child_end end;
    int status;
    struct buffer output, errors;
    size_t errors_bytes; /* all, also what is not kept */
    struct child_options options;
};

static bool on_output(void *userdata, enum child_stream stream, const char *bytes, size_t size)
{
    struct outcome *o = userdata;

    assert_int_equal(o->n, 0);
    assert_in_range(size, 1, CHILD_READ_MAX_BYTES);
    if (stream == CHILD_OUTPUT)
        return buffer_append(&o->output, bytes, size) == 0;
    buffer_append(&o->errors, bytes, MIN(size, o->errors.max - o->errors.size));
    o->errors_bytes += size;
    return true;
}

static void on_done(void *userdata, enum child_end end, int status)
{
    struct outcome *o = userdata;

    o->n++;
    o->end = end;
    o->status = status;
    if (!o->goes_on)
        sd_event_exit(o->event, 0);
}

static int start(struct outcome *o, uint64_t timeout_usec, char *const *argv, struct child **ret)
{
    o->options.program.argv = argv;
    o->options.timeout_usec = timeout_usec;
    return child_start(o->event, &o->options, ret);
}

/* Whether this process has a child, dead or alive. */
static bool has_children(void)
{
    siginfo_t info = {};
    int r = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);

    return r == 0 || errno != ECHILD;
}

static int set_up(void **state)
{
    struct outcome *o = calloc(1, sizeof(*o));

    if (!o || sd_event_new(&o->event) < 0)
        return -1;
    o->output = BUFFER_INIT(OUTPUT_MAX);
    o->errors = BUFFER_INIT(4096);
    o->options = (struct child_options){.output = on_output, .done = on_done, .userdata = o};
    *state = o;
    return 0;
}

static int tear_down(void **state)
{
    struct outcome *o = *state;

    sd_event_unref(o->event);
    buffer_done(&o->output);
    buffer_done(&o->errors);
    free(o);
    /* What was killed as its loop ended is dead, but for nobody to collect. */
    while (waitpid(-1, NULL, 0) > 0)
        ;
    return 0;
}

static struct child *start_script(struct outcome *o, const char *script, uint64_t timeout_usec)
{
    char copy[1024];
    char sh[] = "sh", c[] = "-c";
    char *argv[] = {sh, c, copy, NULL};
    struct child *child = NULL;

    snprintf(copy, sizeof(copy), "%s", script);
    assert_int_equal(start(o, timeout_usec, argv, &child), 0);
    return child;
}

static void run_until_answered(struct outcome *o)
{
    while (o->n == 0)
        assert_true(sd_event_run(o->event, USEC_PER_SEC) >= 0);
}

static void run_for(struct outcome *o, const char *script, uint64_t timeout_usec)
{
    start_script(o, script, timeout_usec);
    assert_int_equal(o->n, 0);
    assert_int_equal(sd_event_loop(o->event), 0);
    assert_int_equal(o->n, 1);
}

static void run(struct outcome *o, const char *script)
{
    run_for(o, script, 20 * USEC_PER_SEC);
}

/* Closes a pipe, after every other process has closed its writing end: by being killed, for none of
 * them would end by itself before the time is over. */
static void wait_for_writers(int fds[2])
{
    struct pollfd p = {.fd = fds[0], .events = POLLIN};
    char byte;

    close(fds[1]);
    assert_int_equal(poll(&p, 1, WRITERS_MAX_MSEC), 1);
    assert_int_equal(read(fds[0], &byte, 1), 0);
    close(fds[0]);
}

/* Lets the loop collect what was given up. */
static void wait_for_no_children(struct outcome *o)
{
    for (unsigned i = 0; has_children(); i++) {
        assert_true(i < 100);
        assert_true(sd_event_run(o->event, 100 * USEC_PER_MSEC) >= 0);
    }
}

static void assert_end(const struct outcome *o, enum child_end end, int status)
{
    assert_int_equal(o->end, end);
    assert_int_equal(o->status, status);
    assert_false(has_children());
}

static void what_it_prints_and_its_status_are_told(void **state)
{
    struct outcome *o = *state;

    run(o, "echo out; echo err >&2; printf more; exit 3");
    assert_end(o, CHILD_EXITED, 3);
    assert_string_equal(buffer_string(&o->output), "out\nmore");
    assert_string_equal(buffer_string(&o->errors), "err\n");
}

static void printing_nothing_is_fine(void **state)
{
    struct outcome *o = *state;

    run(o, "exit 0");
    assert_end(o, CHILD_EXITED, 0);
    assert_int_equal(o->output.size, 0);
}

static void the_signal_that_killed_it_is_told(void **state)
{
    struct outcome *o = *state;

    run(o, "echo before; kill -TERM $$");
    assert_end(o, CHILD_KILLED, SIGTERM);
    assert_string_equal(buffer_string(&o->output), "before\n");
}

static void output_up_to_the_bound_is_kept(void **state)
{
    struct outcome *o = *state;

    run(o, "head -c 65536 /dev/zero | tr '\\0' x");
    assert_end(o, CHILD_EXITED, 0);
    assert_int_equal(o->output.size, OUTPUT_MAX);
    assert_null(memchr(o->output.data, 0, o->output.size));
}

static void one_byte_more_ends_it(void **state)
{
    struct outcome *o = *state;

    run(o, "head -c 65537 /dev/zero; exec sleep 100");
    assert_int_equal(o->end, CHILD_TOO_MUCH_OUTPUT);
}

static void endless_output_ends_it(void **state)
{
    struct outcome *o = *state;

    run(o, "yes & yes");
    assert_int_equal(o->end, CHILD_TOO_MUCH_OUTPUT);
    assert_true(o->output.size <= OUTPUT_MAX);
}

static void output_of_any_size_is_handed_on(void **state)
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

static void endless_output_does_not_hold_up_the_loop(void **state)
{
    struct outcome *o = *state;
    sd_event_source *timer = NULL;
    unsigned left = 100;

    assert_int_equal(sd_event_add_time(o->event, &timer, CLOCK_MONOTONIC, 0, 1, on_tick, &left), 0);
    assert_int_equal(sd_event_source_set_enabled(timer, SD_EVENT_ON), 0);
    run_for(o, "yes >&2", USEC_PER_SEC);
    assert_int_equal(o->end, CHILD_TIMED_OUT);
    assert_int_equal(left, 0);
    sd_event_source_unref(timer);
}

static void it_is_killed_with_its_group_when_time_is_up(void **state)
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
    assert_true(end_time.tv_sec - start_time.tv_sec < 10);
    wait_for_writers(fds);
}

static void what_it_leaves_behind_is_killed(void **state)
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

/* --- With grace --- */

/* Runs a script until it has printed something, then ends it. */
static void run_and_terminate(struct outcome *o, const char *script)
{
    struct child *child;

    o->goes_on = true;
    child = start_script(o, script, 20 * USEC_PER_SEC);
    while (o->output.size == 0)
        assert_true(sd_event_run(o->event, USEC_PER_SEC) >= 0);
    child_terminate(child, o->options.grace_usec);
    child_terminate(child, o->options.grace_usec);
    assert_int_equal(o->n, 0);
    run_until_answered(o);
    assert_int_equal(o->end, CHILD_TERMINATED);
    assert_int_equal(o->status, 0);
}

static void terminated_it_may_tidy_up(void **state)
{
    struct outcome *o = *state;

    o->options.grace_usec = 20 * USEC_PER_SEC;
    run_and_terminate(o,
                      "trap 'echo tidied; exit 3' TERM; echo begun; while :; do sleep 0.01; done");
    assert_string_equal(buffer_string(&o->output), "begun\ntidied\n");
    assert_false(has_children());
}

static void what_ignores_sigterm_is_killed_after_the_grace(void **state)
{
    struct outcome *o = *state;

    o->options.grace_usec = 200 * USEC_PER_MSEC;
    run_and_terminate(o, "trap '' TERM; echo begun; while :; do sleep 100; done");
    wait_for_no_children(o);
}

static void without_grace_it_is_killed(void **state)
{
    struct outcome *o = *state;

    run_and_terminate(o, "trap 'echo tidied' TERM; echo begun; while :; do sleep 100; done");
    assert_string_equal(buffer_string(&o->output), "begun\n");
    wait_for_no_children(o);
}

static void the_grace_can_be_made_shorter(void **state)
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

static void what_has_ended_by_itself_before_was_not_terminated(void **state)
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

static void the_end_of_a_group_is_not_put_off(void **state)
{
    struct outcome *o = *state;
    siginfo_t info = {};
    struct child *child = start_and_see_it_end(
        o, "(trap 'sleep 1; exit' TERM; while :; do sleep 0.01; done) & sleep 0.1; exit 7", &info);
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
static void a_stopped_one_is_ended_all_the_same(void **state)
{
    struct outcome *o = *state;
    struct child *child;
    siginfo_t info = {};

    o->goes_on = true;
    o->options.grace_usec = 20 * USEC_PER_SEC;
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

static void what_it_leaves_behind_may_tidy_up_and_the_answer_waits(void **state)
{
    struct outcome *o = *state;

    o->options.grace_usec = 20 * USEC_PER_SEC;
    run_leaving(o, "trap 'sleep 0.2; echo tidied; exit' TERM; echo begun; kill -USR1 $$; "
                   "while :; do sleep 0.01; done");
    assert_string_equal(buffer_string(&o->output), "begun\ntidied\n");
}

static void what_it_leaves_behind_is_killed_after_the_grace(void **state)
{
    struct outcome *o = *state;

    o->options.grace_usec = 200 * USEC_PER_MSEC;
    run_leaving(o, "trap '' TERM; kill -USR1 $$; sleep 100");
}

static void cancelled_in_the_grace_all_is_killed(void **state)
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
    assert_int_equal(start(o, 20 * USEC_PER_SEC, argv, &child), 0);
    while (has_children())
        assert_true(sd_event_run(o->event, 10 * USEC_PER_MSEC) >= 0);
    assert_int_equal(o->n, 0);
    child_cancel(child);
    wait_for_writers(fds);
    assert_int_equal(o->n, 0);
}

static void its_end_can_be_waited_for_without_the_loop(void **state)
{
    struct outcome *o = *state;
    char sleep_name[] = "sleep", seconds[] = "100";
    char *argv[] = {sleep_name, seconds, NULL};
    struct child *child = NULL;
    siginfo_t info = {};

    o->options.grace_usec = 100 * USEC_PER_SEC;
    assert_int_equal(start(o, 20 * USEC_PER_SEC, argv, &child), 0);
    child_wait(child, USEC_PER_MSEC);
    assert_int_equal(waitid(P_PID, (id_t)child_pid(child), &info, WEXITED | WNOHANG | WNOWAIT), 0);
    assert_int_equal(info.si_pid, 0);
    child_terminate(child, 5 * USEC_PER_SEC);
    child_wait(child, 60 * USEC_PER_SEC);
    assert_int_equal(waitid(P_PID, (id_t)child_pid(child), &info, WEXITED | WNOHANG | WNOWAIT), 0);
    assert_int_equal(info.si_pid, child_pid(child));
    child_cancel(child);
}

/* --- What it is given --- */

static void it_is_given_input_environment_and_another_name(void **state)
{
    struct outcome *o = *state;
    char name[] = "my-sh", c[] = "-c", script[] = "echo \"$0\"; cat; env", variable[] = "A=b c",
         path[] = "PATH=/usr/bin:/bin";
    char *argv[] = {name, c, script, NULL}, *environment[] = {variable, path, NULL};
    struct child *child = NULL;
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(write(fds[1], "input\n", 6), 6);
    close(fds[1]);
    o->options.program =
        (struct spawn_options){.path = "/bin/sh", .environment = environment, .input = fds[0]};
    assert_int_equal(start(o, 20 * USEC_PER_SEC, argv, &child), 0);
    close(fds[0]);
    assert_int_equal(sd_event_loop(o->event), 0);
    assert_end(o, CHILD_EXITED, 0);
    assert_int_equal(strncmp(buffer_string(&o->output), "my-sh\ninput\n", 12), 0);
    assert_non_null(strstr(buffer_string(&o->output), "\nA=b c\n"));
    assert_null(strstr(buffer_string(&o->output), "HOME="));
}

static void more_than_the_kernel_hands_over_is_told(void **state)
{
    struct outcome *o = *state;
    char name[] = "true";
    char *huge = malloc(200 * 1024), *argv[] = {name, huge, NULL};
    struct child *child = NULL;

    memset(huge, 'x', 200 * 1024 - 1);
    huge[200 * 1024 - 1] = '\0';
    assert_int_equal(start(o, USEC_PER_SEC, argv, &child), -E2BIG);
    free(huge);
    assert_false(has_children());
}

static void cancelled_it_dies_silently(void **state)
{
    struct outcome *o = *state;
    char sleep_name[] = "sleep", seconds[] = "100";
    char *argv[] = {sleep_name, seconds, NULL};
    struct child *child = NULL;

    assert_int_equal(start(o, 20 * USEC_PER_SEC, argv, &child), 0);
    assert_true(has_children());
    assert_null(child_cancel(child));
    wait_for_no_children(o);
    assert_int_equal(o->n, 0);
    assert_null(child_cancel(NULL));
}

static void cancelled_with_the_loop_ending_nothing_leaks(void **state)
{
    struct outcome *o = *state;
    char sleep_name[] = "sleep", seconds[] = "100";
    char *argv[] = {sleep_name, seconds, NULL};
    struct child *child = NULL;

    assert_int_equal(start(o, 20 * USEC_PER_SEC, argv, &child), 0);
    child_cancel(child);
    o->event = sd_event_unref(o->event);
    assert_int_equal(o->n, 0);
}

static void after_time_is_up_it_is_collected(void **state)
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

static void signals_are_as_a_program_expects_them(void **state)
{
    struct outcome *o = *state;
    unsigned long long blocked = 1, ignored = 1;
    sigset_t signals, old;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGINT);
    assert_int_equal(sigprocmask(SIG_BLOCK, &signals, &old), 0);
    assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    run(o, "grep -E '^Sig(Blk|Ign)' /proc/self/status");
    assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
    assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    assert_end(o, CHILD_EXITED, 0);
    assert_int_equal(
        sscanf(buffer_string(&o->output), "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
    assert_int_equal(blocked, 0);
    /* All but the two that are glibc's own, which its posix_spawn leaves ignored. */
    assert_int_equal(ignored & ~(3ULL << 31), 0);
}

static void an_ignored_sigchld_does_not_lose_the_status(void **state)
{
    struct outcome *o = *state;

    assert_true(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    run(o, "exit 7");
    assert_true(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
    assert_end(o, CHILD_EXITED, 7);
}

static void it_gets_no_descriptor_but_the_standard_three(void **state)
{
    struct outcome *o = *state;
    int fd = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as some library might */

    assert_true(fd > 2);
    run(o, "ls /proc/$$/fd; readlink /proc/$$/fd/0; cat");
    close(fd);
    assert_end(o, CHILD_EXITED, 0);
    assert_string_equal(buffer_string(&o->output), "0\n1\n2\n/dev/null\n");
}

/* The limit of this process is raised and used: not one number is free below the old one. */
static void it_has_the_descriptor_limit_that_this_process_began_with(void **state)
{
    struct outcome *o = *state;
    struct rlimit saved, limit;
    uint64_t hard;
    int fds[1000], n = 0;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
    if (saved.rlim_max < 1000)
        skip();
    limit = (struct rlimit){.rlim_cur = 300, .rlim_max = saved.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(descriptor_limit_raise(1000, &hard), 0);
    do {
        fds[n] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
        assert_true(fds[n] >= 0);
    } while (fds[n++] < 400);

    run(o, "ulimit -Sn; ulimit -Hn; ls /proc/$$/fd; readlink /proc/$$/fd/0; cat");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    while (n > 0)
        close(fds[--n]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
    assert_end(o, CHILD_EXITED, 0);
    assert_int_equal(limit.rlim_cur, 1000);
    assert_memory_equal(buffer_string(&o->output), "300\n", 4);
    assert_non_null(strstr(buffer_string(&o->output), "\n0\n1\n2\n/dev/null\n"));
    if (saved.rlim_max != RLIM_INFINITY)
        assert_int_equal(strtoull(buffer_string(&o->output) + 4, NULL, 10), saved.rlim_max);
}

static void it_is_in_a_process_group_of_its_own(void **state)
{
    struct outcome *o = *state;
    char own[32];

    run(o, "cut -d' ' -f5 /proc/$$/stat; echo $$");
    snprintf(own, sizeof(own), "%d\n", (int)getpgrp());
    assert_int_not_equal(strncmp(buffer_string(&o->output), own, strlen(own)), 0);
    /* The two lines are the same number. */
    assert_int_equal(strncmp(o->output.data, strchr(o->output.data, '\n') + 1,
                             (size_t)(strchr(o->output.data, '\n') - o->output.data)),
                     0);
}

static void it_does_not_get_what_systemd_gave_this_process_alone(void **state)
{
    struct outcome *o = *state;

    assert_int_equal(setenv("NOTIFY_SOCKET", "/nowhere", 1), 0);
    assert_int_equal(setenv("WATCHDOG_USEC", "1", 1), 0);
    assert_int_equal(setenv("JOURNAL_STREAM", "1:2", 1), 0);
    assert_int_equal(setenv("TEST_CHILD", "yes", 1), 0);
    run(o, "echo \"$NOTIFY_SOCKET$JOURNAL_STREAM,$WATCHDOG_USEC,$TEST_CHILD\"");
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("JOURNAL_STREAM");
    unsetenv("TEST_CHILD");
    assert_string_equal(buffer_string(&o->output), ",,yes\n");
}

static void what_cannot_be_run_is_told_at_once(void **state)
{
    struct outcome *o = *state;
    char missing[] = "/nonexistent/program", unknown[] = "no-such-program-anywhere",
         folder[] = "/tmp", plain[] = "/etc/passwd";
    char *const rows[] = {missing, unknown, folder, plain};
    const int errors[] = {-ENOENT, -ENOENT, -EACCES, -EACCES};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *argv[] = {rows[i], NULL};
        struct child *child = NULL;

        assert_int_equal(start(o, USEC_PER_SEC, argv, &child), errors[i]);
        assert_null(child);
        assert_false(has_children());
    }
    assert_int_equal(o->n, 0);
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
static void what_it_prints_is_never_waited_for(void **state)
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

static void no_descriptor_is_left_open(void **state)
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_it_prints_and_its_status_are_told),
        TEST(printing_nothing_is_fine),
        TEST(the_signal_that_killed_it_is_told),
        TEST(output_up_to_the_bound_is_kept),
        TEST(one_byte_more_ends_it),
        TEST(endless_output_ends_it),
        TEST(output_of_any_size_is_handed_on),
        TEST(endless_output_does_not_hold_up_the_loop),
        TEST(it_is_killed_with_its_group_when_time_is_up),
        TEST(what_it_leaves_behind_is_killed),
        TEST(terminated_it_may_tidy_up),
        TEST(what_ignores_sigterm_is_killed_after_the_grace),
        TEST(without_grace_it_is_killed),
        TEST(the_grace_can_be_made_shorter),
        TEST(what_has_ended_by_itself_before_was_not_terminated),
        TEST(the_end_of_a_group_is_not_put_off),
        TEST(a_stopped_one_is_ended_all_the_same),
        TEST(what_it_leaves_behind_may_tidy_up_and_the_answer_waits),
        TEST(what_it_leaves_behind_is_killed_after_the_grace),
        TEST(cancelled_in_the_grace_all_is_killed),
        TEST(its_end_can_be_waited_for_without_the_loop),
        TEST(it_is_given_input_environment_and_another_name),
        TEST(more_than_the_kernel_hands_over_is_told),
        TEST(cancelled_it_dies_silently),
        TEST(cancelled_with_the_loop_ending_nothing_leaks),
        TEST(after_time_is_up_it_is_collected),
        TEST(signals_are_as_a_program_expects_them),
        TEST(an_ignored_sigchld_does_not_lose_the_status),
        TEST(it_gets_no_descriptor_but_the_standard_three),
        TEST(it_has_the_descriptor_limit_that_this_process_began_with),
        TEST(it_is_in_a_process_group_of_its_own),
        TEST(it_does_not_get_what_systemd_gave_this_process_alone),
        TEST(what_cannot_be_run_is_told_at_once),
        TEST(what_it_prints_is_never_waited_for),
        TEST(no_descriptor_is_left_open),
    };
#undef TEST

    return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
