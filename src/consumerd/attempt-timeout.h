/* SPDX-License-Identifier: MIT */
/* How the attempts of a request share the time until it must have got through. The first attempt
 * has a quarter of that time, each further one half of what is left. So an attempt that stalls
 * leaves time for others, each on a connection of its own, and a slow network is not taken for a
 * dead one. */
#pragma once

#include "util/macro.h"

/* No attempt has less: a request needs that much. */
#define ATTEMPT_TIMEOUT_MIN_USEC (100 * USEC_PER_MSEC)

/* The timeout of the next attempt. n_before: the number of attempts before it. end_usec: when the
 * request must have got through; USEC_INFINITY: at no certain time, and the result is
 * USEC_INFINITY, too. */
static inline uint64_t attempt_timeout_usec(unsigned n_before, uint64_t end_usec, uint64_t now_usec)
{
    uint64_t left_usec = end_usec > now_usec ? end_usec - now_usec : 0;

    if (end_usec == USEC_INFINITY)
        return USEC_INFINITY;
    return MAX(left_usec / (n_before == 0 ? 4 : 2), ATTEMPT_TIMEOUT_MIN_USEC);
}
