/* SPDX-License-Identifier: MIT */
/* What the consumer has done since its start. A message counts once as received, and once more when
 * it ends, as deleted, released or lost; in between it is in flight. inflight.h keeps these
 * counters. */
#pragma once

#include "consumerd/handler/handler.h"
#include "consumerd/message-state.h"
#include "daemon/metrics.h"
#include "util/buffer.h"

enum { HANDLER_N_OUTCOMES = HANDLER_UNAVAILABLE + 1 };

struct consumer_counts { /* all zero at first; only uint64_t members (daemon/progress.h) */
    uint64_t received;
    uint64_t outcomes[HANDLER_N_OUTCOMES]; /* the handler's answers; a message may have several */
    uint64_t deleted;
    uint64_t released[RELEASE_N_REASONS];
    uint64_t lost;             /* visible again, now or when their lease ends, without a release */
    struct histogram waiting;  /* from when SQS took a message until it was received */
    struct histogram handling; /* from when the handler got a message until its answer, where both
                                  have been */
};

/* Appends the counts since `before`: "12 received, 11 deleted, 1 released". The first two always
 * appear, the others only if they are not 0. */
void consumer_counts_append(struct buffer *line, const struct consumer_counts *counts,
                            const struct consumer_counts *before);
