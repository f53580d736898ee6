/* SPDX-License-Identifier: MIT */
/* Which of many equal log lines are written: the first of a kind, then one in
 * LOG_RATE_LIMIT_INTERVAL_USEC (or `lines_max`). A line of another kind than the last one's is written
 * at once. What is left out is counted, so that the next line can say so. A plain value; the time
 * is a parameter. */
#pragma once

#include "util/macro.h"

#define LOG_RATE_LIMIT_INTERVAL_USEC (60 * USEC_PER_SEC)

enum { LOG_RATE_LIMIT_KIND_SIZE = 128 };

struct log_rate_limit {                  /* all zero: nothing was written yet */
    unsigned lines_max;                  /* in one interval; 0: one */
    unsigned n_lines;                    /* in this one */
    uint64_t begin_usec;                 /* of this one, which its first line begins */
    uint64_t n_suppressed;               /* since the last line */
    char kind[LOG_RATE_LIMIT_KIND_SIZE]; /* of the last line; cut */
};

/* `n` things have happened that one line would tell of; `kind` "": there is only one. True: it is
 * to be written, and
 * `*ret_n_suppressed` (NULL: nobody asks) is how many were left out since the last line. */
bool log_rate_limit_take(struct log_rate_limit *limit, const char *kind, uint64_t n,
                         uint64_t now_usec, uint64_t *ret_n_suppressed);

/* Whether the line just taken is the last that may be written in its interval. */
bool log_rate_limit_is_spent(const struct log_rate_limit *limit);
