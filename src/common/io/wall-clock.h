/* The time that people and expiry dates mean; it may jump. Timers run on the boot clock instead. */
#pragma once

#include <time.h>

#include "macro.h"

/* Since the epoch. */
static inline uint64_t wall_clock_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}
