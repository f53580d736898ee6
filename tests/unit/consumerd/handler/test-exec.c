/* SPDX-License-Identifier: MIT */
/* Exit statuses, input, environment, and programs that cannot be run. */
#include "exec-fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

static void again(void **state)
{
    assert_int_equal(tear_down(state), 0);
    assert_int_equal(set_up(state), 0);
}

static void exit_status_decides_the_outcome(void **state)
{
    static const struct {
        int status;
        enum handler_outcome outcome;
        uint64_t delay_usec;
        int priority;
        const char *says;
    } rows[] = {
        {0, HANDLER_DONE, 0, LOG_DEBUG, "exit status 0"},
        {75, HANDLER_RETRY, HANDLER_DELAY_CONSTANT, LOG_INFO,
         "(EX_TEMPFAIL): the message comes back after 7 s"},
        {65, HANDLER_REJECT, 0, LOG_INFO, "(EX_DATAERR): the message is rejected"},
        {1, HANDLER_RETRY, GROWING, LOG_WARNING, "exit status 1: the message comes back"},
        {2, HANDLER_RETRY, GROWING, LOG_WARNING, "exit status 2:"},
        {64, HANDLER_RETRY, GROWING, LOG_WARNING, "exit status 64:"},
        {66, HANDLER_RETRY, GROWING, LOG_WARNING, "exit status 66:"},
        {74, HANDLER_RETRY, GROWING, LOG_WARNING, "exit status 74:"},
        {76, HANDLER_RETRY, GROWING, LOG_WARNING, "exit status 76:"},
        {78, HANDLER_RETRY, GROWING, LOG_WARNING, "exit status 78:"},
        {126, HANDLER_RETRY, GROWING, LOG_WARNING, "exit status 126:"},
        {127, HANDLER_RETRY, GROWING, LOG_WARNING, "exit status 127:"},
        {255, HANDLER_RETRY, GROWING, LOG_WARNING, "exit status 255:"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char script[32];

        snprintf(script, sizeof(script), "exit %d", rows[i].status);
        handle(script);
        assert_outcome(rows[i].outcome, rows[i].delay_usec);
        assert_logged(rows[i].says);
        assert_int_equal(n_entries, 1);
        assert_int_equal(entries[0].priority, rows[i].priority);
        assert_string_equal(entries[0].message_id, "m-1");
        assert_string_equal(entries[0].group_id, "g-1");
        assert_true(atoi(entries[0].pid) > 0);
        again(state);
    }
}

static void program_ended_by_a_signal_message_is_retried(void **state)
{
    static const int signals[] = {SIGKILL, SIGTERM, SIGSEGV, SIGABRT, SIGPIPE, SIGHUP, SIGUSR1};

    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        char script[48], says[32];

        snprintf(script, sizeof(script), "ulimit -c 0; kill -%d $$", signals[i]);
        snprintf(says, sizeof(says), "was ended by signal %d (", signals[i]);
        handle(script);
        assert_outcome(HANDLER_RETRY, GROWING);
        assert_logged(says);
        assert_int_equal(entries[0].priority, LOG_WARNING);
        again(state);
    }
}

/* Returns the time-out in seconds. A slow machine may take longer than one to start the program. */
static unsigned handle_until_begun(void **state, const char *script)
{
    for (unsigned sec = 1;; sec *= 2) {
        assert_true(sec * USEC_PER_SEC <= SLOWEST_START_USEC);
        config.consumer.timeout_usec = sec * USEC_PER_SEC;
        handle(script);
        if (logged(": begun"))
            return sec;
        again(state);
    }
}

static void program_that_hangs_is_terminated_after_the_timeout(void **state)
{
    char says[64];
    unsigned sec = handle_until_begun(state, "echo begun; sleep 100 & sleep 100");

    assert_outcome(HANDLER_RETRY, GROWING);
    snprintf(says, sizeof(says), "longer than consumer.timeout (%u s)", sec);
    assert_logged(says);
}

static void program_terminated_may_tidy_up(void **state)
{
    handle_until_begun(state,
                       "trap 'echo tidied; exit 0' TERM; echo begun; while :; do sleep 0.01; done");
    assert_outcome(HANDLER_RETRY, GROWING);
    assert_logged(": tidied");
}

static void program_that_ignores_sigterm_is_killed(void **state)
{
    config.consumer.timeout_usec = 200 * USEC_PER_MSEC;
    handle("trap '' TERM; (trap '' TERM; while :; do sleep 1; done) & while :; do sleep 1; done");
    assert_outcome(HANDLER_RETRY, GROWING);
}

