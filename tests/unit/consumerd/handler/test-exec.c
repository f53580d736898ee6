/* SPDX-License-Identifier: MIT */
/* Handler "exec" with programs that do what a test wants: each way to end, and each way not to. */
#include "consumerd/handler/handlers.h"
#include "test-loop.h"
#include "util/log.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define GROWING HANDLER_DELAY_DEFAULT
#define RETRY_DELAY (7 * USEC_PER_SEC)

/* --- The log, in libsystemd's place --- */

struct entry {
    int priority;
    char text[LOG_LINE_MAX_BYTES + 16], message_id[64], group_id[64], pid[16];
};

static struct entry entries[1100];
static size_t n_entries;
static atomic_bool journal_is_stuck;

static void take_field(const struct iovec *field, const char *name, char *ret, size_t size)
{
    size_t length = strlen(name);

    if (field->iov_len > length && memcmp(field->iov_base, name, length) == 0)
        snprintf(ret, size, "%.*s", (int)(field->iov_len - length),
                 (const char *)field->iov_base + length);
}

int sd_journal_sendv(const struct iovec *iov, int n);
int sd_journal_sendv(const struct iovec *iov, int n)
{
    char priority[8] = "";
    struct entry *e;

    while (atomic_load(&journal_is_stuck))
        usleep(1000);
    assert_true(n_entries < ARRAY_SIZE(entries));
    e = &entries[n_entries++];
    e->text[0] = e->message_id[0] = e->group_id[0] = e->pid[0] = '\0';
    for (int i = 0; i < n; i++) {
        take_field(&iov[i], "MESSAGE=", e->text, sizeof(e->text));
        take_field(&iov[i], "SQS_MESSAGE_ID=", e->message_id, sizeof(e->message_id));
        take_field(&iov[i], "SQS_MESSAGE_GROUP_ID=", e->group_id, sizeof(e->group_id));
        take_field(&iov[i], "SQS_HANDLER_PID=", e->pid, sizeof(e->pid));
        take_field(&iov[i], "PRIORITY=", priority, sizeof(priority));
    }
    e->priority = atoi(priority);
    return 0;
}

/* The first entry that holds the text; NULL: none does. */
static const struct entry *logged(const char *text)
{
    for (size_t i = 0; i < n_entries; i++)
        if (strstr(entries[i].text, text))
            return &entries[i];
    return NULL;
}

static void print_log(void)
{
    for (size_t i = 0; i < n_entries; i++)
        print_message("  %s\n", entries[i].text);
}

static void assert_logged(const char *text)
{
    if (logged(text))
        return;
    print_message("not logged: %s\n", text);
    print_log();
    fail();
}

/* --- A handler and its runs --- */

struct outcome {
    unsigned n_done;
    enum handler_outcome outcome;
    uint64_t delay_usec;
    struct handler_run *run;
};

static sd_event *event;
static struct handler *handler;
static struct config config;
static struct sqs_received_message message;
static struct outcome outcome;
static char *command[8];
static char folder[64];

static void on_done(void *userdata, enum handler_outcome what, uint64_t delay_usec)
{
    struct outcome *o = userdata;

    o->n_done++;
    o->outcome = what;
    o->delay_usec = delay_usec;
}

static void forget_handler(void)
{
    handler = handler_free(handler);
    for (size_t i = 0; i < ARRAY_SIZE(command); i++)
        free(TAKE(command[i]));
}

/* Returns what handler_new does; *error as well. */
static int make(char **error, const char *program, ...)
{
    size_t n = 0;
    va_list words;

    forget_handler();
    va_start(words, program);
    for (const char *word = program; word; word = va_arg(words, const char *))
        command[n++] = strdup(word);
    va_end(words);
    config.consumer.handler = CONFIG_HANDLER_EXEC;
    config.consumer.command = command;
    return handler_new(event, &config, &handler, error);
}

