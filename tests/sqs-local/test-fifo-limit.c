/* SPDX-License-Identifier: MIT */
/* The limit of calls on FIFO queues, with a clock that the test sets. */
#include "fifo-limit.h"
#include "test.h"

#define START (UINT64_C(1700000000) * USEC_PER_SEC)

static unsigned take(struct fifo_limit *counted, enum fifo_action action, unsigned calls,
                     uint64_t now_usec)
{
    unsigned n = 0;

    while (calls-- > 0)
        n += fifo_limit_take(counted, action, 300, now_usec);
    return n;
}

static void of_one_second_300_calls_are_taken(void **state)
{
    struct fifo_limit counted = {};

    assert_int_equal(take(&counted, FIFO_ACTION_SEND, 299, START), 299);
    assert_int_equal(take(&counted, FIFO_ACTION_SEND, 10, START + USEC_PER_SEC - 1), 1);
    assert_int_equal(take(&counted, FIFO_ACTION_SEND, 1000, START + USEC_PER_SEC), 300);
}

static void each_action_has_a_limit_of_its_own(void **state)
{
    struct fifo_limit counted = {};

    for (enum fifo_action i = 0; i < FIFO_N_ACTIONS; i++)
        assert_int_equal(take(&counted, i, 301, START), 300);
}

static void no_limit_takes_all(void **state)
{
    struct fifo_limit counted = {};

    for (int i = 0; i < 1000; i++)
        assert_true(fifo_limit_take(&counted, FIFO_ACTION_SEND, 0, START));
    assert_int_equal(take(&counted, FIFO_ACTION_NONE, 1000, START), 1000);
}

static void a_batch_is_a_call_of_its_action(void **state)
{
    assert_int_equal(fifo_action_of("SendMessage"), FIFO_ACTION_SEND);
    assert_int_equal(fifo_action_of("SendMessageBatch"), FIFO_ACTION_SEND);
    assert_int_equal(fifo_action_of("ReceiveMessage"), FIFO_ACTION_RECEIVE);
    assert_int_equal(fifo_action_of("DeleteMessageBatch"), FIFO_ACTION_DELETE);
    assert_int_equal(fifo_action_of("ChangeMessageVisibilityBatch"), FIFO_ACTION_CHANGE_VISIBILITY);
    assert_int_equal(fifo_action_of("GetQueueAttributes"), FIFO_ACTION_NONE);
    assert_int_equal(fifo_action_of("SendMessageTwice"), FIFO_ACTION_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_one_second_300_calls_are_taken),
        cmocka_unit_test(each_action_has_a_limit_of_its_own),
        cmocka_unit_test(no_limit_takes_all),
        cmocka_unit_test(a_batch_is_a_call_of_its_action),
    };

    return cmocka_run_group_tests_name("sqs-local-model-fifo-limit", tests, NULL, NULL);
}
