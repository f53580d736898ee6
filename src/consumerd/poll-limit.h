/* SPDX-License-Identifier: MIT */
/* How many receives may be under way at once. AWS counts each, also an empty one: an idle queue is
 * asked by one at a time. A receive that comes back full doubles the number, since more may wait
 * there; an empty one halves it. Pure, a plain value. */
#pragma once

#include "util/macro.h"

struct poll_limit {
    unsigned max, now;
};

#define POLL_LIMIT_INIT(max_) ((struct poll_limit){.max = (max_), .now = 1})

/* A receive has brought n of the messages that were asked for. */
static inline void poll_limit_received(struct poll_limit *limit, unsigned asked, size_t n)
{
    if (n == 0)
        limit->now = MAX(limit->now / 2, 1U);
    else if (n >= asked)
        limit->now = MIN(limit->now * 2, limit->max);
}

/* Receives that were under way have stalled. */
static inline void poll_limit_stalled(struct poll_limit *limit)
{
    limit->now = MAX(limit->now / 2, 1U);
}
