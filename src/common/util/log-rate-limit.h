/* SPDX-License-Identifier: MIT */
/* Which of many equal log lines are written: the first of a kind, then one in
 * LOG_RATE_LIMIT_INTERVAL_USEC (or `lines_max`). The last few kinds are remembered: failures of two
 * or three kinds often come by turns. What is left out is counted, so that the next line can say so.
 * A plain value; the time is a parameter. */
#pragma once

#include "util/macro.h"

#define LOG_RATE_LIMIT_INTERVAL_USEC (60 * USEC_PER_SEC)

enum { LOG_RATE_LIMIT_KIND_SIZE = 128, LOG_RATE_LIMIT_KINDS = 4 };

struct log_rate_limit_kind {             /* all zero: none */
    unsigned n_lines;                    /* in its interval */
    uint64_t begin_usec;                 /* of the interval, which its first line begins */
    char name[LOG_RATE_LIMIT_KIND_SIZE]; /* cut */
};

struct log_rate_limit {    /* all zero: nothing was written yet */
    unsigned lines_max;    /* of a kind in one interval; 0: one */
    uint64_t n_suppressed; /* since the last line */
    size_t last;           /* the kind of the last line */
    struct log_rate_limit_kind kinds[LOG_RATE_LIMIT_KINDS];
};

/* `n` things have happened that one line would tell of; `kind` "": there is only one. True: it is
 * to be written, and `*ret_n_suppressed` (NULL: nobody asks) is how many were left out since the last line. */
bool log_rate_limit_take(struct log_rate_limit *limit, const char *kind, uint64_t n,
                         uint64_t now_usec, uint64_t *ret_n_suppressed);

/* Whether the line just taken is the last that may be written in its interval. */
bool log_rate_limit_is_spent(const struct log_rate_limit *limit);