static void make_script(const char *script)
{
    CLEANUP(free) char *error = NULL;

    assert_int_equal(make(&error, "/bin/sh", "-c", script, "name", NULL), 0);
}

static int begin(void **state)
{
    log_open("test", LOG_TARGET_JOURNAL, LOG_DEBUG, LOG_COLOUR_NONE);
    n_entries = 0;
    outcome = (struct outcome){};
    config.consumer.concurrency = 4;
    config.consumer.timeout_usec = TEST_PATIENCE_USEC;
    config.consumer.retry_delay_usec = RETRY_DELAY;
    message = (struct sqs_received_message){
        .message_id = "m-1", .group_id = "g-1", .body = "the body", .body_bytes = 8};
    strcpy(folder, "/tmp/test-exec.XXXXXX");
    return mkdtemp(folder) ? sd_event_new(&event) : -1;
}

static int end(void **state)
{
    char script[128];

    forget_handler();
    event = sd_event_unref(event);
    /* What was killed as its loop ended is dead, but for nobody to collect. */
    while (waitpid(-1, NULL, 0) > 0)
        ;
    snprintf(script, sizeof(script), "rm -r %s", folder);
    return system(script); /* NOLINT(cert-env33-c): the folder is the test's own */
}

static void again(void **state)
{
    assert_int_equal(end(state), 0);
    assert_int_equal(begin(state), 0);
}

static void start(struct outcome *o)
{
    assert_int_equal(handler->ops->run(handler, &message, on_done, o, &o->run), 0);
}

