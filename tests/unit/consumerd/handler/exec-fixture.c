/* SPDX-License-Identifier: MIT */
#include "exec-fixture.h"
#include "fake-journal.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

struct entry entries[1100];
size_t n_entries;
atomic_bool journal_is_stuck;

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

const struct entry *logged(const char *text)
{
    for (size_t i = 0; i < n_entries; i++)
        if (strstr(entries[i].text, text))
            return &entries[i];
    return NULL;
}

void print_log(void)
{
    for (size_t i = 0; i < n_entries; i++)
        print_message("  %s\n", entries[i].text);
}

void assert_logged(const char *text)
{
    if (logged(text))
        return;
    print_message("not logged: %s\n", text);
    print_log();
    fail();
}

sd_event *event;
struct handler *handler;
struct config config;
struct sqs_received_message message;
struct outcome outcome;
char *command[8];
char folder[64];

static void on_done(void *userdata, enum handler_outcome what, uint64_t delay_usec)
{
    struct outcome *o = userdata;

    o->n_done++;
    o->outcome = what;
    o->delay_usec = delay_usec;
}

void forget_handler(void)
{
    handler = handler_free(handler);
    for (size_t i = 0; i < ARRAY_SIZE(command); i++)
        free(TAKE(command[i]));
}

int make(char **error, const char *program, ...)
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

void make_script(const char *script)
{
    CLEANUP(free) char *error = NULL;

    assert_int_equal(make(&error, "/bin/sh", "-c", script, "name", NULL), 0);
}

int set_up(void **state)
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

int tear_down(void **state)
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

void start(struct outcome *o)
{
    assert_int_equal(handler->ops->run(handler, &message, on_done, o, &o->run), 0);
}

bool has_children(void)
{
    siginfo_t info = {};

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

void handle(const char *script)
{
    make_script(script);
    start(&outcome);
    run_until(event, &outcome.n_done, 1);
    while (has_children())
        run_for(event, USEC_PER_MSEC);
    assert_int_equal(outcome.n_done, 1);
}

void assert_outcome(enum handler_outcome what, uint64_t delay_usec)
{
    if (outcome.outcome != what)
        print_log();
    assert_int_equal(outcome.outcome, what);
    if (what == HANDLER_RETRY)
        assert_true(outcome.delay_usec == delay_usec);
}

const char *in_folder(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}
