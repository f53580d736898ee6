/* SPDX-License-Identifier: MIT */
/* Counters of what the producer has done since its start. The progress lines and the end line are
 * made from them. */
#pragma once

#include "daemon/metrics.h"

struct producer_counts { /* starts as all zeros; has only uint64_t members (daemon/progress.h) */
    uint64_t taken;      /* accepted from the source */
    uint64_t sent;       /* acknowledged by SQS */
    uint64_t rejected;   /* SQS will never accept them */
    uint64_t resent;     /* put back into their lane: not stored, or the outcome is unknown */
    uint64_t possible_duplicates; /* SQS may have stored them twice (deduplication.h) */
    struct histogram sending;     /* of requests that SQS has answered: from the last attempt on */
};

/* Appends the counts since `before`: "12 sent, 1 rejected". A count of zero is left out, except the
 * first. */
void producer_counts_append(struct buffer *line, const struct producer_counts *counts,
                            const struct producer_counts *before);
