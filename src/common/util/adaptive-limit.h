/* SPDX-License-Identifier: MIT */
/* How much may be under way at once on a line that cannot bear it all: halved when a request
 * stalls, and raised step by step while requests get through. Requests that stall together count
 * once: each notes the epoch in which it goes out. Pure, a plain value. */
#pragma once

#include "util/macro.h"

struct adaptive_limit {
    unsigned max, current; /* 1 to max */
    unsigned epoch;        /* how often it was halved */
    unsigned n_successes;  /* since the last step */
};

#define ADAPTIVE_LIMIT_INIT(max_) ((struct adaptive_limit){.max = (max_), .current = (max_)})

/* A request of that epoch has stalled. Whether the limit is halved for that; at 1 it stays. */
static inline bool adaptive_limit_stalled(struct adaptive_limit *limit, unsigned epoch)
{
    if (epoch != limit->epoch)
        return false;
    limit->current = MAX(limit->current / 2, 1U);
    limit->epoch++;
    limit->n_successes = 0;
    return true;
}

/* A request of that epoch has got through: after as many as may be under way, one more may. */
static inline void adaptive_limit_succeeded(struct adaptive_limit *limit, unsigned epoch)
{
    if (epoch != limit->epoch || limit->current == limit->max ||
        ++limit->n_successes < limit->current)
        return;
    limit->current++;
    limit->n_successes = 0;
}
