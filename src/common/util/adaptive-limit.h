/* SPDX-License-Identifier: MIT */
/* A limit on concurrent requests that adapts to the network: halved when a request stalls, and
 * raised step by step while requests succeed. Requests that stall together halve it only once: each
 * request remembers the epoch in which it was sent, and only the current epoch counts. A plain
 * value. */
#pragma once

#include "util/macro.h"

struct adaptive_limit {
    unsigned max, current; /* 1 to max */
    unsigned epoch;        /* how often it was halved */
    unsigned n_successes;  /* since the last step */
};

#define ADAPTIVE_LIMIT_INIT(max_) ((struct adaptive_limit){.max = (max_), .current = (max_)})

/* A request of that epoch has stalled. Returns whether the limit was halved for it; it never falls
 * below 1. */
static inline bool adaptive_limit_stalled(struct adaptive_limit *limit, unsigned epoch)
{
    if (epoch != limit->epoch)
        return false;
    limit->current = MAX(limit->current / 2, 1U);
    limit->epoch++;
    limit->n_successes = 0;
    return true;
}

/* A request of that epoch has succeeded. After as many successes as the limit, the limit grows by
 * one. */
static inline void adaptive_limit_succeeded(struct adaptive_limit *limit, unsigned epoch)
{
    if (epoch != limit->epoch || limit->current == limit->max ||
        ++limit->n_successes < limit->current)
        return;
    limit->current++;
    limit->n_successes = 0;
}

/* Sets another maximum. A limit that was at its maximum stays there; one that was halved goes on
 * from where it is. */
static inline void adaptive_limit_set_max(struct adaptive_limit *limit, unsigned max)
{
    limit->current = limit->current == limit->max ? max : MIN(limit->current, max);
    limit->max = max;
}
