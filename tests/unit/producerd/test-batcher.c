/* SPDX-License-Identifier: MIT */
#include "producerd/batcher.h"
#include "test.h"

#include <stdio.h>

enum { MAX_MESSAGES = 200 };

/* A supply that hands out `n_ready` messages, then says `after`. */
struct fixture {
    struct producer_lanes *lanes;
    struct batcher *batcher;
    struct source_message sources[MAX_MESSAGES];
    struct outgoing_message messages[MAX_MESSAGES];
    size_t n, n_ready;
    unsigned n_groups;
    size_t bytes; /* of each message */
    enum batcher_supply after;
    unsigned n_calls;
};

static enum batcher_supply supply(void *userdata)
{
    static const char *const groups[] = {"a", "b", "c", "d", "e", "f", "g", "h",
                                         "i", "j", "k", "l", "m", "n", "o", "p"};
    struct fixture *f = userdata;
    size_t i = f->n;

    f->n_calls++;
    if (i == f->n_ready)
        return f->after;
    f->sources[i].message.group_id = groups[i % f->n_groups];
    f->messages[i] = (struct outgoing_message){.source = &f->sources[i], .bytes = f->bytes};
    f->n++;
    producer_lanes_add(f->lanes, &f->messages[i]);
    return SUPPLY_ADDED;
}

static struct fixture *set_up(enum producer_lanes_kind kind, unsigned size_max,
                              uint64_t linger_usec, uint64_t rate_limit)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->n_groups = 16;
    f->bytes = 100;
    f->after = SUPPLY_LATER;
    assert_int_equal(producer_lanes_new(kind, MAX_MESSAGES, &f->lanes), 0);
    assert_int_equal(batcher_new(
                         &(struct batcher_options){
                             .lanes = f->lanes,
                             .size_max = size_max,
                             .linger_usec = linger_usec,
                             .rate_limit = rate_limit,
                             .supply = supply,
                             .userdata = f,
                         },
                         &f->batcher),
                     0);
    return f;
}

static void fixture_free_cleanup(struct fixture **f)
{
    batcher_free((*f)->batcher);
    producer_lanes_free((*f)->lanes);
    free(*f);
}

/* The next batch holds the messages with these numbers. */
static struct batch assert_batch(struct fixture *f, uint64_t now, size_t n, const size_t *numbers)
{
    struct batch batch = {};
    uint64_t again = 0;

    assert_int_equal(batcher_next(f->batcher, now, &batch, &again), 0);
    assert_int_equal(batch.n, n);
    for (size_t i = 0; i < n; i++)
        assert_ptr_equal(batch.messages[i], &f->messages[numbers[i]]);
    return batch;
}
#define BATCH(f, now, ...)                                                                         \
    assert_batch(f, now, ARRAY_SIZE(((size_t[]){__VA_ARGS__})), (size_t[]){__VA_ARGS__})

static void assert_waits(struct fixture *f, uint64_t now, uint64_t until)
{
    struct batch batch;
    uint64_t again = 0;

    assert_int_equal(batcher_next(f->batcher, now, &batch, &again), BATCHER_E_WAIT);
    assert_int_equal(again, until);
}

static void done(struct fixture *f, const struct batch *batch)
{
    for (size_t i = 0; i < batch->n; i++)
        producer_lanes_done(f->lanes, batch->messages[i]);
}

static void batches_are_filled_to_their_size(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_STRICT, 4, 0, 0);

    f->n_ready = 10;
    BATCH(f, 1, 0, 1, 2, 3);
    assert_int_equal(f->n, 4); /* no more is taken than is sent */
    BATCH(f, 1, 4, 5, 6, 7);
    BATCH(f, 1, 8, 9);
    assert_waits(f, 1, USEC_INFINITY);
}

static void batch_size_of_one_sends_single_messages(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_STRICT, 1, 1000, 0);

    f->n_ready = 2;
    BATCH(f, 1, 0);
    assert_int_equal(f->n, 1);
    BATCH(f, 1, 1);
    assert_waits(f, 1, USEC_INFINITY);
}

