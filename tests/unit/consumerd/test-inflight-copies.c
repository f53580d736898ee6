/* SPDX-License-Identifier: MIT */
/* SQS delivers a message twice. */
#include "inflight-fixture.h"

/* A program may still be at work on the first. */
static void copy_waits_while_its_message_is_handled(void **state)
{
    set_up_and_lose(false, "-");
    take("-"); /* the same again */
    dispatch();
    assert_int_equal(n_runs, 1);
    finish(0, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    dispatch();
    assert_int_equal(n_runs, 2);
    finish(1, HANDLER_DONE, 0);
}

/* Whichever handler, and with a ledger or without. */
static void copy_of_a_handled_message_is_only_deleted(void **state)
{
    for (unsigned concurrency = 1; concurrency <= 10; concurrency += 9) {
        CLEANUP(sqs_reply_unref) struct sqs_reply *reply = fake_received("---", "h");

        /* One reply may hold both. */
        reply->messages[1].message_id = reply->messages[0].message_id;
        set_up(false, concurrency, "");
        inflight_add(inflight, reply, fake_now_usec);
        dispatch();
        assert_string_equal(begun(), concurrency == 1 ? "0" : "02");
        take("-"); /* one more */
        finish(0, HANDLER_DONE, 0);
        for (int i = 0; i < 10; i++) {
            if (n_runs == 2 && runs[1].is_running)
                finish(1, HANDLER_DONE, 0);
            dispatch();
            while (fake_n_open() > 0)
                answer_open();
        }
        assert_string_equal(begun(), "02");
        assert_int_equal(inflight_counts(inflight)->deleted, 4);
        assert_int_equal(inflight_status(inflight).messages, 0);
        tear_down(NULL);
    }
}

static void copy_of_a_rejected_message_is_only_deleted(void **state)
{
    set_up(false, 10, "-");
    take("-");
    dispatch();
    finish(0, HANDLER_REJECT, 0);
    dispatch();
    answer_open();
    dispatch();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(n_runs, 1);
}

static void copy_of_a_failed_message_is_released_with_it(void **state)
{
    set_up(false, 10, "-");
    take("-");
    dispatch();
    finish(0, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    dispatch();
    answer_open();
    dispatch();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_counts(inflight)->deleted, 0);
    assert_int_equal(n_runs, 1);
}

/* The first was handled though its lease was lost. */
static void copy_of_a_message_handled_late_is_only_deleted(void **state)
{
    set_up_and_lose(false, "-");
    take("-");
    finish(0, HANDLER_DONE, 0);
    dispatch();
    assert_int_equal(n_runs, 1);
    assert_int_equal(inflight_status(inflight).deleting, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(copy_waits_while_its_message_is_handled, tear_down),
        cmocka_unit_test(copy_of_a_handled_message_is_only_deleted),
        cmocka_unit_test_teardown(copy_of_a_rejected_message_is_only_deleted, tear_down),
        cmocka_unit_test_teardown(copy_of_a_failed_message_is_released_with_it, tear_down),
        cmocka_unit_test_teardown(copy_of_a_message_handled_late_is_only_deleted, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
