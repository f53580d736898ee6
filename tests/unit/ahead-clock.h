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

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ret);
    uint64_t usec = ahead_usec;

    if (clock == CLOCK_BOOTTIME)
        usec += boot_ahead_usec;
    else if (clock == CLOCK_REALTIME)
        usec += wall_ahead_usec;
    ret->tv_nsec += (long)(usec % USEC_PER_SEC * 1000);
    ret->tv_sec += (time_t)(usec / USEC_PER_SEC) + ret->tv_nsec / 1000000000;
    ret->tv_nsec %= 1000000000;
    return r;
}
