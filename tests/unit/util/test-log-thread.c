/* SPDX-License-Identifier: MIT */
/* The log while standard error is a pipe that is read late or never. */
#include "test.h"
#include "util/clock.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test-loop.h"

enum { PIPE_BYTES = 4096, TEXT_BYTES = 4 * 1024 * 1024 };

static struct {
    sd_event *event;
    int saved, reading;
    char *text; /* what was read */
    size_t size;
    unsigned n_flows, n_taken;
    int result;
} t;

static int set_up(void **state)
{
    int fds[2];

    memset(&t, 0, sizeof(t));
    t.text = calloc(1, TEXT_BYTES);
    assert_non_null(t.text);
    assert_true(sd_event_new(&t.event) >= 0);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES) >= PIPE_BYTES);
    fflush(stderr);
    t.saved = dup(STDERR_FILENO);
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    t.reading = fds[0];
    log_open("test", LOG_TARGET_STDERR, LOG_DEBUG, LOG_COLOUR_NONE);
    return log_start_thread(t.event);
}

/* Reads until `done` says so; the loop runs meanwhile. */
static void read_until(bool (*done)(void))
{
    int flags = fcntl(t.reading, F_GETFL);

    /* Only this end: the other is in the hands of others, too. */
    fcntl(t.reading, F_SETFL, flags | O_NONBLOCK);
    while (!done()) {
        struct pollfd p = {.fd = t.reading, .events = POLLIN};

        if (poll(&p, 1, 1) > 0) {
            ssize_t n = read(t.reading, t.text + t.size, TEXT_BYTES - 1 - t.size);

            t.size += n > 0 ? (size_t)n : 0;
        }
        while (sd_event_run(t.event, 0) > 0)
            ;
    }
}

static bool is_last_read(void)
{
    return strstr(t.text, "the last") != NULL;
}

static int tear_down(void **state)
{
    log_stop_thread();
    dup2(t.saved, STDERR_FILENO);
    close(t.saved);
    close(t.reading);
    sd_event_unref(t.event);
    free(t.text);
    return 0;
}

static void on_flow(void *userdata)
{
    t.n_flows++;
}

static void on_taken(void *userdata, int result)
{
    t.n_taken++;
    t.result = result;
}

static const struct log_completion receiver = {on_taken, NULL};

static void fill_queue(void)
{
    for (int i = 0; i < 20000; i++)
        log_info("line %d: %0100d", i, 0);
}

static bool is_flowing(void)
{
    return t.n_flows > 0 && is_last_read();
}

static const char drop_words[] =
    " log lines were dropped, because the log accepted none for a while.\n";

static bool is_drop_said(void)
{
    return strstr(t.text, drop_words) != NULL;
}

static void log_without_a_reader_does_not_block_the_loop_and_counts_dropped_lines(void **state)
{
    unsigned long long n_dropped = 0;
    const char *said;
    size_t n_lines = 0;

    log_on_resume(on_flow, NULL);
    assert_false(log_is_congested());
    fill_queue(); /* it would wait for ever, were it to wait */
    assert_true(log_is_congested());
    log_error("an important line");
    assert_int_equal(t.n_flows, 0);
    log_error("the last");
    read_until(is_flowing);
    assert_int_equal(t.n_flows, 1);
    assert_false(log_is_congested());
    log_stop_thread();
    read_until(is_drop_said);

    assert_non_null(strstr(t.text, "line 0: "));
    assert_non_null(strstr(t.text, "an important line\n"));
    said = strstr(t.text, drop_words);
    while (said > t.text && said[-1] != '\n')
        said--;
    assert_int_equal(sscanf(said, "%llu", &n_dropped), 1);
    for (const char *line = t.text; (line = strstr(line, "line ")); line++)
        n_lines += line == t.text || line[-1] == '\n';
    assert_int_equal(n_lines + n_dropped, 20000);
    assert_true(n_dropped > 10000); /* so it is bounded: a line takes a quarter of a KiB or more */
    log_on_resume(NULL, NULL);
}

static bool is_taken(void)
{
    return t.n_taken > 0;
}

static void log_line_with_a_message_is_acknowledged_when_it_is_written(void **state)
{
    struct log_pending *receipt = NULL;

    fill_queue();
    assert_int_equal(
        log_write_message(&receiver, &receipt, LOG_INFO, NULL, LOG_NO_FIELDS, "the last"),
        LOG_PENDING);
    assert_non_null(receipt);
    while (sd_event_run(t.event, 0) > 0)
        ;
    assert_int_equal(t.n_taken, 0);
    read_until(is_taken);
    read_until(is_last_read);
    assert_int_equal(t.n_taken, 1);
    assert_int_equal(t.result, 0);
}