static void program_exits_its_process_group_is_terminated(void **state)
{
    uint64_t usec = UINT64_MAX;

    /* Not only after the grace: a slow machine has three tries to do it in less. */
    for (int i = 0; i < 3 && usec >= 4 * USEC_PER_SEC; i++) {
        uint64_t begun;

        again(state);
        begun = boot_clock_usec();
        handle("sleep 100 & sleep 100 & exit 0");
        assert_outcome(HANDLER_DONE, 0);
        usec = boot_clock_usec() - begun;
    }
    assert_true(usec < 4 * USEC_PER_SEC);
}

static void program_may_read_the_body_or_not(void **state)
{
    static const char *const scripts[] = {
        "exit 0",
        "exec <&-; exit 0",
        "head -c 1 >/dev/null",
        "[ $(wc -c) = 1048576 ]",
        "cat >/dev/null; [ $(wc -c) = 0 ] && [ $(wc -c </dev/stdin) = 1048576 ]",
    };
    char *body = malloc(SQS_MESSAGE_MAX_BYTES);

    memset(body, 'b', SQS_MESSAGE_MAX_BYTES);
    for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
        message.body = body;
        message.body_bytes = SQS_MESSAGE_MAX_BYTES;
        handle(scripts[i]);
        assert_outcome(HANDLER_DONE, 0);
        again(state);
    }
    free(body);
}

static void assert_not_logged(const char *text)
{
    if (logged(text))
        print_message("logged: %s\n", logged(text)->text);
    assert_null(logged(text));
}

static void program_inherits_nothing_of_the_daemon(void **state)
{
    struct sqs_attribute attributes[] = {
        {.name = "trace-id", .data_type = "String", .value = "t", .value_bytes = 1}};
    sigset_t blocked, old;
    CLEANUP(free) char *error = NULL;
    int fd = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as some library might */

    sigfillset(&blocked);
    assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, &old), 0);
    assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    assert_int_equal(setenv("AWS_SECRET_ACCESS_KEY", "S", 1), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", "/nowhere", 1), 0);
    assert_int_equal(setenv("TEST_EXEC", "passed on", 1), 0);
    assert_int_equal(make(&error, HANDLER_PROBE, "two words", "", NULL), 0);
    message.attributes = attributes;
    message.n_attributes = 1;
    start(&outcome);
    run_until(event, &outcome.n_done, 1);
    assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
    unsetenv("AWS_SECRET_ACCESS_KEY");
    unsetenv("NOTIFY_SOCKET");
    unsetenv("TEST_EXEC");
    close(fd);

    assert_outcome(HANDLER_DONE, 0);
    assert_logged(": argument " HANDLER_PROBE);
    assert_logged(": argument two words");
    assert_logged(": descriptor 0");
    assert_logged(": descriptor 1");
    assert_logged(": descriptor 2");
    for (int i = 3; i < 10; i++) {
        char text[32];

        snprintf(text, sizeof(text), ": descriptor %d", i);
        assert_not_logged(text);
    }
    assert_not_logged(": blocked");
    assert_not_logged(": not default");
    assert_logged(": group own");
    assert_logged(": input at 0");
    assert_logged(": input 8 bytes");
    assert_logged(": variable SQS_MESSAGE_ID=m-1");
    assert_logged(": variable SQS_ATTRIBUTE_TRACE_ID=t");
    assert_logged(": variable TEST_EXEC=passed on");
    assert_not_logged("AWS_");
    assert_not_logged("NOTIFY_SOCKET");
}

static void attributes_too_large_together_are_omitted(void **state)
{
    struct sqs_attribute attributes[SQS_ATTRIBUTES_MAX];
    char names[SQS_ATTRIBUTES_MAX][8], *text = malloc(100000);
    struct rlimit limit, saved;

    memset(text, 't', 100000);
    for (int i = 0; i < SQS_ATTRIBUTES_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "n%d", i);
        attributes[i] = (struct sqs_attribute){.name = names[i],
                                               .data_type = "String",
                                               .value = text,
                                               .value_bytes = (size_t)(100000 - i)};
    }
    message.attributes = attributes;
    message.n_attributes = ARRAY_SIZE(attributes);
    /* The kernel hands over a quarter of the stack at most. */
    assert_int_equal(getrlimit(RLIMIT_STACK, &limit), 0);
    saved = limit;
    limit.rlim_cur = 2 * 1024 * 1024;
    assert_int_equal(setrlimit(RLIMIT_STACK, &limit), 0);
    handle("echo omitted: $SQS_ATTRIBUTES_OMITTED; echo ${#SQS_ATTRIBUTE_N9}");
    assert_int_equal(setrlimit(RLIMIT_STACK, &saved), 0);
    free(text);
    assert_outcome(HANDLER_DONE, 0);
    assert_logged(": omitted: n0 n1 n2 n3 n4");
    assert_logged(": 99991");
}

