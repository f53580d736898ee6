/* SPDX-License-Identifier: MIT */
/* How long each attempt of a request may take that must have got through by a certain time: so long
 * that a slow network is not taken for a dead one, and so short that others, on connections of
 * their own, have their time too. One that stalls is met by the first, which has a quarter; each
 * after it has half of what is left. */
#pragma once

#include "util/macro.h"

/* Less is no time for a request. */
#define ATTEMPT_TIMEOUT_MIN_USEC (100 * USEC_PER_MSEC)

/* n_before: how many attempts there were before. end_usec: USEC_INFINITY, no such time. */
static inline uint64_t attempt_timeout_usec(unsigned n_before, uint64_t end_usec, uint64_t now_usec)
{
    uint64_t left_usec = end_usec > now_usec ? end_usec - now_usec : 0;

    if (end_usec == USEC_INFINITY)
        return USEC_INFINITY;
    return MAX(left_usec / (n_before == 0 ? 4 : 2), ATTEMPT_TIMEOUT_MIN_USEC);
}
