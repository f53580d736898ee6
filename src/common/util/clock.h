/* SPDX-License-Identifier: MIT */
/* The clocks of this machine. Every module that needs the time asks here, so that a unit test can
 * put clocks of its own in the place of clock.c.
 *
 * Timers and intervals use the boot clock: nobody sets it, and it goes on while the machine is
 * suspended. The wall clock serves signatures and times that people read; it may jump. Both are in
 * microseconds. */
#pragma once

#include <time.h>

#include <systemd/sd-event.h>

#include "util/macro.h"

/* Bounds of times, such as the last second that a signature can have, do not fit 32 bits. */
_Static_assert(sizeof(time_t) >= 8, "a time_t of 64 bits is needed");

/* The boot clock, read at this moment. */
uint64_t clock_boot_usec(void);

/* The monotonic clock, for others that use it (systemd, libcurl). It stands still while the machine
 * is suspended. */
uint64_t clock_monotonic_usec(void);

/* The wall clock, since the epoch. */
uint64_t clock_wall_usec(void);

/* The same in whole seconds. */
static inline time_t clock_wall_sec(void)
{
    return (time_t)(clock_wall_usec() / USEC_PER_SEC);
}

/* The boot clock as the event loop read it at the beginning of its round: it costs no system call,
 * and all that is done in a round has the same time. It stands still while a callback runs. */
static inline uint64_t clock_loop_usec(sd_event *event)
{
    uint64_t now_usec = 0;

    /* Fails only in another process than the loop's, after a fork. */
    (void)sd_event_now(event, CLOCK_BOOTTIME, &now_usec);
    return now_usec;
}
