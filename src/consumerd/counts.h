/* SPDX-License-Identifier: MIT */
/* What the consumer has done since its start: one set of counters, kept where messages come in and
 * go out (inflight.h), for whoever tells of them. A message that was received is in flight until it
 * is deleted, released or lost, and counts once in one of those. */
#pragma once

#include "consumerd/handler/handler.h"
#include "consumerd/message-state.h"
#include "util/buffer.h"

enum { HANDLER_N_OUTCOMES = HANDLER_UNAVAILABLE + 1 };

struct consumer_counts { /* all zero: nothing yet; of uint64_t alone (daemon/progress.h) */
    uint64_t received;
    uint64_t outcomes[HANDLER_N_OUTCOMES]; /* of the handler; of one message maybe several */
    uint64_t deleted;
    uint64_t released[RELEASE_N_REASONS];
    uint64_t lost; /* they come back, or are back, by themselves */
};

/* Appends what was counted since `before`: "12 received, 11 deleted, 1 released". After the first
 * two only what there was. */
void consumer_counts_append(struct buffer *line, const struct consumer_counts *counts,
                            const struct consumer_counts *before);