static bool has_children(void)
{
    siginfo_t info = {};

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

/* Handles the message with a script; everything has gone afterwards. */
static void handle(const char *script)
{
    make_script(script);
    start(&outcome);
    run_until(event, &outcome.n_done, 1);
    while (has_children())
        run_for(event, USEC_PER_MSEC);
    assert_int_equal(outcome.n_done, 1);
}

static void assert_outcome(enum handler_outcome what, uint64_t delay_usec)
{
    if (outcome.outcome != what)
        print_log();
    assert_int_equal(outcome.outcome, what);
    if (what == HANDLER_RETRY)
        assert_true(outcome.delay_usec == delay_usec);
}

static const char *in_folder(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

/* --- What becomes of a message --- */

static void its_exit_status_says_what_becomes_of_the_message(void **state)
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

static void a_signal_lets_it_come_back(void **state)
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

static void what_hangs_is_ended_after_the_timeout(void **state)
{
    config.consumer.timeout_usec = USEC_PER_SEC;
    handle("echo begun; sleep 100 & sleep 100");
    assert_outcome(HANDLER_RETRY, GROWING);
    assert_logged("longer than consumer.timeout (1 s)");
    assert_logged(": begun");
}

static void what_hangs_may_tidy_up(void **state)
{
    config.consumer.timeout_usec = USEC_PER_SEC;
    handle("trap 'echo tidied; exit 0' TERM; while :; do sleep 0.01; done");
    assert_outcome(HANDLER_RETRY, GROWING);
    assert_logged(": tidied");
}

static void what_ignores_sigterm_is_killed(void **state)
{
    config.consumer.timeout_usec = 200 * USEC_PER_MSEC;
    handle("trap '' TERM; (trap '' TERM; while :; do sleep 1; done) & while :; do sleep 1; done");
    assert_outcome(HANDLER_RETRY, GROWING);
}

static void what_it_leaves_behind_is_ended(void **state)
{
    uint64_t begun = boot_clock_usec();

    handle("sleep 100 & sleep 100 & exit 0");
    assert_outcome(HANDLER_DONE, 0);
    /* Not only after the grace. */
    assert_true(boot_clock_usec() - begun < 4 * USEC_PER_SEC);
}

/* --- Input --- */

static void it_may_read_the_body_or_not(void **state)
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

/* --- Output --- */

static void what_it_prints_is_logged_line_by_line(void **state)
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

static void megabytes_of_lines_are_cut_short_and_counted(void **state)
{
    handle("yes line | head -n 1000000; exit 0");
    assert_outcome(HANDLER_DONE, 0);
    assert_int_equal(n_entries, 1000 + 2);
    assert_logged("has printed 999000 more lines, which are not shown: 1000 are for each message");
    assert_int_equal(entries[1000].priority, LOG_WARNING);
}

static void megabytes_without_a_line_are_cut_into_pieces(void **state)
{
    handle("head -c 5000000 /dev/zero | tr '\\0' x; exit 0");
    assert_outcome(HANDLER_DONE, 0);
    assert_int_equal(n_entries, 1000 + 2);
    assert_logged("has printed 1442 more lines");
}

static void endless_output_ends_with_the_timeout(void **state)
{
    config.consumer.timeout_usec = USEC_PER_SEC;
    handle("yes & yes >&2");
    assert_outcome(HANDLER_RETRY, GROWING);
    assert_logged("more lines");
}

static void a_program_that_waits_for_the_log_alone_is_not_reached(void **state)
{
    config.consumer.timeout_usec = USEC_PER_SEC;
    assert_int_equal(log_start_thread(event), 0);
    atomic_store(&journal_is_stuck, true);
    handle("yes $(printf %04000d 0) | head -n 900");
    atomic_store(&journal_is_stuck, false);
    log_stop_thread();
    assert_outcome(HANDLER_NOT_REACHED, 0);
    assert_non_null(strstr(handler->ops->why_not_reached(handler), "the log is slow"));
}

static void what_is_below_the_log_level_is_not_looked_at(void **state)
{
    log_open("test", LOG_TARGET_JOURNAL, LOG_NOTICE, LOG_COLOUR_NONE);
    handle("yes line | head -n 1000000; echo err >&2; exit 0");
    assert_outcome(HANDLER_DONE, 0);
    assert_int_equal(n_entries, 1);
    assert_logged(": err");
}

/* --- What a program finds itself with --- */

static void assert_not_logged(const char *text)
{
    if (logged(text))
        print_message("logged: %s\n", logged(text)->text);
    assert_null(logged(text));
}

static void it_has_nothing_of_the_daemon(void **state)
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

static void attributes_that_do_not_fit_altogether_are_left_out(void **state)
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

/* --- Programs that cannot be run --- */

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

static void what_cannot_be_run_is_told_at_the_start(void **state)
{
    CLEANUP(free) char *error = NULL;

    assert_refused(NULL, "consumer.command: not set");
    assert_refused("/nonexistent", "consumer.command: \"/nonexistent\" does not exist");
    assert_refused(folder, "is a folder");
    assert_refused("/etc/passwd", "may not be run");
    assert_refused("no-such-program", "\"no-such-program\" is in no folder of PATH");
    assert_refused("/bin/echo hello", "each argument is a text of its own");
    assert_refused("echo hello", "each argument is a text of its own");
    assert_int_equal(make(&error, "true", NULL), 0);
    assert_int_equal(handler_check(&config, &error), 0);
    assert_null(error);
}

static void memory_and_environment_are_closed_to_programs(void **state)
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

static void what_can_no_longer_be_run_is_not_reached(void **state)
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

static void room_is_made_for_many_descriptors_or_the_start_fails(void **state)
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

/* --- Told to end --- */

static void wait_for_line(const char *text)
{
    uint64_t patience = boot_clock_usec() + TEST_PATIENCE_USEC;

    while (!logged(text)) {
        assert_true(sd_event_run(event, 100 * USEC_PER_MSEC) >= 0);
        assert_true(boot_clock_usec() < patience);
    }
}

/* Runs a script until it prints "begun", and tells it to end within that time. */
static void handle_and_end(const char *script, uint64_t grace_usec)
{
    n_entries = 0;
    outcome = (struct outcome){};
    make_script(script);
    start(&outcome);
    wait_for_line(": begun");
    handler->ops->cancel(outcome.run, grace_usec);
    handler->ops->cancel(outcome.run, grace_usec);
    assert_int_equal(outcome.n_done, 0);
    assert_true(has_children());
    run_until(event, &outcome.n_done, 1);
}

/* Many end with 0 then, whatever they have left undone. */
static void told_to_end_its_message_comes_back_whatever_its_exit_status(void **state)
{
    static const char *const ends[] = {"trap 'exit 0' TERM",  "trap 'exit 1' TERM",
                                       "trap 'exit 65' TERM", "trap 'exit 75' TERM",
                                       "trap - TERM",         "trap 'kill -KILL $$' TERM"};

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        char script[128];

        snprintf(script, sizeof(script), "%s; echo begun; while :; do sleep 0.01; done", ends[i]);
        handle_and_end(script, TEST_PATIENCE_USEC);
        assert_outcome(HANDLER_RETRY, GROWING);
        assert_logged("has ended, as it was asked to: the message comes back");
    }
}

static void told_to_end_in_vain_it_is_killed(void **state)
{
    handle_and_end("trap '' TERM; echo begun; while :; do sleep 100; done", 200 * USEC_PER_MSEC);
    assert_outcome(HANDLER_RETRY, GROWING);
    while (has_children())
        run_for(event, USEC_PER_MSEC);
    assert_int_equal(outcome.n_done, 1);
}

static void told_to_end_it_may_tidy_up(void **state)
{
    handle_and_end("trap 'echo tidied; exit 0' TERM; echo begun; while :; do sleep 0.01; done",
                   TEST_PATIENCE_USEC);
    assert_logged(": tidied");
    assert_false(has_children());
}

/* Before the loop has seen it. */
static void what_got_through_before_it_was_told_to_end_is_done(void **state)
{
    siginfo_t info = {};

    n_entries = 0;
    outcome = (struct outcome){};
    make_script("exit 0");
    start(&outcome);
    assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
    handler->ops->cancel(outcome.run, USEC_PER_SEC);
    run_until(event, &outcome.n_done, 1);
    assert_outcome(HANDLER_DONE, 0);
}

static void told_to_end_it_is_answered_for_when_its_group_has_gone(void **state)
{
    handle_and_end("trap 'exit 0' TERM; (trap 'sleep 0.2; echo left tidied; exit' TERM; "
                   "echo begun; while :; do sleep 0.01; done) & wait",
                   TEST_PATIENCE_USEC);
    assert_outcome(HANDLER_RETRY, GROWING);
    assert_logged(": left tidied");
}

static void cancelled_its_group_may_tidy_up(void **state)
{
    make_script(
        "(trap 'echo left tidied; exit' TERM; echo left begun; while :; do sleep 0.01; done) & "
        "trap 'echo tidied; exit 1' TERM; echo begun; while :; do sleep 0.01; done");
    start(&outcome);
    wait_for_line(": begun");
    wait_for_line(": left begun");
    message = (struct sqs_received_message){};
    handler->ops->abandon(outcome.run);
    wait_for_line(": tidied");
    wait_for_line("which was given up, has gone");
    assert_logged(": left tidied");
    assert_int_equal(outcome.n_done, 0);
    assert_false(has_children());
}

static void no_more_run_than_are_handled_at_once_cancelled_ones_counted(void **state)
{
    struct outcome outcomes[3] = {};

    config.consumer.concurrency = 2;
    make_script("trap '' TERM; echo begun $$; while :; do sleep 1; done");
    for (unsigned i = 0; i < 2; i++) {
        start(&outcomes[i]);
        assert_int_equal(outcomes[i].n_done, 0);
        handler->ops->abandon(outcomes[i].run);
    }
    start(&outcomes[2]);
    assert_int_equal(outcomes[2].n_done, 1);
    assert_int_equal(outcomes[2].outcome, HANDLER_NOT_REACHED);
    assert_non_null(
        strstr(handler->ops->why_not_reached(handler), "Resource temporarily unavailable"));
}

/* As at the daemon's end: nothing is left when the handler is gone. */
static void freed_nothing_is_left(void **state)
{
    struct outcome outcomes[2] = {};
    int fds[2];
    char script[256], byte;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    snprintf(script, sizeof(script),
             "exec 3>/proc/%d/fd/%d; trap 'touch %s; exit' TERM; "
             "(trap '' TERM; echo begun; sleep 100) & while :; do sleep 0.01; done",
             (int)getpid(), fds[1], in_folder("tidied"));
    make_script(script);
    for (unsigned i = 0; i < 2; i++)
        start(&outcomes[i]);
    wait_for_line(": begun");
    while (n_entries < 2)
        run_for(event, USEC_PER_MSEC);
    assert_int_equal(sd_event_exit(event, 0), 0);
    assert_int_equal(sd_event_loop(event), 0);
    for (unsigned i = 0; i < 2; i++)
        handler->ops->abandon(outcomes[i].run);
    forget_handler();
    assert_int_equal(access(in_folder("tidied"), F_OK), 0);
    close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 0);
    close(fds[0]);
    assert_int_equal(outcomes[0].n_done + outcomes[1].n_done, 0);
}

