/* SPDX-License-Identifier: MIT */
/* What the producer has done since its start: one set of counters, for whoever tells of them. */
#pragma once

#include "util/buffer.h"

struct counts {        /* all zero: nothing yet; of uint64_t alone (daemon/progress.h) */
    uint64_t taken;    /* from the source */
    uint64_t sent;     /* SQS has acknowledged them */
    uint64_t rejected; /* SQS will never take them */
    uint64_t resent;   /* SQS did not take them, and they were put back to be sent again */
    uint64_t possible_duplicates; /* perhaps stored twice (deduplication.h) */
};

/* Appends what was counted since `before`: "12 sent, 1 rejected". After the first only what there
 * was. */
void counts_append(struct buffer *line, const struct counts *counts, const struct counts *before);
