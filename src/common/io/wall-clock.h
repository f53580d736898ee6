/* The name that clock.h has replaced. */
#pragma once

#include "clock.h"

static inline uint64_t wall_clock_usec(void)
{
    return clock_wall_usec();
}
