/* The names that clock.h and random.h have replaced. */
#pragma once

#include "clock.h"
#include "random.h"

static inline uint64_t outside_now_usec(void)
{
    return clock_boot_usec();
}

static inline uint64_t outside_wall_usec(void)
{
    return clock_wall_usec();
}

static inline uint64_t outside_random(void)
{
    return random_u64();
}
