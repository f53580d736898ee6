/* SPDX-License-Identifier: MIT */
/* See timer-heap.h. Each timer knows its place, so that it can be moved or taken out in O(log n).
 */
#include "timer-heap.h"

#include <errno.h>

static void put(struct timer_heap *heap, struct timer *timer, size_t position)
{
    heap->timers[position - 1] = timer;
    timer->position = position;
}

static bool is_before(const struct timer *a, const struct timer *b)
{
    return a->due_usec != b->due_usec ? a->due_usec < b->due_usec : a->order < b->order;
}

static void sift(struct timer_heap *heap, struct timer *timer)
{
    size_t i = timer->position;

    while (i > 1 && is_before(timer, heap->timers[i / 2 - 1])) {
        put(heap, heap->timers[i / 2 - 1], i);
        i /= 2;
    }
    for (;;) {
        size_t child = 2 * i;

        if (child > heap->n_timers)
            break;
        if (child < heap->n_timers && is_before(heap->timers[child], heap->timers[child - 1]))
            child++;
        if (is_before(timer, heap->timers[child - 1]))
            break;
        put(heap, heap->timers[child - 1], i);
        i = child;
    }
    put(heap, timer, i);
}

int timer_heap_set(struct timer_heap *heap, struct timer *timer, uint64_t due_usec)
{
    timer->due_usec = due_usec;
    timer->order = ++heap->last_order;
    if (timer->position == 0) {
        if (heap->n_timers == heap->n_allocated) {
            size_t n = heap->n_allocated ? heap->n_allocated * 2 : 64;
            struct timer **timers = realloc(heap->timers, n * sizeof(struct timer *));

            if (!timers)
                return -ENOMEM;
            heap->timers = timers;
            heap->n_allocated = n;
        }
        put(heap, timer, ++heap->n_timers);
    }
    sift(heap, timer);
    return 0;
}

void timer_heap_remove(struct timer_heap *heap, struct timer *timer)
{
    struct timer *last;

    if (timer->position == 0)
        return;
    last = heap->timers[--heap->n_timers];
    if (last != timer) {
        put(heap, last, timer->position);
        sift(heap, last);
    }
    timer->position = 0;
}

struct timer *timer_heap_due(const struct timer_heap *heap, uint64_t now_usec)
{
    return heap->n_timers > 0 && heap->timers[0]->due_usec <= now_usec ? heap->timers[0] : NULL;
}

uint64_t timer_heap_next_usec(const struct timer_heap *heap)
{
    return heap->n_timers > 0 ? heap->timers[0]->due_usec : USEC_INFINITY;
}

void timer_heap_done(struct timer_heap *heap)
{
    free(heap->timers);
    *heap = (struct timer_heap){};
}