static void log_receipt_that_is_cancelled_is_not_called_and_its_line_is_written(void **state)
{
    struct log_pending *receipt = NULL;

    assert_int_equal(
        log_write_message(&receiver, &receipt, LOG_INFO, NULL, LOG_NO_FIELDS, "the last"),
        LOG_PENDING);
    receipt = log_pending_cancel(receipt);
    assert_null(receipt);
    read_until(is_last_read);
    assert_int_equal(t.n_taken, 0);
}

static void log_line_that_cannot_be_written_is_answered_with_the_error(void **state)
{
    struct log_pending *receipt = NULL;

    close(STDERR_FILENO);
    assert_int_equal(log_write_message(&receiver, &receipt, LOG_INFO, NULL, LOG_NO_FIELDS, "x"),
                     LOG_PENDING);
    read_until(is_taken);
    assert_int_equal(t.result, -EBADF);
}

static void log_line_below_the_level_is_acknowledged(void **state)
{
    struct log_pending *receipt = NULL;

    log_open("test", LOG_TARGET_STDERR, LOG_NOTICE, LOG_COLOUR_NONE);
    assert_int_equal(log_write_message(&receiver, &receipt, LOG_INFO, NULL, LOG_NO_FIELDS, "x"), 0);
    assert_null(receipt);
}

static void log_that_is_stalled_does_not_delay_the_exit(void **state)
{
    pid_t child;
    int status;

    log_stop_thread();
    child = fork();
    if (child == 0) {
        sd_event *event = NULL;

        if (sd_event_new(&event) < 0 || log_start_thread(event) < 0)
            _exit(99);
        fill_queue();
        log_stop_thread();
        fill_queue(); /* dropped, as the log is stuck */
        exit(78);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 78);
    assert_int_equal(log_start_thread(t.event), 0);
}

enum { SLOW_LINES = 1000, SLOW_READ_MSEC = 50 };

/* Sleeps, then reads a pipeful. Returns false when there is nothing. */
static bool read_slowly(void)
{
    struct pollfd p = {.fd = t.reading, .events = POLLIN};
    ssize_t n;

    usleep(SLOW_READ_MSEC * 1000);
    if (poll(&p, 1, 0) <= 0)
        return false;
    n = read(t.reading, t.text + t.size, PIPE_BYTES);
    t.size += n > 0 ? (size_t)n : 0;
    return true;
}

/* A child logs lines and exits at once. Returns false when one of both was too slow for a check. */
static bool read_child_slowly(void)
{
    uint64_t begin_usec = clock_boot_usec(), last_usec = begin_usec, longest_usec = 0;
    unsigned n_lines = 0;
    pid_t child;
    int status;

    t.size = 0;
    memset(t.text, 0, TEXT_BYTES);
    child = fork();
    if (child == 0) {
        sd_event *event = NULL;

        if (sd_event_new(&event) < 0 || log_start_thread(event) < 0)
            _exit(99);
        for (int i = 0; i < SLOW_LINES; i++)
            log_info("line %d: %0100d", i, 0);
        exit(78);
    }
    while (waitpid(child, &status, WNOHANG) == 0)
        if (read_slowly()) {
            uint64_t now = clock_boot_usec();

            longest_usec = MAX(longest_usec, now - last_usec);
            last_usec = now;
        }
    longest_usec = MAX(longest_usec, clock_boot_usec() - last_usec);
    /* What is left in the pipe must not count in the next attempt. */
    read_slowly();
    read_slowly();
    if (longest_usec > LOG_FLUSH_MAX_USEC / 2 ||
        clock_boot_usec() - begin_usec > 4 * LOG_FLUSH_MAX_USEC)
        return false;
    assert_int_equal(WEXITSTATUS(status), 78);
    for (const char *line = t.text; (line = strstr(line, "line ")); line++)
        n_lines++;
    assert_int_equal(n_lines, SLOW_LINES);
    return true;
}

static void log_that_is_read_slowly_is_written_whole_before_the_exit(void **state)
{
    int i = 0;

    log_stop_thread();
    while (i < 10 && !read_child_slowly())
        i++;
    assert_int_equal(log_start_thread(t.event), 0);
    if (i == 10)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(log_without_a_reader_does_not_block_the_loop_and_counts_dropped_lines),
        TEST(log_line_with_a_message_is_acknowledged_when_it_is_written),
        TEST(log_receipt_that_is_cancelled_is_not_called_and_its_line_is_written),
        TEST(log_line_that_cannot_be_written_is_answered_with_the_error),
        TEST(log_line_below_the_level_is_acknowledged),
        TEST(log_that_is_stalled_does_not_delay_the_exit),
        TEST(log_that_is_read_slowly_is_written_whole_before_the_exit),
    };

    return cmocka_run_group_tests_name("log-thread", tests, NULL, NULL);
}