static void groups_share_a_batch_with_one_message_each(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_STRICT, 10, 0, 0);
    struct batch first, second;

    f->n_groups = 3;
    f->n_ready = 7;
    first = BATCH(f, 1, 0, 1, 2);
    assert_waits(f, 1, USEC_INFINITY);
    done(f, &first);
    second = BATCH(f, 1, 3, 4, 5);
    done(f, &second);
    BATCH(f, 1, 6);
}

static void order_batch_lets_a_group_fill_a_batch(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_BATCH, 3, 0, 0);
    struct batch first;

    f->n_groups = 1;
    f->n_ready = 4;
    first = BATCH(f, 1, 0, 1, 2);
    assert_waits(f, 1, USEC_INFINITY);
    done(f, &first);
    BATCH(f, 1, 3);
}

static void standard_queue_gets_full_batches(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_UNORDERED, 3, 0, 0);

    f->n_groups = 1;
    f->n_ready = 6;
    BATCH(f, 1, 0, 1, 2);
    BATCH(f, 1, 3, 4, 5);
}

static void batch_has_at_most_one_mebibyte(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_STRICT, 10, 0, 0);
    struct batch batch;

    f->n_ready = 7;
    f->bytes = SQS_BATCH_MAX_BYTES / 3 + 1;
    batch = BATCH(f, 1, 0, 1);
    assert_int_equal(batch.bytes, 2 * f->bytes);
    /* What did not fit leads the next. */
    f->bytes = SQS_BATCH_MAX_BYTES - f->bytes;
    BATCH(f, 1, 2, 3);
    f->bytes = SQS_MESSAGE_MAX_BYTES;
    BATCH(f, 1, 4);
    BATCH(f, 1, 5);
    BATCH(f, 1, 6);
}

static void large_message_is_not_overtaken(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_STRICT, 10, 5000, 0);

    f->n_ready = 1;
    assert_waits(f, 1, 5001);
    f->n_ready = 2;
    f->bytes = SQS_BATCH_MAX_BYTES;
    BATCH(f, 2, 0);
    f->n_ready = 3;
    f->bytes = 100;
    BATCH(f, 3, 1);
    assert_waits(f, 4, 5004);
}

static void batch_lingers_until_it_is_full(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_STRICT, 3, 1000, 0);

    assert_waits(f, 10, USEC_INFINITY);
    f->n_ready = 1;
    assert_waits(f, 100, 1100);
    f->n_ready = 2;
    assert_waits(f, 1099, 1100);
    BATCH(f, 1100, 0, 1);

    /* Full before its time: it goes. */
    f->n_ready = 4;
    assert_waits(f, 2000, 3000);
    f->n_ready = 5;
    BATCH(f, 2001, 2, 3, 4);
}

static void batch_does_not_linger_when_no_more_can_come(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_STRICT, 3, 1000, 0);

    f->n_ready = 1;
    assert_waits(f, 100, 1100);
    f->after = SUPPLY_NO_MORE;
    BATCH(f, 101, 0);
    assert_waits(f, 102, USEC_INFINITY);
}

static void rate_limit_is_kept(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_UNORDERED, 10, 0, 100);
    uint64_t now = USEC_PER_SEC;
    size_t n = 0;

    f->n_ready = MAX_MESSAGES;
    while (n < 150) {
        struct batch batch;
        uint64_t again = 0;

        if (batcher_next(f->batcher, now, &batch, &again) == 0) {
            n += batch.n;
        } else {
            assert_true(again > now);
            now = again;
        }
    }
    /* The first batch is at once, 140 more take 10 ms each; at most 50 ms are made up for. */
    assert_in_range(now - USEC_PER_SEC, 1350000, 1400000);
}

static void rate_limit_reached_takes_nothing_from_the_source(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_STRICT, 1, 0, 1);

    f->n_ready = 5;
    BATCH(f, 2 * USEC_PER_SEC, 0);
    assert_waits(f, 2 * USEC_PER_SEC, 3 * USEC_PER_SEC - 50000);
    assert_int_equal(f->n, 1);
    BATCH(f, 3 * USEC_PER_SEC - 50000, 1);
    assert_waits(f, 3 * USEC_PER_SEC, 4 * USEC_PER_SEC - 50000);
    /* A long pause is not made up for. */
    BATCH(f, 100 * USEC_PER_SEC, 2);
    assert_waits(f, 100 * USEC_PER_SEC, 101 * USEC_PER_SEC - 50000);
}

