/* SPDX-License-Identifier: MIT */
#include "util/clock.h"

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now = {};

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_boot_usec(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

uint64_t clock_monotonic_usec(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall_usec(void)
{
    return read_clock(CLOCK_REALTIME);
}
