/* SPDX-License-Identifier: MIT */
/* A timer on the boot clock: the event loop calls a function once, at a given time. A timer is
 * created unset. Setting it again replaces the time. After the call it is unset, and the function
 * may set it again. Setting it to the time that it already has costs nothing. The struct is a
 * member of its owner and must not move while it is initialized. */
#pragma once

#include <systemd/sd-event.h>

#include "util/macro.h"

typedef void (*timer_fn)(void *userdata);

struct timer { /* all zero: not initialized */
    sd_event_source *source;
    uint64_t usec; /* the moment; USEC_INFINITY: off */
    timer_fn fn;
    void *userdata;
};

/* `accuracy_usec`: the call may come this much later, so that several wake-ups become one. 0, or
 * the errno of sd_event_add_time. */
int timer_init(struct timer *timer, sd_event *event, uint64_t accuracy_usec, timer_fn fn,
               void *userdata);

/* Turns the timer off and frees its resources. The struct is all zero afterwards. A struct that is
 * all zero is left unchanged. */
void timer_done(struct timer *timer);

static inline bool timer_is_initialized(const struct timer *timer)
{
    return timer->source != NULL;
}

/* Calls the function at this moment, or at once if it has passed. USEC_INFINITY turns the timer
 * off. 0, or the errno of sd-event, which fails only in another process than the loop's or after
 * its end; then the timer is off. */
int timer_set(struct timer *timer, uint64_t usec);

/* The same, `delay_usec` after the event loop's time. */
int timer_set_after(struct timer *timer, uint64_t delay_usec);

/* As timer_set, but a timer that is set to an earlier time keeps that time, and nothing is turned
 * off. The function must check whether its time has come, and set the timer again if not. This
 * serves deadlines that move with every message and are rarely reached. */
int timer_set_no_later(struct timer *timer, uint64_t usec);

void timer_stop(struct timer *timer);

/* Calls sd_event_source_set_priority. */
int timer_set_priority(struct timer *timer, int64_t priority);

/* The time that it is set to; USEC_INFINITY: it is off. */
static inline uint64_t timer_usec(const struct timer *timer)
{
    return timer->source ? timer->usec : USEC_INFINITY;
}

static inline bool timer_is_set(const struct timer *timer)
{
    return timer_usec(timer) < USEC_INFINITY;
}
