/* SPDX-License-Identifier: MIT */
#include "util/timer.h"

#include <errno.h>

#include "util/clock.h"

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct timer *timer = userdata;

    timer->usec = USEC_INFINITY; /* SD_EVENT_ONESHOT has turned it off */
    timer->fn(timer->userdata);
    return 0;
}

int timer_init(struct timer *timer, sd_event *event, uint64_t accuracy_usec, timer_fn fn,
               void *userdata)
{
    sd_event_source *source = NULL;
    int r = sd_event_add_time(event, &source, CLOCK_BOOTTIME, USEC_INFINITY, accuracy_usec, on_time,
                              timer);

    if (r >= 0)
        r = sd_event_source_set_enabled(source, SD_EVENT_OFF);
    if (r < 0) {
        sd_event_source_disable_unref(source);
        return r;
    }
    *timer = (struct timer){
        .source = source,
        .usec = USEC_INFINITY,
        .fn = fn,
        .userdata = userdata,
    };
    return 0;
}

void timer_done(struct timer *timer)
{
    sd_event_source_disable_unref(timer->source);
    *timer = (struct timer){};
}

void timer_stop(struct timer *timer)
{
    if (!timer_is_set(timer))
        return;
    timer->usec = USEC_INFINITY;
    (void)sd_event_source_set_enabled(timer->source, SD_EVENT_OFF);
}

int timer_set(struct timer *timer, uint64_t usec)
{
    int r;

    if (usec == timer->usec)
        return 0;
    if (usec == USEC_INFINITY) {
        timer_stop(timer);
        return 0;
    }
    r = sd_event_source_set_time(timer->source, usec);
    if (r >= 0)
        r = sd_event_source_set_enabled(timer->source, SD_EVENT_ONESHOT);
    if (r < 0) {
        timer_stop(timer);
        return r;
    }
    timer->usec = usec;
    return 0;
}

int timer_set_after(struct timer *timer, uint64_t delay_usec)
{
    uint64_t now_usec = clock_loop_usec(sd_event_source_get_event(timer->source));

    return timer_set(timer,
                     delay_usec < USEC_INFINITY - now_usec ? now_usec + delay_usec : USEC_INFINITY);
}

int timer_set_priority(struct timer *timer, int64_t priority)
{
    return sd_event_source_set_priority(timer->source, priority);
}

int timer_set_no_later(struct timer *timer, uint64_t usec)
{
    return usec < timer->usec ? timer_set(timer, usec) : 0;
}