static void many_at_once_each_have_their_answer(void **state)
{
    enum { MANY = 50 };
    struct outcome outcomes[MANY] = {};
    char ids[MANY][16];

    config.consumer.concurrency = MANY;
    make_script("sleep 0.0$(( $$ % 9 )); test \"$SQS_MESSAGE_ID\" = \"$(cat)\"");
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(ids[i], sizeof(ids[i]), "id-%u", i);
        message.message_id = message.body = ids[i];
        message.body_bytes = strlen(ids[i]);
        start(&outcomes[i]);
    }
    for (unsigned i = 0; i < MANY; i++) {
        run_until(event, &outcomes[i].n_done, 1);
        if (outcomes[i].outcome != HANDLER_DONE)
            print_log();
        assert_int_equal(outcomes[i].outcome, HANDLER_DONE);
    }
    assert_false(has_children());
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(its_exit_status_says_what_becomes_of_the_message),
        TEST(a_signal_lets_it_come_back),
        TEST(what_hangs_is_ended_after_the_timeout),
        TEST(what_hangs_may_tidy_up),
        TEST(what_ignores_sigterm_is_killed),
        TEST(what_it_leaves_behind_is_ended),
        TEST(it_may_read_the_body_or_not),
        TEST(what_it_prints_is_logged_line_by_line),
        TEST(megabytes_of_lines_are_cut_short_and_counted),
        TEST(megabytes_without_a_line_are_cut_into_pieces),
        TEST(endless_output_ends_with_the_timeout),
        TEST(a_program_that_waits_for_the_log_alone_is_not_reached),
        TEST(what_is_below_the_log_level_is_not_looked_at),
        TEST(it_has_nothing_of_the_daemon),
        TEST(attributes_that_do_not_fit_altogether_are_left_out),
        TEST(what_cannot_be_run_is_told_at_the_start),
        TEST(memory_and_environment_are_closed_to_programs),
        TEST(what_can_no_longer_be_run_is_not_reached),
        TEST(room_is_made_for_many_descriptors_or_the_start_fails),
        TEST(told_to_end_its_message_comes_back_whatever_its_exit_status),
        TEST(told_to_end_it_may_tidy_up),
        TEST(what_got_through_before_it_was_told_to_end_is_done),
        TEST(told_to_end_in_vain_it_is_killed),
        TEST(told_to_end_it_is_answered_for_when_its_group_has_gone),
        TEST(cancelled_its_group_may_tidy_up),
        TEST(no_more_run_than_are_handled_at_once_cancelled_ones_counted),
        TEST(freed_nothing_is_left),
        TEST(many_at_once_each_have_their_answer),
    };
#undef TEST

    return cmocka_run_group_tests_name("handler-exec", tests, NULL, NULL);
}
