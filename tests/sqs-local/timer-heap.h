/* SPDX-License-Identifier: MIT */
/* A binary heap of points in time, the earliest on top. Timers are embedded in the objects that
 * they are for. */
#pragma once

#include "util/list.h"

struct timer {
    uint64_t due_usec;
    uint64_t order;  /* of two due at once, the one that was set first comes first */
    size_t position; /* 1-based in the heap; 0: not in it */
};

struct timer_heap {
    struct timer **timers;
    size_t n_timers, n_allocated;
    uint64_t last_order;
};

/* Puts a timer in, or moves it to another time. 0, or -ENOMEM, which a timer that is in the heap
 * already cannot meet. */
int timer_heap_set(struct timer_heap *heap, struct timer *timer, uint64_t due_usec);

/* Takes a timer out, where it is in. */
void timer_heap_remove(struct timer_heap *heap, struct timer *timer);

/* The timer that is due first, if that is at `now_usec` or before; else NULL. It stays in. */
struct timer *timer_heap_due(const struct timer_heap *heap, uint64_t now_usec);

/* When the first timer is due; USEC_INFINITY where there is none. */
uint64_t timer_heap_next_usec(const struct timer_heap *heap);

void timer_heap_done(struct timer_heap *heap); /* the timers are the caller's */
