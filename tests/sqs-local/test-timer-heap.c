/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "timer-heap.h"

enum { TIMERS = 200, STEPS = 20000 };

/* The timer that the heap must return, found by looking at every timer. */
static struct timer *earliest(struct timer *timers)
{
    struct timer *first = NULL;

    for (size_t i = 0; i < TIMERS; i++)
        if (timers[i].position > 0 &&
            (!first || timers[i].due_usec < first->due_usec ||
             (timers[i].due_usec == first->due_usec && timers[i].order < first->order)))
            first = &timers[i];
    return first;
}

static void the_earliest_is_on_top_whatever_was_set_moved_and_removed(void **state)
{
    struct timer_heap heap = {};
    static struct timer timers[TIMERS];
    uint32_t x = 1;

    for (size_t step = 0; step < STEPS; step++) {
        struct timer *timer, *first;

        x = x * 1664525 + 1013904223;
        timer = &timers[(x >> 8) % TIMERS];
        if (x >> 30 == 0)
            timer_heap_remove(&heap, timer);
        else
            assert_int_equal(timer_heap_set(&heap, timer, x >> 20), 0);
        first = earliest(timers);
        assert_int_equal(timer_heap_next_usec(&heap), first ? first->due_usec : USEC_INFINITY);
        assert_ptr_equal(timer_heap_due(&heap, UINT64_MAX), first);
        if (first && first->due_usec > 0)
            assert_null(timer_heap_due(&heap, first->due_usec - 1));
    }
    timer_heap_done(&heap);
}

static void timers_due_at_once_come_in_the_order_they_were_set(void **state)
{
    struct timer_heap heap = {};
    struct timer timers[9] = {};

    for (size_t i = 0; i < ARRAY_SIZE(timers); i++)
        assert_int_equal(timer_heap_set(&heap, &timers[i], 5), 0);
    for (size_t i = 0; i < ARRAY_SIZE(timers); i++) {
        assert_ptr_equal(timer_heap_due(&heap, 5), &timers[i]);
        timer_heap_remove(&heap, &timers[i]);
    }
    assert_null(timer_heap_due(&heap, UINT64_MAX));
    assert_int_equal(timer_heap_next_usec(&heap), USEC_INFINITY);
    timer_heap_done(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_earliest_is_on_top_whatever_was_set_moved_and_removed),
        cmocka_unit_test(timers_due_at_once_come_in_the_order_they_were_set),
    };

    return cmocka_run_group_tests_name("sqs-local-model-timer-heap", tests, NULL, NULL);
}
