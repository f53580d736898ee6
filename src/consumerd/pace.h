/* SPDX-License-Identifier: MIT */
/* How many receives may be under way at once. AWS counts each, also an empty one: an idle queue is
 * asked by one at a time. A receive that comes back full doubles the number, since more may wait
 * there; an empty one halves it. Pure, a plain value. */
#pragma once

#include "util/macro.h"

struct pace {
    unsigned max, receives;
};

#define PACE_INIT(max_) ((struct pace){.max = (max_), .receives = 1})

/* A receive has brought n of the messages that were asked for. */
static inline void pace_received(struct pace *pace, unsigned asked, size_t n)
{
    if (n == 0)
        pace->receives = MAX(pace->receives / 2, 1U);
    else if (n >= asked)
        pace->receives = MIN(pace->receives * 2, pace->max);
}

/* Receives that were under way have stalled. */
static inline void pace_stalled(struct pace *pace)
{
    pace->receives = MAX(pace->receives / 2, 1U);
}
