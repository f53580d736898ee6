/* SPDX-License-Identifier: MIT */
/* The clocks of this process, set ahead by the test. clock_gettime here takes the place of libc's:
 * the calls of libsystemd's event loop and of libcurl come here too, for a program's symbols go
 * before those of its libraries. It is for tests that run an event loop; the others have
 * fake-clock.h. To be included by one file of a test. */
#pragma once

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "util/macro.h"

static uint64_t ahead_usec;      /* all clocks */
static uint64_t boot_ahead_usec; /* the boot clock moreover, as after a suspend */
static uint64_t wall_ahead_usec; /* the wall clock moreover, as when it was set */

/* Since these moments, all clocks are slower by this factor: what has little time gets it on a slow
 * machine too. 0: they are not. */
static uint64_t slowed_by, slowed_since_usec[CLOCK_TAI + 1];

static inline uint64_t real_usec(clockid_t clock)
{
    struct timespec t = {};

    (void)syscall(SYS_clock_gettime, clock, &t);
    return (uint64_t)t.tv_sec * USEC_PER_SEC + (uint64_t)t.tv_nsec / 1000;
}

static inline void slow_clocks(uint64_t factor)
{
    slowed_by = factor;
    for (clockid_t clock = 0; clock <= CLOCK_TAI; clock++)
        slowed_since_usec[clock] = real_usec(clock);
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    uint64_t usec = real_usec(clock);

    if (slowed_by > 0)
        usec = slowed_since_usec[clock] + (usec - slowed_since_usec[clock]) / slowed_by;
    usec += ahead_usec;
    if (clock == CLOCK_BOOTTIME)
        usec += boot_ahead_usec;
    else if (clock == CLOCK_REALTIME)
        usec += wall_ahead_usec;
    ret->tv_sec = (time_t)(usec / USEC_PER_SEC);
    ret->tv_nsec = (long)(usec % USEC_PER_SEC * 1000);
    return 0;
}
