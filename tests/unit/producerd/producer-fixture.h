/* SPDX-License-Identifier: MIT */
/* A producer with sources, a queue and a log of the test's own (fake-queue.h, fake-log.h). This
 * file replaces clock_gettime(2), so that a test moves the clocks, and sd_id128_randomize(3), so
 * that every back-off is as long as it can be. One file of a test program includes it. */
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <systemd/sd-id128.h>

#include "fake-log.h"
#include "fake-queue.h"
#include "producerd/producer.h"
#include "producerd/source-demo.h"
#include "producerd/source-spool.h"
#include "test-loop.h"
#include "test.h"

#define SEC USEC_PER_SEC

/* --- The clocks; a test moves them --- */

static uint64_t ahead_usec;
static int64_t wall_jump_sec; /* of the wall clock alone */
static bool is_clock_still;   /* time passes by ahead_usec alone */

/* Overrides libc's. */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
    static struct timespec seen[CLOCK_TAI + 1];
    int r = 0;

    if (!is_clock_still || seen[clock].tv_sec == 0)
        r = (int)syscall(SYS_clock_gettime, clock, &seen[clock]);
    *ret = seen[clock];
    ret->tv_nsec += (long)(ahead_usec % SEC * 1000);
    ret->tv_sec += (time_t)(ahead_usec / SEC) + ret->tv_nsec / 1000000000;
    ret->tv_nsec %= 1000000000;
    if (clock == CLOCK_REALTIME)
        ret->tv_sec += (time_t)wall_jump_sec;
    return r;
}

static inline uint64_t wall_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * SEC + (uint64_t)now.tv_nsec / 1000;
}

/* Pauses are as long as they can be. Overrides libsystemd's. */
int sd_id128_randomize(sd_id128_t *ret)
{
    *ret = (sd_id128_t){.qwords = {UINT64_MAX, 0}};
    return 0;
}

/* --- A source that replaces the demo --- */

enum { MESSAGES_MAX = 128 };

static struct source_message messages[MESSAGES_MAX];
static char ids[MESSAGES_MAX][8];
static size_t n_messages, n_given, n_sent, n_rejected;
static bool has_ended;
static int next_error; /* what the next one comes to; 0: as it should */
static source_ready_fn ready;
static void *ready_userdata;

static inline int fake_next(struct source *source, const struct source_message **ret)
{
    if (next_error < 0)
        return next_error;
    if (n_given == n_messages)
        return has_ended ? SOURCE_E_END : SOURCE_E_NOT_YET;
    *ret = &messages[n_given++];
    return 0;
}

static inline void fake_settle(struct source *source, const struct source_message *message,
                               enum source_settlement settlement, const char *reason)
{
    n_sent += settlement == SOURCE_SENT;
    n_rejected += settlement == SOURCE_REJECTED;
}

static inline void fake_source_free(struct source *source)
{
}

int source_demo_new(sd_event *event, const struct config *config, bool is_fifo,
                    source_ready_fn ready_fn, void *userdata, struct source **ret)
{
    static const struct source_ops ops = {fake_next, fake_settle, fake_source_free};
    static struct source source = {&ops};

    ready = ready_fn;
    ready_userdata = userdata;
    *ret = &source;
    return 0;
}

int source_demo_check(const struct config *config, char **error)
{
    return 0;
}

/* --- A source that replaces the spool: the same, with the other calls of a source --- */

static size_t n_sending, n_calls_at_sending, opened_bytes;
static unsigned n_stops;

static inline void fake_sending(struct source *source, const struct source_message *const *sending,
                                size_t n)
{
    assert_ptr_equal(sending[0], &messages[n_sending]);
    n_sending += n;
    n_calls_at_sending = fake_n_calls;
}

static inline void fake_opened(struct source *source, size_t message_bytes_max)
{
    opened_bytes = message_bytes_max;
}

static inline void fake_stop(struct source *source)
{
    n_stops++;
}

static inline void fake_describe(struct source *source, struct buffer *status)
{
    buffer_printf(status, "so many wait");
}

int source_spool_new(sd_event *event, const struct config *config, bool is_fifo,
                     source_ready_fn ready_fn, void *userdata, struct source **ret, char **error)
{
    static const struct source_ops ops = {
        .next = fake_next,
        .settle = fake_settle,
        .free = fake_source_free,
        .sending = fake_sending,
        .opened = fake_opened,
        .stop = fake_stop,
        .describe = fake_describe,
    };
    static struct source source = {&ops};

    ready = ready_fn;
    ready_userdata = userdata;
    *ret = &source;
    return 0;
}

/* --- The producer --- */

static struct config config;
static struct service *service;
static struct producer *producer;

static inline int set_up(void **state)
{
    fake_reset();
    fake_n_lines = 0;
    ahead_usec = 0;
    wall_jump_sec = 0;
    is_clock_still = false;
    n_messages = n_given = n_sent = n_rejected = 0;
    has_ended = false;
    next_error = 0;
    n_sending = n_calls_at_sending = opened_bytes = 0;
    n_stops = 0;
    config = (struct config){};
    config.producer.max_connections = 64;
    config.producer.batch_size = 1;
    config.producer.stop_timeout_usec = 60 * SEC;
    return 0;
}

static inline int tear_down(void **state)
{
    producer = producer_free(producer);
    service = service_free(service);
    fake_reset();
    return 0;
}

static inline void start(void)
{
    assert_int_equal(service_new(&service), 0);
    assert_int_equal(producer_new(service, &config, &producer, NULL), 0);
    fake_open();
    assert_true(fake_forget_line("works on the")); /* the tests count the other lines */
}

/* A message of a group of its own; it may stand in the queue since then, 0: not. */
static inline void add(uint64_t in_doubt_since_usec)
{
    struct source_message *m = &messages[n_messages];

    assert_in_range(n_messages, 0, MESSAGES_MAX - 1);
    snprintf(ids[n_messages], sizeof(ids[0]), "%zu", n_messages);
    *m = (struct source_message){
        .message = {.body = "x",
                    .body_bytes = 1,
                    .group_id = ids[n_messages],
                    .deduplication_id = ids[n_messages],
                    .delay_sec = -1},
        .id = ids[n_messages],
        .in_doubt_since_usec = in_doubt_since_usec,
    };
    n_messages++;
}

static inline void end_source(void)
{
    has_ended = true;
    ready(ready_userdata);
}

static inline void acknowledge(size_t i)
{
    fake_answer(i, "{\"MessageId\":\"m\",\"MD5OfMessageBody\":"
                   "\"9dd4e461268c8034f5c8564e155c67a6\",\"SequenceNumber\":\"1\"}");
}

static inline void run_until_calls(size_t n)
{
    uint64_t end_usec = boot_clock_usec() + TEST_PATIENCE_USEC;

    while (fake_n_calls < n) {
        assert_true(sd_event_run(service_event(service), 100 * USEC_PER_MSEC) >= 0);
        assert_true(boot_clock_usec() < end_usec);
    }
}

/* Lets everything happen whose time has come. */
static inline void run_once(void)
{
    for (int i = 0; i < 10; i++)
        assert_true(sd_event_run(service_event(service), 0) >= 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
