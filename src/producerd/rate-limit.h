/* SPDX-License-Identifier: MIT */
/* At most so many messages a second. Counted as a debt: what goes out is paid for by waiting
 * afterwards, so that batches of any size fit. A plain value; pure: the time is a parameter, in
 * microseconds of any clock that does not jump. */
#pragma once

#include "util/macro.h"

/* Time that was not used is made up for, up to this much: timers come late. */
#define RATE_LIMIT_CATCH_UP_USEC (50 * USEC_PER_MSEC)

struct rate_limit {
    uint64_t per_second; /* 0: no limit */
    uint64_t next_usec;  /* from when on something may go */
};

#define RATE_LIMIT_INIT(per_second_) ((struct rate_limit){.per_second = (per_second_)})

/* When the next messages may go; 0 where there is no limit. */
static inline uint64_t rate_limit_next_usec(const struct rate_limit *rate)
{
    return rate->next_usec;
}

/* `n` messages go now, at `now_usec`, which is not before rate_limit_next_usec(). */
static inline void rate_limit_take(struct rate_limit *rate, size_t n, uint64_t now_usec)
{
    uint64_t from = now_usec - MIN(now_usec, RATE_LIMIT_CATCH_UP_USEC);

    if (rate->per_second > 0)
        rate->next_usec = MAX(rate->next_usec, from) +
                          (n * USEC_PER_SEC + rate->per_second - 1) / rate->per_second;
}
