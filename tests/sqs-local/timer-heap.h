/* SPDX-License-Identifier: MIT */
/* A binary heap of times, the earliest first. Timers are embedded in the objects that they belong
 * to. */
#pragma once

#include "util/list.h"

struct timer {
    uint64_t due_usec;
    uint64_t order;  /* of two timers with the same time, the one set first comes first */
    size_t position; /* 1-based in the heap; 0: not in it */
};

struct timer_heap {
    struct timer **timers;
    size_t n_timers, n_allocated;
    uint64_t last_order;
};

/* Adds a timer, or moves it to another time. Returns 0 or -ENOMEM. A timer that is already in the
 * heap cannot get -ENOMEM. */
int timer_heap_set(struct timer_heap *heap, struct timer *timer, uint64_t due_usec);

/* Removes a timer if it is in the heap. */
void timer_heap_remove(struct timer_heap *heap, struct timer *timer);

/* The first timer that is due at `now_usec` or before, else NULL. It stays in the heap. */
struct timer *timer_heap_due(const struct timer_heap *heap, uint64_t now_usec);

/* When the first timer is due; USEC_INFINITY if there is none. */
uint64_t timer_heap_next_usec(const struct timer_heap *heap);

void timer_heap_done(struct timer_heap *heap); /* the timers belong to the caller */
