/* SPDX-License-Identifier: MIT */
/* What the tests of inflight.h share: a handler that answers when the test says so, and messages in
 * flight on a fake queue and a fake clock. */
#pragma once

#include "consumerd/idempotency.h"
#include "consumerd/inflight.h"
#include "fake-consumer.h"
#include "test.h"
#include "util/clock.h"

#define SEC USEC_PER_SEC
#define T0 (1000 * SEC)

struct handler_run {
    char handle[16];
    handler_done_fn done;
    void *userdata;
    bool is_running, is_cancelled;
};

extern struct handler_run runs[64];
extern size_t n_runs;
extern int run_error;
extern bool is_quick;     /* done at once */
extern bool ends_late;    /* when told to end, only by `finish` */
extern bool is_unreached; /* no message has reached the handler */

void finish(size_t i, enum handler_outcome outcome, uint64_t delay_usec);

/* The messages begun so far, by their handles' last character. */
const char *begun(void);

extern struct inflight *inflight;
extern struct ledger *ledger; /* NULL: none */
extern size_t n_changes;

void take(const char *groups);

void set_up_with_linger(bool is_fifo, unsigned concurrency, uint64_t linger_usec,
                        const char *groups);

void set_up(bool is_fifo, unsigned concurrency, const char *groups);

int tear_down(void **state);

uint64_t dispatch(void);

/* The only open call's request, which is then answered by yes to all its entries. */
const char *answer_open(void);

/* A message that is still with the handler when its lease has ended. */
void set_up_and_lose(bool is_fifo, const char *group);
