#include "child.h"
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { OUTPUT_MAX = 64 * 1024, ERRORS_MAX = 4096 };

struct outcome {
    sd_event *event;
    unsigned n;
    bool goes_on;               /* the loop does not end with the child */
    struct child_result result; /* its texts are the buffers' below */
    struct buffer output, errors;
};

static void on_done(void *userdata, const struct child_result *result)
{
    struct outcome *o = userdata;

    o->n++;
    o->result = *result;
    buffer_append(&o->output, result->output, result->output_bytes);
    buffer_append(&o->errors, result->errors, result->errors_bytes);
    if (!o->goes_on)
        sd_event_exit(o->event, 0);
}

static int start(struct outcome *o, uint64_t timeout_usec, char *const *argv, struct child **ret)
{
    struct child_options options = {
        .argv = argv,
        .output_max_bytes = OUTPUT_MAX,
        .errors_max_bytes = ERRORS_MAX,
        .timeout_usec = timeout_usec,
    };

    return child_start(o->event, &options, on_done, o, ret);
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
    o->output = BUFFER_INIT(1 << 20);
    o->errors = BUFFER_INIT(1 << 20);
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

static void run_for(struct outcome *o, const char *script, uint64_t timeout_usec)
{
    char copy[1024];
    char sh[] = "sh", c[] = "-c";
    char *argv[] = {sh, c, copy, NULL};
    struct child *child = NULL;

    snprintf(copy, sizeof(copy), "%s", script);
    assert_int_equal(start(o, timeout_usec, argv, &child), 0);
    assert_int_equal(o->n, 0);
    assert_int_equal(sd_event_loop(o->event), 0);
    assert_int_equal(o->n, 1);
}

static void run(struct outcome *o, const char *script)
{
    run_for(o, script, 20 * USEC_PER_SEC);
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
    assert_int_equal(o->result.end, end);
    assert_int_equal(o->result.status, status);
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
    assert_int_equal(o->result.end, CHILD_TOO_MUCH_OUTPUT);
}

static void endless_output_ends_it(void **state)
{
    struct outcome *o = *state;

    run(o, "yes & yes");
    assert_int_equal(o->result.end, CHILD_TOO_MUCH_OUTPUT);
    assert_true(o->output.size <= OUTPUT_MAX);
}

static void errors_past_their_bound_are_read_and_dropped(void **state)
{
    struct outcome *o = *state;

    run(o, "head -c 3000000 /dev/zero | tr '\\0' e >&2; echo done");
    assert_end(o, CHILD_EXITED, 0);
    assert_string_equal(buffer_string(&o->output), "done\n");
    assert_int_equal(o->errors.size, ERRORS_MAX);
}

static void it_is_killed_with_its_group_when_time_is_up(void **state)
{
    struct outcome *o = *state;
    struct timespec start_time, end_time;
    int fds[2];
    char script[128], byte;

    /* Both the program and what it started hold a pipe's writing end open. */
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    snprintf(script, sizeof(script), "exec 3>/proc/%d/fd/%d; sleep 100 & sleep 100", (int)getpid(),
             fds[1]);
    clock_gettime(CLOCK_MONOTONIC, &start_time);
    run_for(o, script, 300 * USEC_PER_MSEC);
    clock_gettime(CLOCK_MONOTONIC, &end_time);
    assert_int_equal(o->result.end, CHILD_TIMED_OUT);
    assert_true(end_time.tv_sec - start_time.tv_sec < 10);
    close(fds[1]);
    /* Ends at once only if nobody has the other end any more. */
    assert_int_equal(read(fds[0], &byte, 1), 0);
    close(fds[0]);
}

static void what_it_leaves_behind_is_killed(void **state)
{
    struct outcome *o = *state;
    int fds[2];
    char script[128], byte;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    snprintf(script, sizeof(script), "exec 3>/proc/%d/fd/%d; sleep 100 & echo done", (int)getpid(),
             fds[1]);
    run(o, script);
    assert_end(o, CHILD_EXITED, 0);
    assert_string_equal(buffer_string(&o->output), "done\n");
    close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 0);
    close(fds[0]);
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
    while (o->n == 0)
        assert_true(sd_event_run(o->event, USEC_PER_SEC) >= 0);
    assert_int_equal(o->result.end, CHILD_TIMED_OUT);
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
    assert_int_equal(setenv("TEST_CHILD", "yes", 1), 0);
    run(o, "echo \"$NOTIFY_SOCKET,$WATCHDOG_USEC,$TEST_CHILD\"");
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
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
        TEST(errors_past_their_bound_are_read_and_dropped),
        TEST(it_is_killed_with_its_group_when_time_is_up),
        TEST(what_it_leaves_behind_is_killed),
        TEST(cancelled_it_dies_silently),
        TEST(cancelled_with_the_loop_ending_nothing_leaks),
        TEST(after_time_is_up_it_is_collected),
        TEST(signals_are_as_a_program_expects_them),
        TEST(an_ignored_sigchld_does_not_lose_the_status),
        TEST(it_gets_no_descriptor_but_the_standard_three),
        TEST(it_is_in_a_process_group_of_its_own),
        TEST(it_does_not_get_what_systemd_gave_this_process_alone),
        TEST(what_cannot_be_run_is_told_at_once),
        TEST(no_descriptor_is_left_open),
    };
#undef TEST

    return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