static void assert_refused(const char *program, const char *says)
{
    CLEANUP(free) char *error = NULL;

    assert_int_equal(make(&error, program, NULL), HANDLER_E_CONFIG);
    if (!strstr(error, says))
        print_message("%s\n", error);
    assert_non_null(strstr(error, says));
    assert_null(handler);
    free(TAKE(error));
    assert_int_equal(handler_check(&config, &error), HANDLER_E_CONFIG);
    assert_non_null(strstr(error, says));
}

static void command_that_cannot_be_run_is_refused_at_the_start(void **state)
{
    CLEANUP(free) char *error = NULL;

    assert_refused(NULL, "consumer.command: not set");
    assert_refused("/nonexistent", "consumer.command: \"/nonexistent\" does not exist");
    assert_refused(folder, "is a folder");
    assert_refused("/etc/passwd", "may not be run");
    assert_refused("no-such-program", "\"no-such-program\" is not in any folder of PATH");
    assert_refused("/bin/echo hello", "each argument is a text of its own");
    assert_refused("echo hello", "each argument is a text of its own");
    assert_int_equal(make(&error, "true", NULL), 0);
    assert_int_equal(handler_check(&config, &error), 0);
    assert_null(error);
}

static void daemon_memory_and_environment_are_hidden_from_programs(void **state)
{
    /* There it is not done (see consumerd/handler/exec.c); and what cmocka skips is not ok. */
    if (HAS_ADDRESS_SANITIZER)
        return;
    assert_int_equal(prctl(PR_SET_DUMPABLE, 1), 0);
    assert_int_equal(make(NULL, "true", NULL), 0);
    assert_int_equal(prctl(PR_GET_DUMPABLE), 0);
}

/* Writes a program that consumer.command then names. */
static void write_program(const char *text)
{
    FILE *f = fopen(in_folder("program"), "we");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(in_folder("program"), 0700), 0);
}

static void assert_cannot_run(const char *says)
{
    outcome = (struct outcome){};
    n_entries = 0;
    start(&outcome);
    assert_int_equal(outcome.n_done, 1);
    assert_outcome(HANDLER_NOT_REACHED, GROWING);
    assert_int_equal(n_entries, 0);
    assert_non_null(strstr(handler->ops->why_not_reached(handler), says));
    assert_false(has_children());
}

static void command_that_can_no_longer_be_run_is_not_reached(void **state)
{
    char *error = NULL;

    write_program("#!/bin/sh\nexit 0\n");
    assert_int_equal(make(&error, in_folder("program"), NULL), 0);
    start(&outcome);
    run_until(event, &outcome.n_done, 1);
    assert_outcome(HANDLER_DONE, 0);

    write_program("exit 0\n");
    assert_cannot_run("a script needs a first line such as #!/bin/sh");
    write_program("#!/nonexistent/interpreter\n");
    assert_cannot_run("the interpreter that its first line names");
    assert_int_equal(chmod(in_folder("program"), 0600), 0);
    assert_cannot_run("Permission denied");
    assert_int_equal(unlink(in_folder("program")), 0);
    assert_cannot_run("program): No such file or directory");

    write_program("#!/bin/sh\nexit 0\n");
    outcome = (struct outcome){};
    start(&outcome);
    run_until(event, &outcome.n_done, 1);
    assert_outcome(HANDLER_DONE, 0);
}

static void descriptor_limit_is_raised_or_the_start_fails(void **state)
{
    struct rlimit limit, saved;
    CLEANUP(free) char *error = NULL;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
    if (saved.rlim_max < 10000)
        skip();
    config.consumer.concurrency = 1000;
    limit = (struct rlimit){.rlim_cur = 1024, .rlim_max = saved.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(make(&error, "true", NULL), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(limit.rlim_cur >= 3000);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(exit_status_decides_the_outcome),
        TEST(program_ended_by_a_signal_message_is_retried),
        TEST(program_that_hangs_is_terminated_after_the_timeout),
        TEST(program_terminated_may_tidy_up),
        TEST(program_that_ignores_sigterm_is_killed),
        TEST(program_exits_its_process_group_is_terminated),
        TEST(program_may_read_the_body_or_not),
        TEST(program_inherits_nothing_of_the_daemon),
        TEST(attributes_too_large_together_are_omitted),
        TEST(command_that_cannot_be_run_is_refused_at_the_start),
        TEST(daemon_memory_and_environment_are_hidden_from_programs),
        TEST(command_that_can_no_longer_be_run_is_not_reached),
        TEST(descriptor_limit_is_raised_or_the_start_fails),
    };

    return cmocka_run_group_tests_name("exec", tests, NULL, NULL);
}