static void other_size_and_linger_hold_for_the_open_batch(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_UNORDERED, 4, 1000, 0);

    f->n_ready = 3;
    assert_waits(f, 10, 1010);
    batcher_reconfigure(f->batcher, 10, 2000, 0, 10);
    f->n_ready = 7;
    assert_waits(f, 11, 2010);
    batcher_reconfigure(f->batcher, 2, 2000, 0, 11);
    BATCH(f, 11, 0, 1, 2, 3, 4, 5, 6); /* as it is */
    f->n_ready = 10;
    BATCH(f, 11, 7, 8);
    assert_waits(f, 12, 2012);
    batcher_reconfigure(f->batcher, 2, 0, 0, 12);
    BATCH(f, 12, 9);
}

/* The wait for the messages that went is that of the new limit. */
static void other_rate_limit_holds_at_once(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_STRICT, 1, 0, 1);
    uint64_t now = 10 * USEC_PER_SEC;

    f->n_ready = 5;
    BATCH(f, now, 0);
    assert_waits(f, now, now + 950000);
    batcher_reconfigure(f->batcher, 1, 0, 10, now);
    assert_waits(f, now, now + 95000);
    batcher_reconfigure(f->batcher, 1, 0, 10, now);
    assert_waits(f, now, now + 95000);
    batcher_reconfigure(f->batcher, 1, 0, 1, now + 45000);
    assert_waits(f, now + 45000, now + 545000);
    batcher_reconfigure(f->batcher, 1, 0, 0, now + 45000);
    BATCH(f, now + 45000, 1);
    BATCH(f, now + 45000, 2);
    batcher_reconfigure(f->batcher, 1, 0, 1, now + 45000);
    BATCH(f, now + 45000, 3);
    assert_waits(f, now + 45000, now + 995000);
}

static void message_that_needs_own_request_shares_no_batch(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_BATCH, 4, 0, 0);
    struct batch batch;

    f->n_groups = 2;
    f->n_ready = 4;
    batch = BATCH(f, 1, 0, 1, 2, 3);
    for (size_t i = batch.n; i-- > 0;) {
        batch.messages[i]->needs_own_request = true;
        producer_lanes_retry(f->lanes, batch.messages[i], 0);
    }
    batch = BATCH(f, 2, 1);
    f->n_ready = 5;
    BATCH(f, 2, 0);
    assert_waits(f, 2, USEC_INFINITY);
    done(f, &batch);
    BATCH(f, 2, 3);
}

static void delayed_lanes_are_waited_for(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_STRICT, 2, 0, 0);
    struct batch batch;

    f->n_ready = 2;
    batch = BATCH(f, 1, 0, 1);
    producer_lanes_retry(f->lanes, batch.messages[1], 700);
    producer_lanes_retry(f->lanes, batch.messages[0], 500);
    assert_waits(f, 2, 500);
    BATCH(f, 600, 0);
    assert_waits(f, 699, 700);
    BATCH(f, 700, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_filled_to_their_size),
        cmocka_unit_test(batch_size_of_one_sends_single_messages),
        cmocka_unit_test(groups_share_a_batch_with_one_message_each),
        cmocka_unit_test(order_batch_lets_a_group_fill_a_batch),
        cmocka_unit_test(standard_queue_gets_full_batches),
        cmocka_unit_test(batch_has_at_most_one_mebibyte),
        cmocka_unit_test(large_message_is_not_overtaken),
        cmocka_unit_test(batch_lingers_until_it_is_full),
        cmocka_unit_test(batch_does_not_linger_when_no_more_can_come),
        cmocka_unit_test(rate_limit_is_kept),
        cmocka_unit_test(other_size_and_linger_hold_for_the_open_batch),
        cmocka_unit_test(other_rate_limit_holds_at_once),
        cmocka_unit_test(rate_limit_reached_takes_nothing_from_the_source),
        cmocka_unit_test(message_that_needs_own_request_shares_no_batch),
        cmocka_unit_test(delayed_lanes_are_waited_for),
    };

    return cmocka_run_group_tests_name("batcher", tests, NULL, NULL);
}
