/* SPDX-License-Identifier: MIT */
/* Runs an event loop in a test until a condition holds, or for a time. */
#pragma once

#include <systemd/sd-event.h>

#include "test.h"
#include "util/macro.h"

#define TEST_PATIENCE_USEC (50 * USEC_PER_SEC)

static inline uint64_t boot_clock_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

/* Runs the loop until *counter is at least `wanted`; fails the test where it takes too long. */
static inline void run_until(sd_event *event, const unsigned *counter, unsigned wanted)
{
    uint64_t end = boot_clock_usec() + TEST_PATIENCE_USEC;

    while (*counter < wanted) {
        assert_true(sd_event_run(event, 100 * USEC_PER_MSEC) >= 0);
        assert_true(boot_clock_usec() < end);
    }
}

/* Does what there is to do at once. A loop that is never at rest is left after some turns. */
static inline void run_what_is_due(sd_event *event)
{
    for (int i = 0; i < 100; i++) {
        int r = sd_event_run(event, 0);

        assert_true(r >= 0);
        if (r == 0)
            break;
    }
}

/* A slow machine may leave the loop no turn in that time, so what is due then is done as well. */
static inline void run_for(sd_event *event, uint64_t usec)
{
    uint64_t end = boot_clock_usec() + usec, now;

    while ((now = boot_clock_usec()) < end)
        assert_true(sd_event_run(event, end - now) >= 0);
    run_what_is_due(event);
}
