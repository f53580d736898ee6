/* SPDX-License-Identifier: MIT */
/* Limits the rate of similar log lines. In each LOG_RATE_LIMIT_INTERVAL_USEC, one line (or
 * `lines_max` lines) of a kind is written. The first line of a kind is written at once. The last
 * few kinds are remembered, since failures of two or three kinds often alternate. Suppressed lines
 * are counted, so that the next line can tell their number. A plain value; the time is a
 * parameter. */
#pragma once

#include "util/macro.h"

#define LOG_RATE_LIMIT_INTERVAL_USEC (60 * USEC_PER_SEC)

enum { LOG_RATE_LIMIT_KIND_SIZE = 128, LOG_RATE_LIMIT_KINDS = 4 };

struct log_rate_limit_kind {             /* all zero: none */
    unsigned n_lines;                    /* in its interval */
    uint64_t begin_usec;                 /* of the interval: time of its first line */
    char name[LOG_RATE_LIMIT_KIND_SIZE]; /* cut */
};

struct log_rate_limit {    /* all zero: nothing was written yet */
    unsigned lines_max;    /* of a kind in one interval; 0: one */
    uint64_t n_suppressed; /* since the last line */
    size_t last;           /* the kind of the last line */
    struct log_rate_limit_kind kinds[LOG_RATE_LIMIT_KINDS];
};

/* Asks whether to write a line about `n` events. `kind` is "" if there is only one kind. True:
 * write it; *ret_n_suppressed (NULL is allowed) is the number of events since the last line for
 * which no line was written. */
bool log_rate_limit_take(struct log_rate_limit *limit, const char *kind, uint64_t n,
                         uint64_t now_usec, uint64_t *ret_n_suppressed);

/* Whether the line just allowed is the last one in its interval. */
bool log_rate_limit_is_spent(const struct log_rate_limit *limit);
