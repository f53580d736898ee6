/* SPDX-License-Identifier: MIT */
#include "producerd/counts.h"

#include <inttypes.h>

static void append(struct buffer *line, const char *what, uint64_t n)
{
    if (n > 0)
        buffer_printf(line, ", %" PRIu64 " %s", n, what);
}

void producer_counts_append(struct buffer *line, const struct producer_counts *counts,
                            const struct producer_counts *before)
{
    buffer_printf(line, "%" PRIu64 " sent", counts->sent - before->sent);
    append(line, "rejected", counts->rejected - before->rejected);
    append(line, "to be sent again", counts->resent - before->resent);
    append(line, "perhaps stored twice", counts->possible_duplicates - before->possible_duplicates);
}
