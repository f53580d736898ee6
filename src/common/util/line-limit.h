/* SPDX-License-Identifier: MIT */
/* Which of many equal log lines are written: the first of a kind, then one in
 * LINE_LIMIT_INTERVAL_USEC (or `lines_max`). A line of another kind than the last one's is written
 * at once. What is left out is counted, so that the next line can say so. A plain value; the time
 * is a parameter. */
#pragma once

#include "util/macro.h"

#define LINE_LIMIT_INTERVAL_USEC (60 * USEC_PER_SEC)

enum { LINE_LIMIT_KIND_SIZE = 128 };

struct line_limit {                  /* all zero: nothing was written yet */
    unsigned lines_max;              /* in one interval; 0: one */
    unsigned n_lines;                /* in this one */
    uint64_t begin_usec;             /* of this one, which its first line begins */
    uint64_t n_left_out;             /* since the last line */
    char kind[LINE_LIMIT_KIND_SIZE]; /* of the last line; cut */
};

/* `n` things have happened that one line would tell of; `kind` "": there is only one. True: it is
 * to be written, and
 * `*ret_n_left_out` (NULL: nobody asks) is how many were left out since the last line. */
bool line_limit_take(struct line_limit *limit, const char *kind, uint64_t n, uint64_t now_usec,
                     uint64_t *ret_n_left_out);

/* Whether the line just taken is the last that may be written in its interval. */
bool line_limit_is_spent(const struct line_limit *limit);
