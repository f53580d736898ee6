/* SPDX-License-Identifier: MIT */
/* At most so many messages a second. Counted as a debt: what goes out is paid for by waiting
 * afterwards, so that batches of any size fit. A plain value; pure: the time is a parameter, in
 * microseconds of any clock that does not jump. */
#pragma once

#include "util/macro.h"

/* Time that was not used is made up for, up to this much: timers come late. */
#define RATE_CATCH_UP_USEC (50 * USEC_PER_MSEC)

struct rate {
    uint64_t per_second; /* 0: no limit */
    uint64_t free_usec;  /* from when on something may go */
};

#define RATE_INIT(per_second_) ((struct rate){.per_second = (per_second_)})

/* When the next messages may go; 0 where there is no limit. */
static inline uint64_t rate_free_usec(const struct rate *rate)
{
    return rate->free_usec;
}

/* `n` messages go now, at `now_usec`, which is not before rate_free_usec(). */
static inline void rate_take(struct rate *rate, size_t n, uint64_t now_usec)
{
    uint64_t from = now_usec - MIN(now_usec, RATE_CATCH_UP_USEC);

    if (rate->per_second > 0)
        rate->free_usec = MAX(rate->free_usec, from) +
                          (n * USEC_PER_SEC + rate->per_second - 1) / rate->per_second;
}
