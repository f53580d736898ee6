/* SPDX-License-Identifier: MIT */
/* How many polls may be under way at once. AWS charges for each, also for an empty one, so an idle
 * queue is polled by one at a time. A poll that comes back full doubles the number, because more
 * messages may wait; an empty one halves it. Pure, a plain value. */
#pragma once

#include "util/macro.h"

struct poll_limit {
    unsigned max, now;
};

#define POLL_LIMIT_INIT(max_) ((struct poll_limit){.max = (max_), .now = 1})

/* Sets another maximum. */
static inline void poll_limit_set_max(struct poll_limit *limit, unsigned max)
{
    limit->max = max;
    limit->now = MIN(limit->now, max);
}

/* A poll has brought `n` of the `asked` messages. */
static inline void poll_limit_received(struct poll_limit *limit, unsigned asked, size_t n)
{
    if (n == 0)
        limit->now = MAX(limit->now / 2, 1U);
    else if (n >= asked)
        limit->now = MIN(limit->now * 2, limit->max);
}

/* Polls have stalled. */
static inline void poll_limit_stalled(struct poll_limit *limit)
{
    limit->now = MAX(limit->now / 2, 1U);
}
