/* SPDX-License-Identifier: MIT */
#include "consumerd/lane.h"
#include "fake-consumer.h"
#include "test.h"

#include <stdio.h>

static struct consumer_lanes *lanes;
static struct message *m[10];

static void fill(bool by_group, const char *groups)
{
    assert_int_equal(consumer_lanes_new(by_group, &lanes), 0);
    fake_messages(groups, "h", 0, m);
    for (size_t i = 0; i < strlen(groups); i++)
        assert_int_equal(consumer_lanes_add(lanes, m[i]), 0);
}

static int tear_down(void **state)
{
    for (size_t i = 0; i < 10; i++) {
        if (m[i])
            consumer_lanes_remove(lanes, m[i]);
        m[i] = message_unref(m[i]);
    }
    lanes = consumer_lanes_free(lanes);
    return 0;
}

static void groups_go_side_by_side_and_each_in_order(void **state)
{
    fill(true, "aabbca");
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[0]);
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[2]);
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[4]);
    assert_null(consumer_lanes_begin_next(lanes));
    consumer_lanes_handled(lanes, m[2]);
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[3]);
    assert_null(consumer_lanes_begin_next(lanes));
    consumer_lanes_handled(lanes, m[0]);
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[1]);
    consumer_lanes_handled(lanes, m[1]);
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[5]);
    assert_null(consumer_lanes_begin_next(lanes));
}

static void standard_queue_knows_no_order(void **state)
{
    fill(false, "aaa-");
    for (size_t i = 0; i < 4; i++)
        assert_ptr_equal(consumer_lanes_begin_next(lanes), m[i]);
    assert_null(lane_after(m[0]));
    assert_null(lane_before(m[1]));
    consumer_lanes_handled(lanes, m[0]);
    consumer_lanes_remove(lanes, m[0]);
    consumer_lanes_remove(lanes, m[1]);
    assert_null(consumer_lanes_begin_next(lanes));
}

static void messages_without_a_group_share_a_lane_on_a_fifo_queue(void **state)
{
    fill(true, "-a--");
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[0]);
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[1]);
    assert_null(consumer_lanes_begin_next(lanes));
    consumer_lanes_handled(lanes, m[0]);
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[2]);
    assert_null(consumer_lanes_begin_next(lanes));
    consumer_lanes_remove(lanes, m[2]);
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[3]);
}

static void
one_that_is_returned_is_the_first_of_its_lane_again_and_the_last_of_the_ready(void **state)
{
    fill(true, "aabc");
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[0]);
    consumer_lanes_requeue(lanes, m[0]);
    assert_int_equal(consumer_lanes_ready_count(lanes), 3);
    assert_ptr_equal(consumer_lanes_peek(lanes), m[2]);
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[2]);
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[3]);
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[0]);
    assert_null(consumer_lanes_peek(lanes));
}

static void handled_message_stays_among_its_neighbours_until_it_is_removed(void **state)
{
    fill(true, "aab");
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[0]);
    consumer_lanes_handled(lanes, m[0]);
    assert_ptr_equal(lane_before(m[1]), m[0]);
    assert_ptr_equal(lane_after(m[0]), m[1]);
    assert_null(lane_before(m[0]));
    assert_null(lane_after(m[1]));
    assert_null(lane_after(m[2]));
    consumer_lanes_remove(lanes, m[0]);
    assert_null(lane_before(m[1]));
    assert_null(lane_after(m[0]));
    consumer_lanes_remove(lanes, m[0]);
}

static void removing_what_is_handled_lets_the_next_begin(void **state)
{
    fill(true, "aa");
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[0]);
    assert_null(consumer_lanes_begin_next(lanes));
    consumer_lanes_remove(lanes, m[0]);
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[1]);
}

static void removing_what_is_ready_makes_the_next_ready(void **state)
{
    fill(true, "aaab");
    consumer_lanes_remove(lanes, m[0]);
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[3]);
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[1]);
    consumer_lanes_remove(lanes, m[2]);
    consumer_lanes_handled(lanes, m[1]);
    assert_null(consumer_lanes_begin_next(lanes));
}

