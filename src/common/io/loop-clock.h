/* The boot clock, as the event loop has it: the same for all that is done in a turn of the loop. */
#pragma once

#include <time.h>

#include <systemd/sd-event.h>

#include "macro.h"

static inline uint64_t loop_now_usec(sd_event *event)
{
    uint64_t now = 0;

    /* Fails only in another process than the loop's, after a fork. */
    (void)sd_event_now(event, CLOCK_BOOTTIME, &now);
    return now;
}

/* The boot clock as it is now, for those that know no loop. */
static inline uint64_t boot_now_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}
