/* The names that clock.h has replaced. */
#pragma once

#include "clock.h"

static inline uint64_t loop_now_usec(sd_event *event)
{
    return clock_loop_usec(event);
}

static inline uint64_t boot_now_usec(void)
{
    return clock_boot_usec();
}
