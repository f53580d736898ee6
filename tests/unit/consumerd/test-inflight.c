/* SPDX-License-Identifier: MIT */
/* Messages are begun, handled, deleted or released, and keep their leases meanwhile. */
#include "inflight-fixture.h"

#include <stdio.h>

static void message_handled_is_deleted_before_its_slot_is_free(void **state)
{
    set_up(false, 1, "--");
    assert_int_equal(dispatch(), T0 + 15 * SEC);
    assert_string_equal(begun(), "0");
    assert_int_equal(inflight_status(inflight).handling, 1);
    n_changes = 0;
    finish(0, HANDLER_DONE, 0);
    assert_int_equal(n_changes, 1);
    dispatch();
    assert_string_equal(begun(), "0"); /* its slot is taken until it is deleted */
    assert_int_equal(inflight_status(inflight).deleting, 1);
    assert_string_equal(answer_open(), "{\"QueueUrl\":\"q\",\"ReceiptHandle\":\"h0\"}");
    assert_int_equal(inflight_counts(inflight)->deleted, 1);
    assert_int_equal(inflight_status(inflight).messages, 1);
    dispatch();
    assert_string_equal(begun(), "01");
    finish(1, HANDLER_REJECT, 0);
    dispatch();
    answer_open();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(dispatch(), USEC_INFINITY);
}

static void group_with_a_delete_under_way_goes_on(void **state)
{
    set_up(true, 10, "aab");
    dispatch();
    assert_string_equal(begun(), "02");
    finish(0, HANDLER_DONE, 0);
    dispatch();
    assert_string_equal(begun(), "021");
}

static void handler_done_inside_run_is_accepted(void **state)
{
    set_up(true, 10, "aaabb");
    is_quick = true;
    dispatch();
    assert_int_equal(n_runs, 5);
    answer_open(); /* what is done at once is deleted by one request */
    dispatch();
    assert_int_equal(inflight_counts(inflight)->deleted, 5);
    assert_int_equal(inflight_status(inflight).messages, 0);
}

