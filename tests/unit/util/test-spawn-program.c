/* SPDX-License-Identifier: MIT */
/* What a program finds when it is spawned, and why it cannot be. */
#include "child-fixture.h"

/* --- What it is given --- */

static void spawned_program_gets_its_input_environment_and_name(void **state)
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
    assert_int_equal(start(o, 1000 * USEC_PER_SEC, argv, &child), 0);
    close(fds[0]);
    assert_int_equal(sd_event_loop(o->event), 0);
    assert_end(o, CHILD_EXITED, 0);
    assert_int_equal(strncmp(buffer_string(&o->output), "my-sh\ninput\n", 12), 0);
    assert_non_null(strstr(buffer_string(&o->output), "\nA=b c\n"));
    assert_null(strstr(buffer_string(&o->output), "HOME="));
}

static void spawned_program_with_too_long_an_argument_fails(void **state)
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

static void spawned_program_has_default_signals(void **state)
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

static void spawned_program_status_is_returned_though_sigchld_is_ignored(void **state)
{
    struct outcome *o = *state;

    assert_true(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    run(o, "exit 7");
    assert_true(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
    assert_end(o, CHILD_EXITED, 7);
}

static void spawned_program_gets_only_the_standard_descriptors(void **state)
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
static void spawned_program_has_the_original_descriptor_limit(void **state)
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

static void spawned_program_is_in_its_own_process_group(void **state)
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

static void spawned_program_does_not_get_the_variables_of_systemd(void **state)
{
    struct outcome *o = *state;

    assert_int_equal(setenv("NOTIFY_SOCKET", "/nowhere", 1), 0);
    assert_int_equal(setenv("SQS_DEMO_LOG_LEVEL", "debug", 1), 0);
    assert_int_equal(setenv("WATCHDOG_USEC", "1", 1), 0);
    assert_int_equal(setenv("JOURNAL_STREAM", "1:2", 1), 0);
    assert_int_equal(setenv("TEST_CHILD", "yes", 1), 0);
    run(o, "echo \"$NOTIFY_SOCKET$SQS_DEMO_LOG_LEVEL$JOURNAL_STREAM,$WATCHDOG_USEC,$TEST_CHILD\"");
    unsetenv("NOTIFY_SOCKET");
    unsetenv("SQS_DEMO_LOG_LEVEL");
    unsetenv("WATCHDOG_USEC");
    unsetenv("JOURNAL_STREAM");
    unsetenv("TEST_CHILD");
    assert_string_equal(buffer_string(&o->output), ",,yes\n");
}

static void spawned_program_that_cannot_be_run_fails_at_once(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(spawned_program_gets_its_input_environment_and_name),
        TEST(spawned_program_with_too_long_an_argument_fails),
        TEST(spawned_program_has_default_signals),
        TEST(spawned_program_status_is_returned_though_sigchld_is_ignored),
        TEST(spawned_program_gets_only_the_standard_descriptors),
        TEST(spawned_program_has_the_original_descriptor_limit),
        TEST(spawned_program_is_in_its_own_process_group),
        TEST(spawned_program_does_not_get_the_variables_of_systemd),
        TEST(spawned_program_that_cannot_be_run_fails_at_once),
    };
#undef TEST

    return cmocka_run_group_tests_name("util-spawn-program", tests, NULL, NULL);
}
