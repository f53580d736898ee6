/* SPDX-License-Identifier: MIT */
/* What the tests of child processes share: a shell script, run on an event loop, and its outcome.
 * To be included by one file of a test. */
#pragma once

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

static inline bool on_output(void *userdata, enum child_stream stream, const char *bytes,
                             size_t size)
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

static inline void on_done(void *userdata, enum child_end end, int status)
{
    struct outcome *o = userdata;

    o->n++;
    o->end = end;
    o->status = status;
    if (!o->goes_on)
        sd_event_exit(o->event, 0);
}

static inline int start(struct outcome *o, uint64_t timeout_usec, char *const *argv,
                        struct child **ret)
{
    o->options.program.argv = argv;
    o->options.timeout_usec = timeout_usec;
    return child_start(o->event, &o->options, ret);
}

/* Whether this process has a child, dead or alive. */
static inline bool has_children(void)
{
    siginfo_t info = {};
    int r = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);

    return r == 0 || errno != ECHILD;
}

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
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

static inline struct child *start_script(struct outcome *o, const char *script,
                                         uint64_t timeout_usec)
{
    char copy[1024];
    char sh[] = "sh", c[] = "-c";
    char *argv[] = {sh, c, copy, NULL};
    struct child *child = NULL;

    snprintf(copy, sizeof(copy), "%s", script);
    assert_int_equal(start(o, timeout_usec, argv, &child), 0);
    return child;
}

static inline void run_until_answered(struct outcome *o)
{
    while (o->n == 0)
        assert_true(sd_event_run(o->event, USEC_PER_SEC) >= 0);
}

static inline void run_for(struct outcome *o, const char *script, uint64_t timeout_usec)
{
    start_script(o, script, timeout_usec);
    assert_int_equal(o->n, 0);
    assert_int_equal(sd_event_loop(o->event), 0);
    assert_int_equal(o->n, 1);
}

static inline void run(struct outcome *o, const char *script)
{
    run_for(o, script, 1000 * USEC_PER_SEC);
}

/* Closes a pipe, after every other process has closed its writing end: by being killed, for none of
 * them would end by itself before the time is over. */
static inline void wait_for_writers(int fds[2])
{
    struct pollfd p = {.fd = fds[0], .events = POLLIN};
    char byte;

    close(fds[1]);
    assert_int_equal(poll(&p, 1, WRITERS_MAX_MSEC), 1);
    assert_int_equal(read(fds[0], &byte, 1), 0);
    close(fds[0]);
}

/* Lets the loop collect what was given up. */
static inline void wait_for_no_children(struct outcome *o)
{
    while (has_children())
        assert_true(sd_event_run(o->event, 100 * USEC_PER_MSEC) >= 0);
}

static inline void assert_end(const struct outcome *o, enum child_end end, int status)
{
    assert_int_equal(o->end, end);
    assert_int_equal(o->status, status);
    assert_false(has_children());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
