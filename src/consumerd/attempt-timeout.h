/* SPDX-License-Identifier: MIT */
/* How the attempts of a request share the time until the request must have succeeded. The first
 * attempt gets a quarter of that time; each further attempt gets half of the time that is left. So
 * a stalled attempt leaves time for others, each on a connection of its own, and an attempt over a
 * slow network still has time to succeed. */
#pragma once

#include "util/macro.h"

/* No attempt gets less, because a request needs that much time. */
#define ATTEMPT_TIMEOUT_MIN_USEC (100 * USEC_PER_MSEC)

/* The timeout of the next attempt. n_before: the number of attempts before it. end_usec: the time
 * by which the request must have succeeded. If it is USEC_INFINITY (no such time), the result is
 * USEC_INFINITY, too. */
static inline uint64_t attempt_timeout_usec(unsigned n_before, uint64_t end_usec, uint64_t now_usec)
{
    uint64_t left_usec = end_usec > now_usec ? end_usec - now_usec : 0;

    if (end_usec == USEC_INFINITY)
        return USEC_INFINITY;
    return MAX(left_usec / (n_before == 0 ? 4 : 2), ATTEMPT_TIMEOUT_MIN_USEC);
}