static void lane_that_has_emptied_begins_anew(void **state)
{
    fill(true, "ab");
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[0]);
    consumer_lanes_remove(lanes, m[0]);
    assert_int_equal(consumer_lanes_add(lanes, m[0]), 0);
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[1]);
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[0]);
}

static void message_that_comes_later_waits_behind_the_one_that_is_handled(void **state)
{
    fill(true, "ab");
    consumer_lanes_remove(lanes, m[1]);
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[0]);
    m[1]->received = m[0]->received;
    assert_int_equal(consumer_lanes_add(lanes, m[1]), 0);
    assert_null(consumer_lanes_begin_next(lanes));
    consumer_lanes_handled(lanes, m[0]);
    assert_ptr_equal(consumer_lanes_begin_next(lanes), m[1]);
}

static uint64_t chance(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

/* A thousand messages of as many groups as letters come, are begun, handled and removed at random:
 * of each group at most one runs, and they begin in order. */
static void random_runs_keep_the_order_of_each_group(void **state)
{
    enum { N = 1000 };
    static struct message *all[N];
    static bool begun[N], handled[N], gone[N];
    uint64_t seed = 7;
    size_t n_added = 0, n_gone = 0;
    int last[26], running[26] = {};

    assert_int_equal(consumer_lanes_new(true, &lanes), 0);
    for (size_t i = 0; i < 26; i++)
        last[i] = -1;
    while (n_gone < N) {
        size_t i = chance(&seed) % N;
        struct message *next;

        if (n_added < N) {
            char group[2] = {(char)('a' + chance(&seed) % 26), '\0'}, prefix[16];

            snprintf(prefix, sizeof(prefix), "%zu-", n_added);
            fake_messages(group, prefix, 0, &all[n_added]);
            assert_int_equal(consumer_lanes_add(lanes, all[n_added++]), 0);
        }
        next = consumer_lanes_begin_next(lanes);
        if (next) {
            int group = next->received->group_id[0] - 'a',
                number = atoi(next->received->message_id);

            assert_int_equal(running[group]++, 0);
            assert_true(number > last[group]);
            /* Nothing of the group was passed by. */
            for (int k = last[group] + 1; k < number; k++)
                assert_true(gone[k] || all[k]->received->group_id[0] != 'a' + group);
            last[group] = number;
            begun[number] = true;
        }
        if (i >= n_added || gone[i] || (!begun[i] && chance(&seed) % 10 > 0))
            continue;
        if (begun[i] && !handled[i]) {
            running[all[i]->received->group_id[0] - 'a']--;
            handled[i] = true;
            if (chance(&seed) % 2) {
                consumer_lanes_handled(lanes, all[i]);
                continue;
            }
        }
        consumer_lanes_remove(lanes, all[i]);
        gone[i] = true;
        n_gone++;
    }
    for (size_t i = 0; i < N; i++)
        message_unref(all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(groups_go_side_by_side_and_each_in_order, tear_down),
        cmocka_unit_test_teardown(standard_queue_knows_no_order, tear_down),
        cmocka_unit_test_teardown(messages_without_a_group_share_a_lane_on_a_fifo_queue, tear_down),
        cmocka_unit_test_teardown(
            one_that_is_returned_is_the_first_of_its_lane_again_and_the_last_of_the_ready,
            tear_down),
        cmocka_unit_test_teardown(handled_message_stays_among_its_neighbours_until_it_is_removed,
                                  tear_down),
        cmocka_unit_test_teardown(removing_what_is_handled_lets_the_next_begin, tear_down),
        cmocka_unit_test_teardown(removing_what_is_ready_makes_the_next_ready, tear_down),
        cmocka_unit_test_teardown(lane_that_has_emptied_begins_anew, tear_down),
        cmocka_unit_test_teardown(message_that_comes_later_waits_behind_the_one_that_is_handled,
                                  tear_down),
        cmocka_unit_test_teardown(random_runs_keep_the_order_of_each_group, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
