/* SPDX-License-Identifier: MIT */
#include "consumerd/counts.h"

#include <inttypes.h>

static void append(struct buffer *line, const char *what, uint64_t n)
{
    if (n > 0)
        buffer_printf(line, ", %" PRIu64 " %s", n, what);
}

static uint64_t n_released(const struct consumer_counts *counts)
{
    uint64_t n = 0;

    for (size_t i = 0; i < RELEASE_N_REASONS; i++)
        n += counts->released[i];
    return n;
}

static uint64_t n_failed(const struct consumer_counts *counts)
{
    return counts->outcomes[HANDLER_RETRY] + counts->outcomes[HANDLER_UNANSWERED];
}

static uint64_t n_rejected(const struct consumer_counts *counts)
{
    return counts->outcomes[HANDLER_REJECT];
}

void consumer_counts_append(struct buffer *line, const struct consumer_counts *counts,
                            const struct consumer_counts *before)
{
    buffer_printf(line, "%" PRIu64 " received, %" PRIu64 " deleted",
                  counts->received - before->received, counts->deleted - before->deleted);
    append(line, "failed", n_failed(counts) - n_failed(before));
    append(line, "rejected", n_rejected(counts) - n_rejected(before));
    append(line, "released", n_released(counts) - n_released(before));
    append(line, "lost", counts->lost - before->lost);
}
