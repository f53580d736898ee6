/* SPDX-License-Identifier: MIT */
/* How much may be under way at once on a line that cannot bear it all: halved when a request
 * stalls, and raised step by step while requests get through. Requests that stall together count
 * once: each notes the epoch in which it goes out. Pure, a plain value. */
#pragma once

#include "util/macro.h"

struct limit {
    unsigned max, now; /* 1 to max */
    unsigned epoch;    /* how often it was halved */
    unsigned n_good;   /* since the last step */
};

#define LIMIT_INIT(max_) ((struct limit){.max = (max_), .now = (max_)})

/* A request of that epoch has stalled. Whether the limit is halved for that; at 1 it stays. */
static inline bool limit_stalled(struct limit *limit, unsigned epoch)
{
    if (epoch != limit->epoch)
        return false;
    limit->now = MAX(limit->now / 2, 1U);
    limit->epoch++;
    limit->n_good = 0;
    return true;
}

/* A request of that epoch has got through: after as many as may be under way, one more may. */
static inline void limit_got_through(struct limit *limit, unsigned epoch)
{
    if (epoch != limit->epoch || limit->now == limit->max || ++limit->n_good < limit->now)
        return;
    limit->now++;
    limit->n_good = 0;
}