static void message_fails_the_rest_of_its_group_is_released(void **state)
{
    set_up(true, 10, "aaab");
    dispatch();
    finish(0, HANDLER_DONE, 0);
    dispatch();
    assert_string_equal(begun(), "031");
    finish(2, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    dispatch();
    assert_string_equal(begun(), "031");
    assert_int_equal(fake_n_calls, 2);
    assert_string_equal(fake_request(1),
                        "{\"QueueUrl\":\"q\",\"Entries\":["
                        "{\"Id\":\"0\",\"ReceiptHandle\":\"h2\",\"VisibilityTimeout\":0},"
                        "{\"Id\":\"1\",\"ReceiptHandle\":\"h1\",\"VisibilityTimeout\":5}]}");
    fake_answer(1, "{\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"1\"}]}");
    assert_int_equal(inflight_status(inflight).messages, 2);
    /* The delete of the one before goes on. */
    fake_answer(0, "{}");
    assert_int_equal(inflight_counts(inflight)->deleted, 1);
    assert_true(runs[1].is_running);
}

static void retry_delay_doubles_with_each_receive_up_to_its_maximum(void **state)
{
    static const struct {
        unsigned count;
        const char *delay;
    } cases[] = {{0, "5}"}, {1, "5}"}, {2, "10}"}, {4, "40}"}, {5, "60}"}, {4000000000, "60}"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(sqs_reply_unref) struct sqs_reply *reply = NULL;
        char expected[64];

        set_up(false, 2, "");
        reply = fake_received("-", "h");
        reply->messages[0].receive_count = cases[i].count;
        inflight_add(inflight, reply, fake_now_usec);
        dispatch();
        finish(0, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
        dispatch();
        snprintf(expected, sizeof(expected), "\"VisibilityTimeout\":%s", cases[i].delay);
        assert_non_null(strstr(fake_request(0), expected));
        tear_down(NULL);
    }
}

static void delay_asked_for_longer_than_the_default_counts(void **state)
{
    set_up(false, 4, "----");
    dispatch();
    finish(0, HANDLER_RETRY, 0);
    dispatch();
    assert_non_null(strstr(fake_request(0), "\"VisibilityTimeout\":5}"));
    finish(1, HANDLER_RETRY, 7 * SEC + 1);
    dispatch();
    assert_non_null(strstr(fake_request(1), "\"VisibilityTimeout\":8}"));
    finish(2, HANDLER_RETRY, 100000 * SEC);
    dispatch();
    /* SQS counts 12 hours in all. */
    assert_non_null(strstr(fake_request(2), "\"VisibilityTimeout\":43140}"));
    finish(3, HANDLER_UNANSWERED, HANDLER_DELAY_DEFAULT);
    dispatch();
    assert_non_null(strstr(fake_request(3), "\"VisibilityTimeout\":5}"));
}

/* Each receive asks for a delay of 0, as "Retry-After: 0" does, or a date that has passed. */
static void delay_asked_for_of_zero_does_not_shorten_the_default(void **state)
{
    static const unsigned receives[] = {1, 2, 4, 1000}, delays[] = {5, 10, 40, 60};

    for (size_t i = 0; i < ARRAY_SIZE(receives); i++) {
        CLEANUP(sqs_reply_unref) struct sqs_reply *reply = fake_received("-", "h");
        char expected[64];

        set_up(false, 1, "");
        reply->messages[0].receive_count = receives[i];
        inflight_add(inflight, reply, fake_now_usec);
        dispatch();
        finish(0, HANDLER_RETRY, 0);
        dispatch();
        snprintf(expected, sizeof(expected), "\"VisibilityTimeout\":%u}", delays[i]);
        assert_non_null(strstr(fake_request(0), expected));
        tear_down(NULL);
    }
}

static void delay_constant_ignores_the_receive_count(void **state)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *reply = fake_received("-", "h");

    set_up(false, 1, "");
    reply->messages[0].receive_count = 4;
    inflight_add(inflight, reply, fake_now_usec);
    dispatch();
    finish(0, HANDLER_RETRY, HANDLER_DELAY_CONSTANT);
    dispatch();
    assert_non_null(strstr(fake_request(0), "\"VisibilityTimeout\":5}"));
}

static void reply_stays_counted_until_its_last_message_ends(void **state)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *other = NULL;
    size_t bytes, other_bytes;

    set_up(true, 10, "abc");
    bytes = inflight_status(inflight).bytes;
    assert_in_range(bytes, 100, 1000);
    other = fake_received("de", "i");
    inflight_add(inflight, other, fake_now_usec);
    other_bytes = inflight_status(inflight).bytes - bytes;
    assert_int_equal(other_bytes, other->bytes);
    dispatch();
    for (int i = 0; i < 5; i++) {
        static const size_t order[] = {1, 3, 2, 0, 4};
        size_t left = (i < 3 ? bytes : 0) + (i < 4 ? other_bytes : 0);

        finish(order[i], HANDLER_DONE, 0);
        dispatch();
        answer_open();
        assert_int_equal(inflight_status(inflight).bytes, left);
    }
    assert_int_equal(inflight_status(inflight).messages, 0);
}

static void visible_usec_covers_every_released_message(void **state)
{
    set_up(true, 10, "abc");
    dispatch();
    assert_int_equal(inflight_status(inflight).visible_usec, 0);
    finish(0, HANDLER_RETRY, 20 * SEC);
    dispatch();
    fake_now_usec += SEC; /* it counts from SQS's answer, at the latest */
    answer_open();
    assert_int_equal(inflight_status(inflight).visible_usec, T0 + 21 * SEC);
    finish(1, HANDLER_RETRY, 0);
    dispatch();
    answer_open();
    assert_int_equal(inflight_status(inflight).visible_usec, T0 + 21 * SEC);
    finish(2, HANDLER_RETRY, 0);
    dispatch();
    fake_fail(fake_n_calls - 1, AWS_ERROR_PERMANENT, "AccessDenied", "");
    assert_int_equal(inflight_status(inflight).visible_usec, T0 + 30 * SEC);
    assert_int_equal(inflight_status(inflight).messages, 0);
}

static void delete_fails_message_is_visible_at_the_end_of_its_lease(void **state)
{
    set_up(true, 10, "a");
    dispatch();
    finish(0, HANDLER_DONE, 0);
    dispatch();
    fake_fail(0, AWS_ERROR_PERMANENT, "AccessDenied", "");
    assert_int_equal(inflight_status(inflight).visible_usec, T0 + 30 * SEC);
}

static void message_the_handler_cannot_take_is_released(void **state)
{
    set_up(true, 10, "aa");
    run_error = -E2BIG;
    dispatch();
    dispatch();
    assert_int_equal(fake_n_calls, 1);
    assert_int_equal(fake_calls[0].request->n_entries, 2);
    answer_open();
    assert_int_equal(inflight_status(inflight).messages, 0);
}

static void slow_handling_keeps_its_lease(void **state)
{
    set_up(true, 10, "ab");
    dispatch();
    while (fake_now_usec < T0 + 1000 * SEC) {
        uint64_t next = dispatch();

        if (fake_n_open() > 0) {
            answer_open();
            continue;
        }
        assert_in_range(next, fake_now_usec + 1, fake_now_usec + 30 * SEC);
        fake_now_usec = next;
    }
    assert_true(runs[0].is_running && runs[1].is_running);
    assert_in_range(fake_n_calls, 60, 70); /* one request each 15 s for both */
}

/* Else nobody would look again before the lease has ended. */
static void renewal_fails_a_dispatch_is_requested(void **state)
{
    uint64_t end_usec;
    size_t n;

    set_up(true, 1, "a");
    end_usec = fake_now_usec + 30 * SEC;
    dispatch();
    fake_now_usec += 15 * SEC;
    dispatch();
    n = n_changes;
    fake_answer(fake_n_calls - 1,
                "{\"Failed\":[{\"Id\":\"0\",\"Code\":\"InternalError\",\"SenderFault\":false}]}");
    assert_true(n_changes > n);
    assert_true(dispatch() < end_usec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(message_handled_is_deleted_before_its_slot_is_free, tear_down),
        cmocka_unit_test_teardown(group_with_a_delete_under_way_goes_on, tear_down),
        cmocka_unit_test_teardown(handler_done_inside_run_is_accepted, tear_down),
        cmocka_unit_test_teardown(message_fails_the_rest_of_its_group_is_released, tear_down),
        cmocka_unit_test_teardown(retry_delay_doubles_with_each_receive_up_to_its_maximum, NULL),
        cmocka_unit_test_teardown(delay_asked_for_longer_than_the_default_counts, tear_down),
        cmocka_unit_test(delay_asked_for_of_zero_does_not_shorten_the_default),
        cmocka_unit_test_teardown(delay_constant_ignores_the_receive_count, tear_down),
        cmocka_unit_test_teardown(reply_stays_counted_until_its_last_message_ends, tear_down),
        cmocka_unit_test_teardown(visible_usec_covers_every_released_message, tear_down),
        cmocka_unit_test_teardown(delete_fails_message_is_visible_at_the_end_of_its_lease,
                                  tear_down),
        cmocka_unit_test_teardown(message_the_handler_cannot_take_is_released, tear_down),
        cmocka_unit_test_teardown(slow_handling_keeps_its_lease, tear_down),
        cmocka_unit_test_teardown(renewal_fails_a_dispatch_is_requested, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
