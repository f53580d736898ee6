/* SPDX-License-Identifier: MIT */
/* Handler "journal": a message is done when the log has taken its line, at once or later. */
#include "consumerd/handler/journal.h"
#include "fake-journal.h"
#include "test-loop.h"
#include "util/log.h"

#include <fcntl.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

/* --- The log, in libsystemd's place --- */

static sem_t may_write;
static bool is_waited_for; /* each line waits until the test lets it go */
static int write_result;
static char line[16 * 1024];
static atomic_uint n_lines;

int sd_journal_sendv(const struct iovec *iov, int n);
int sd_journal_sendv(const struct iovec *iov, int n)
{
    if (is_waited_for)
        sem_wait(&may_write);
    for (int i = 0; i < n; i++)
        if (strncmp(iov[i].iov_base, "MESSAGE=", 8) == 0)
            snprintf(line, sizeof(line), "%.*s", (int)iov[i].iov_len - 8,
                     (const char *)iov[i].iov_base + 8);
    n_lines++;
    return write_result;
}

/* --- The handler --- */

static sd_event *event;
static struct handler *handler;
static unsigned n_done;
static enum handler_outcome outcome;
static struct handler_run *handler_run;

static int set_up(void **state)
{
    is_waited_for = false;
    write_result = 0;
    n_lines = n_done = 0;
    handler_run = NULL;
    log_open("test", LOG_TARGET_JOURNAL, LOG_INFO, LOG_COLOUR_NONE);
    return sd_event_new(&event) < 0 || sem_init(&may_write, 0, 0) < 0 ||
           handler_journal_new(&handler) < 0;
}

static int tear_down(void **state)
{
    log_stop_thread();
    handler = handler_free(handler);
    event = sd_event_unref(event);
    return sem_destroy(&may_write);
}

static void on_done(void *userdata, enum handler_outcome what, uint64_t delay_usec)
{
    n_done++;
    outcome = what;
}

static void handle(const char *body)
{
    const struct sqs_received_message message = {
        .message_id = "m", .group_id = "g", .body = body, .body_bytes = strlen(body)};

    assert_int_equal(handler->ops->run(handler, &message, on_done, NULL, &handler_run), 0);
}

static void line_holds_the_demos_texts_or_the_body(void **state)
{
    static const struct {
        const char *body, *line;
    } rows[] = {
        {"{\"data\":\"mydata\",\"ts\":\"now\",\"id\":\"7\"}", "Data:mydata Time Stamp:now Id:7"},
        {"{\"data\":\"mydata\",\"ts\":\"now\"}", "{\"data\":\"mydata\",\"ts\":\"now\"}"},
        {"{\"data\":\"mydata\",\"id\":\"7\"}", "{\"data\":\"mydata\",\"id\":\"7\"}"},
        {"{\"data\":1,\"ts\":\"now\",\"id\":\"7\"}", "{\"data\":1,\"ts\":\"now\",\"id\":\"7\"}"},
        {"two\nlines", "two\\nlines"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char expected[128];

        snprintf(expected, sizeof(expected), "Message read from queue: %s", rows[i].line);
        handle(rows[i].body);
        assert_int_equal(memcmp(line, expected, strlen(expected)), 0);
        assert_int_equal(n_lines, i + 1);
        assert_int_equal(n_done, i + 1);
        assert_int_equal(outcome, HANDLER_DONE);
    }
}

static void message_that_the_level_leaves_out_is_done_without_a_line(void **state)
{
    log_open("test", LOG_TARGET_JOURNAL, LOG_NOTICE, LOG_COLOUR_NONE);
    handle("body");
    assert_int_equal(n_done, 1);
    assert_int_equal(outcome, HANDLER_DONE);
    assert_int_equal(n_lines, 0);
}

static void begin_a_line_that_waits(void)
{
    is_waited_for = true;
    assert_int_equal(log_start_thread(event), 0);
    handle("body");
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(n_done, 0);
}

/* The stop waits for the thread no longer than the daemon's may. */
static void run_until_written(void)
{
    while (n_lines == 0)
        run_for(event, USEC_PER_MSEC);
}

static void line_under_way_is_done_once_it_was_taken(void **state)
{
    begin_a_line_that_waits();
    sem_post(&may_write);
    run_until(event, &n_done, 1);
    assert_int_equal(outcome, HANDLER_DONE);
    assert_int_equal(n_lines, 1);
}

static void line_that_nobody_takes_is_not_reached(void **state)
{
    int saved = dup(STDERR_FILENO), full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    assert_true(saved >= 0 && full >= 0);
    write_result = -ENOMEM; /* standard error is asked next */
    begin_a_line_that_waits();
    dup2(full, STDERR_FILENO);
    sem_post(&may_write);
    run_until(event, &n_done, 1);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(full);
    assert_int_equal(outcome, HANDLER_NOT_REACHED);
    assert_string_equal(handler->ops->why_not_reached(handler),
                        "the log cannot take a message's line: No space left on device");
}

static void cancel_brings_the_message_back(void **state)
{
    begin_a_line_that_waits();
    handler->ops->cancel(handler_run, USEC_PER_SEC);
    assert_int_equal(n_done, 1);
    assert_int_equal(outcome, HANDLER_RETRY);
    sem_post(&may_write);
    run_until_written();
    log_stop_thread();
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(n_done, 1);
    assert_int_equal(n_lines, 1);
}

static void message_abandoned_is_silent(void **state)
{
    begin_a_line_that_waits();
    handler->ops->abandon(handler_run);
    sem_post(&may_write);
    run_until_written();
    log_stop_thread();
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(n_done, 0);
    assert_int_equal(n_lines, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(line_holds_the_demos_texts_or_the_body),
        TEST(message_that_the_level_leaves_out_is_done_without_a_line),
        TEST(line_under_way_is_done_once_it_was_taken),
        TEST(line_that_nobody_takes_is_not_reached),
        TEST(cancel_brings_the_message_back),
        TEST(message_abandoned_is_silent),
    };
#undef TEST

    return cmocka_run_group_tests_name("consumerd-handler-journal", tests, NULL, NULL);
}
