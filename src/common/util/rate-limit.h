/* SPDX-License-Identifier: MIT */
/* A limit of messages a second. A batch is always sent as a whole, and the wait for its messages
 * comes afterwards. So batches of any size are possible.
 *
 * A plain value; pure: the time is a parameter, in microseconds of any clock that does not jump. */
#pragma once

#include "util/macro.h"

/* Timers fire late. The time that is lost by this is made up for, up to this much. */
#define RATE_LIMIT_CATCH_UP_USEC (50 * USEC_PER_MSEC)

struct rate_limit {
    uint64_t per_second; /* 0: no limit */
    uint64_t next_usec;  /* the earliest time of the next messages */
};

#define RATE_LIMIT_INIT(per_second_) ((struct rate_limit){.per_second = (per_second_)})

/* Sets another limit. The messages that went still count: the wait for them becomes as long as if
 * they had gone under the new limit. */
static inline void rate_limit_set(struct rate_limit *rate, uint64_t per_second, uint64_t now_usec)
{
    uint64_t wait_usec = rate->next_usec - MIN(now_usec, rate->next_usec);

    if (rate->per_second == per_second)
        return;
    rate->next_usec =
        per_second > 0 && wait_usec > 0 ? now_usec + wait_usec * rate->per_second / per_second : 0;
    rate->per_second = per_second;
}

/* The earliest time at which the next messages may go; 0 without a limit. */
static inline uint64_t rate_limit_next_usec(const struct rate_limit *rate)
{
    return rate->next_usec;
}

/* Notes that `n` messages go at `now_usec`, which is not before rate_limit_next_usec. */
static inline void rate_limit_take(struct rate_limit *rate, size_t n, uint64_t now_usec)
{
    uint64_t from = now_usec - MIN(now_usec, RATE_LIMIT_CATCH_UP_USEC);

    if (rate->per_second > 0)
        rate->next_usec = MAX(rate->next_usec, from) +
                          (n * USEC_PER_SEC + rate->per_second - 1) / rate->per_second;
}
