/* SPDX-License-Identifier: MIT */
/* A consumer on a fake queue, with a handler that works until the test ends it, and the loop's
 * clock in the test's hands. One file of a test program includes it. */
#pragma once

#include "consumerd/consumer.h"
#include "fake-consumer.h"
#include "fake-log.h"
#include "ahead-clock.h"
#include "test-loop.h"

#include <signal.h>
#include <unistd.h>

#define SEC USEC_PER_SEC

/* --- The loop's clock, which a test puts forward --- */

/* --- A handler that works until the test ends it --- */

struct handler_run {
    handler_done_fn done;
    void *userdata;
    char group;
    bool is_running;
};

enum { RUNS_MAX = 256 };

static struct handler_run runs[RUNS_MAX];
static size_t n_runs;
static bool is_done_at_once; /* as the journal's handler is */

static inline int fake_run(struct handler *handler, const struct sqs_received_message *message,
                           handler_done_fn done, void *userdata, struct handler_run **ret_run)
{
    struct handler_run *run = &runs[n_runs];

    assert_in_range(n_runs, 0, RUNS_MAX - 1);
    n_runs++;
    *run = (struct handler_run){
        .done = done,
        .userdata = userdata,
        .group = *(message->group_id ? message->group_id : "-"),
        .is_running = true,
    };
    *ret_run = run;
    if (is_done_at_once) {
        run->is_running = false;
        done(userdata, HANDLER_DONE, 0);
    }
    return 0;
}

static inline void fake_cancel(struct handler_run *run, uint64_t grace_usec)
{
    assert_true(run->is_running);
    run->is_running = false;
    run->done(run->userdata, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
}

static inline void fake_abandon(struct handler_run *run)
{
    assert_true(run->is_running);
    run->is_running = false;
}

static inline void fake_handler_free(struct handler *handler)
{
}

/* The groups of the messages begun so far. */
static inline const char *begun(void)
{
    static char text[RUNS_MAX + 1];

    for (size_t i = 0; i < n_runs; i++)
        text[i] = runs[i].group;
    text[n_runs] = '\0';
    return text;
}

static inline size_t n_running(void)
{
    size_t n = 0;

    for (size_t i = 0; i < n_runs; i++)
        n += runs[i].is_running;
    return n;
}

/* --- The consumer --- */

#define MIB ((size_t)1024 * 1024)

static struct config config;
static struct service *service;
static struct consumer *consumer;

static inline int set_up(void **state)
{
    fake_reset();
    ahead_usec = 0;
    slow_clocks(1000); /* however long a slow machine takes, time passes by pass() alone */
    fake_now_usec = boot_clock_usec();
    fake_n_lines = n_runs = 0;
    is_done_at_once = false;
    config = (struct config){};
    config.consumer.max_messages = 10;
    config.consumer.receivers = 1;
    config.consumer.concurrency = 10;
    config.consumer.receive_memory = 128 * MIB;
    config.consumer.wait_time_usec = 15 * SEC;
    config.consumer.stop_timeout_usec = 60 * SEC;
    return 0;
}

static inline int tear_down(void **state)
{
    consumer = consumer_free(consumer);
    service = service_free(service);
    fake_reset();
    return 0;
}

/* What there is to do at once. */
static inline void settle_down(void)
{
    while (sd_event_run(service_event(service), 0) > 0)
        ;
}

static inline void start_with(const struct handler_ops *ops)
{
    static struct handler handler;

    handler.ops = ops;
    assert_int_equal(service_new(&service), 0);
    assert_int_equal(consumer_new(service, &config, &handler, &consumer, NULL), 0);
    assert_int_equal(fake_permissions, PERMISSION_BIT(SQS_RECEIVE_MESSAGE) |
                                           PERMISSION_BIT(SQS_DELETE_MESSAGE) |
                                           PERMISSION_BIT(SQS_CHANGE_MESSAGE_VISIBILITY));
    fake_open();
    settle_down();
    assert_true(fake_forget_line("works on the")); /* the others are what is tested */
}

static inline void start(bool is_fifo)
{
    static const struct handler_ops ops = {fake_run, fake_cancel, fake_abandon, fake_handler_free};

    fake_is_fifo = is_fifo;
    start_with(&ops);
}

/* The receive under way, or SIZE_MAX. There is one at most in these tests. */
static inline size_t poll_under_way(void)
{
    for (size_t i = 0; i < fake_n_calls; i++)
        if (fake_calls[i].is_open && fake_calls[i].request->operation == SQS_RECEIVE_MESSAGE)
            return i;
    return SIZE_MAX;
}

static inline void deliver(const char *groups, const char *prefix)
{
    assert_int_not_equal(poll_under_way(), SIZE_MAX);
    fake_deliver(poll_under_way(), groups, prefix);
    settle_down();
}

static inline void pass(uint64_t usec)
{
    ahead_usec += usec;
    fake_now_usec += usec;
    settle_down();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
