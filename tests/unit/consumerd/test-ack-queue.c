/* SPDX-License-Identifier: MIT */
#include "consumerd/ack-queue.h"
#include "consumerd/lane.h"
#include "fake-consumer.h"
#include "test.h"

#include <stdio.h>

#define SEC USEC_PER_SEC
#define MSEC USEC_PER_MSEC
#define OK_1 "{\"Successful\":[{\"Id\":\"0\"}]}"
#define OK_2 "{\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"1\"}]}"

static struct ack_queue *ack_queue;
static struct consumer_lanes *lanes;
static struct message *m[10];
static enum ack_outcome outcomes[10];
static size_t n_settled;
static char order[64]; /* the messages settled, by number */

static void on_settled(void *userdata, struct message *message, enum ack_outcome what,
                       const struct ack_result *result)
{
    size_t i = 0;

    while (m[i] != message)
        i++;
    outcomes[i] = what;
    snprintf(order + strlen(order), sizeof(order) - strlen(order), "%zu", i);
    n_settled++;
    consumer_lanes_remove(lanes, message);
}

/* Messages with a lease until T0 + 30 s, handled. */
static void set_up(const char *groups, enum ack_kind kind, uint64_t linger_usec)
{
    fake_reset();
    n_settled = 0;
    order[0] = '\0';
    memset(outcomes, 0xff, sizeof(outcomes));
    assert_int_equal(consumer_lanes_new(true, &lanes), 0);
    assert_int_equal(ack_queue_new(NULL, &(struct ack_queue_options){kind, linger_usec}, on_settled,
                                   NULL, &ack_queue),
                     0);
    fake_messages(groups, "h", fake_now_usec, m);
    for (size_t i = 0; groups[i]; i++) {
        m[i]->lease.end_usec = fake_now_usec + 30 * SEC;
        assert_int_equal(consumer_lanes_add(lanes, m[i]), 0);
    }
}

static int tear_down(void **state)
{
    ack_queue = ack_queue_free(ack_queue);
    for (size_t i = 0; i < 10; i++) {
        if (m[i]) {
            consumer_lanes_remove(lanes, m[i]);
            assert_int_equal(m[i]->references, 1);
        }
        m[i] = message_unref(m[i]);
    }
    lanes = consumer_lanes_free(lanes);
    fake_reset();
    return 0;
}

static void add(size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        ack_queue_add(ack_queue, m[i], 0, fake_now_usec);
}

static void dispatch(void)
{
    assert_int_equal(ack_queue_dispatch(ack_queue), 0);
}

static void entries_without_a_linger_share_a_request_when_ready_at_once(void **state)
{
    set_up("abcd", ACK_DELETE, 0);
    add(0, 3);
    dispatch();
    assert_int_equal(fake_n_calls, 1);
    assert_int_equal(fake_calls[0].request->operation, SQS_DELETE_MESSAGE_BATCH);
    assert_int_equal(fake_calls[0].request->n_entries, 3);
    /* One that comes later waits for none. */
    add(3, 4);
    dispatch();
    assert_int_equal(fake_n_calls, 2);
    assert_int_equal(fake_calls[1].request->operation, SQS_DELETE_MESSAGE);
    assert_string_equal(fake_request(1), "{\"QueueUrl\":\"q\",\"ReceiptHandle\":\"h3\"}");
    assert_int_equal(ack_queue_next_usec(ack_queue), USEC_INFINITY);
    assert_int_equal(ack_queue_count(ack_queue), 4);
    fake_answer(1, "");
    fake_answer(0, "{\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"1\"},{\"Id\":\"2\"}]}");
    assert_int_equal(n_settled, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(outcomes[i], ACK_OK);
    assert_int_equal(ack_queue_count(ack_queue), 0);
}

static void delete_waits_for_others_no_longer_than_its_linger(void **state)
{
    set_up("abc", ACK_DELETE, 20 * MSEC);
    add(0, 1);
    dispatch();
    assert_int_equal(fake_n_calls, 0);
    assert_int_equal(ack_queue_next_usec(ack_queue), fake_now_usec + 20 * MSEC);
    fake_now_usec += 10 * MSEC;
    add(1, 3);
    dispatch();
    assert_int_equal(fake_n_calls, 0);
    fake_now_usec += 10 * MSEC;
    dispatch();
    assert_int_equal(fake_n_calls, 1);
    assert_string_equal(fake_request(0), "{\"QueueUrl\":\"q\",\"Entries\":["
                                         "{\"Id\":\"0\",\"ReceiptHandle\":\"h0\"},"
                                         "{\"Id\":\"1\",\"ReceiptHandle\":\"h1\"},"
                                         "{\"Id\":\"2\",\"ReceiptHandle\":\"h2\"}]}");
}

static void ten_messages_are_sent_without_linger(void **state)
{
    set_up("abcdefghij", ACK_DELETE, SEC);
    add(0, 9);
    dispatch();
    assert_int_equal(fake_n_calls, 0);
    add(9, 10);
    dispatch();
    assert_int_equal(fake_n_calls, 1);
    assert_int_equal(fake_calls[0].request->n_entries, 10);
}

static void deletes_of_a_lane_go_in_order(void **state)
{
    set_up("aab", ACK_DELETE, 0);
    add(0, 1);
    dispatch();
    add(1, 3);
    dispatch();
    assert_int_equal(fake_n_calls, 2);
    assert_non_null(strstr(fake_request(0), "h0"));
    assert_non_null(strstr(fake_request(1), "h2"));
    assert_null(strstr(fake_request(1), "h1"));
    assert_int_equal(ack_queue_next_usec(ack_queue), USEC_INFINITY);
    dispatch();
    assert_int_equal(fake_n_calls, 2);
    fake_answer(0, "{}");
    dispatch();
    assert_int_equal(fake_n_calls, 3);
    assert_non_null(strstr(fake_request(2), "h1"));
}

static void lane_shares_a_batch_but_not_two(void **state)
{
    set_up("aaab", ACK_DELETE, 10 * MSEC);
    add(0, 2);
    fake_now_usec += 10 * MSEC;
    dispatch();
    assert_int_equal(fake_n_calls, 1);
    assert_int_equal(fake_calls[0].request->n_entries, 2);
    add(2, 4);
    fake_now_usec += 10 * MSEC;
    dispatch();
    assert_int_equal(fake_n_calls, 2);
    assert_non_null(strstr(fake_request(1), "\"ReceiptHandle\":\"h3\""));
    /* The first fails: the third waits for it still. */
    fake_answer(0, "{\"Failed\":[{\"Id\":\"0\",\"Code\":\"InternalError\"}],"
                   "\"Successful\":[{\"Id\":\"1\"}]}");
    assert_string_equal(order, "1");
    dispatch();
    assert_int_equal(fake_n_calls, 2);
    fake_now_usec += SEC;
    dispatch();
    assert_int_equal(fake_n_calls, 3);
    assert_int_equal(fake_calls[2].request->n_entries, 0);
    assert_non_null(strstr(fake_request(2), "h0"));
    fake_answer(2, "{}");
    dispatch();
    assert_non_null(strstr(fake_request(3), "h2"));
}

static void entry_that_failed_is_tried_again_later_and_later(void **state)
{
    uint64_t waited[3];

    set_up("ab", ACK_DELETE, 1);
    add(0, 2);
    for (size_t i = 0; i < 3; i++) {
        uint64_t now = fake_now_usec;

        fake_now_usec += 1;
        dispatch();
        assert_int_equal(fake_n_calls, i + 1);
        if (i == 0)
            fake_answer(0, "{\"Failed\":[{\"Id\":\"1\",\"Code\":\"Weird\",\"SenderFault\":false}],"
                           "\"Successful\":[{\"Id\":\"0\"}]}");
        else
            fake_fail(i, AWS_ERROR_TRANSIENT, "InternalError", "");
        assert_int_equal(n_settled, 1);
        dispatch();
        assert_int_equal(fake_n_calls, i + 1);
        waited[i] = ack_queue_next_usec(ack_queue) - now;
        fake_now_usec = ack_queue_next_usec(ack_queue);
    }
    assert_in_range(waited[0], 1, 51 * MSEC);
    assert_in_range(waited[1], waited[0] + 1, 101 * MSEC);
    assert_in_range(waited[2], waited[1] + 1, 201 * MSEC);
    dispatch();
    fake_answer(3, "{}");
    assert_string_equal(order, "01");
}

static void throttling_waits_longer(void **state)
{
    set_up("a", ACK_CHANGE_VISIBILITY, 0);
    add(0, 1);
    dispatch();
    fake_answer(0, "{\"Failed\":[{\"Id\":\"0\",\"Code\":\"RequestThrottled\","
                   "\"SenderFault\":true}]}");
    dispatch();
    assert_in_range(ack_queue_next_usec(ack_queue), fake_now_usec + 900 * MSEC,
                    fake_now_usec + SEC);
}

static void receipt_handle_expired_ends_the_message(void **state)
{
    static const struct {
        const char *json;
        enum ack_outcome wanted;
    } cases[] = {
        {"\"Code\":\"ReceiptHandleIsInvalid\",\"SenderFault\":true", ACK_LEASE_LOST},
        {"\"Code\":\"AWS.SimpleQueueService.MessageNotInflight\"", ACK_LEASE_LOST},
        {"\"Code\":\"InvalidParameterValue\",\"Message\":\"Value x for parameter ReceiptHandle is "
         "invalid. Reason: The receipt handle has expired.\",\"SenderFault\":true",
         ACK_LEASE_LOST},
        {"\"Code\":\"InvalidParameterValue\",\"Message\":\"x\",\"SenderFault\":true", ACK_REFUSED},
        {"\"Code\":\"New\",\"SenderFault\":true", ACK_REFUSED},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char json[512];

        set_up("a", ACK_CHANGE_VISIBILITY, 0);
        add(0, 1);
        dispatch();
        snprintf(json, sizeof(json), "{\"Failed\":[{\"Id\":\"0\",%s}]}", cases[i].json);
        fake_answer(0, json);
        assert_int_equal(n_settled, 1);
        assert_int_equal(outcomes[0], cases[i].wanted);
        tear_down(NULL);
    }

    set_up("ab", ACK_DELETE, 0);
    for (size_t i = 0; i < 2; i++) {
        add(i, i + 1);
        dispatch();
    }
    fake_fail(0, AWS_ERROR_PERMANENT, "InvalidParameterValueException",
              "Value x for parameter ReceiptHandle is invalid. Reason: The receipt handle has "
              "expired.");
    fake_fail(1, AWS_ERROR_PERMANENT, "UnsupportedOperation", "");
    assert_int_equal(outcomes[0], ACK_LEASE_LOST);
    assert_int_equal(outcomes[1], ACK_REFUSED);
}

static void entry_whose_lease_has_ended_is_not_sent(void **state)
{
    set_up("abc", ACK_DELETE, SEC);
    add(0, 3);
    m[1]->lease.end_usec = fake_now_usec + SEC;
    fake_now_usec += SEC;
    dispatch();
    assert_int_equal(n_settled, 1);
    assert_int_equal(outcomes[1], ACK_LEASE_LOST);
    assert_int_equal(fake_n_calls, 1);
    assert_null(strstr(fake_request(0), "h1"));
    assert_int_equal(ack_queue_count(ack_queue), 2);
}

static void repeated_attempt_leaves_out_ended_leases(void **state)
{
    set_up("abc", ACK_DELETE, 1);
    add(0, 3);
    fake_now_usec += 1;
    dispatch();
    m[0]->lease.end_usec = fake_now_usec + SEC;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
    assert_int_equal(fake_calls[0].request->n_entries, 3);
    fake_now_usec += SEC;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
    assert_int_equal(outcomes[0], ACK_LEASE_LOST);
    assert_string_equal(fake_request(0), "{\"QueueUrl\":\"q\",\"Entries\":["
                                         "{\"Id\":\"0\",\"ReceiptHandle\":\"h1\"},"
                                         "{\"Id\":\"1\",\"ReceiptHandle\":\"h2\"}]}");
    fake_answer(0, "{\"Successful\":[{\"Id\":\"1\"}],"
                   "\"Failed\":[{\"Id\":\"0\",\"Code\":\"ReceiptHandleIsInvalid\"}]}");
    assert_int_equal(outcomes[1], ACK_LEASE_LOST);
    assert_int_equal(outcomes[2], ACK_OK);
}

static void repeated_attempt_ends_when_all_leases_have(void **state)
{
    set_up("ab", ACK_DELETE, 1);
    add(0, 2);
    fake_now_usec += 1;
    dispatch();
    fake_now_usec += 60 * SEC;
    assert_false(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
    assert_string_equal(order, "01");
    assert_int_equal(outcomes[0], ACK_LEASE_LOST);
    assert_int_equal(ack_queue_count(ack_queue), 0);
}

static void first_attempt_that_had_to_wait_leaves_out_ended_leases(void **state)
{
    set_up("ab", ACK_DELETE, 0);
    add(0, 2);
    dispatch();
    m[0]->lease.end_usec = fake_now_usec + SEC;
    fake_now_usec += SEC;
    assert_true(fake_first_attempt(0));
    assert_int_equal(n_settled, 1);
    assert_int_equal(outcomes[0], ACK_LEASE_LOST);
    assert_null(strstr(fake_request(0), "h0"));
    fake_answer(0, OK_1);
    assert_int_equal(outcomes[1], ACK_OK);
}

static void message_is_removed_unless_its_request_is_under_way(void **state)
{
    set_up("ab", ACK_DELETE, 0);
    add(0, 2);
    assert_true(ack_queue_remove(ack_queue, m[0]));
    dispatch();
    assert_int_equal(fake_n_calls, 1);
    assert_false(ack_queue_remove(ack_queue, m[1]));
    fake_fail(0, AWS_ERROR_TRANSIENT, "", "");
    assert_string_equal(order, "1");
    assert_int_equal(outcomes[1], ACK_LEASE_LOST);
    assert_int_equal(ack_queue_count(ack_queue), 0);
}

static void number_of_requests_is_bounded(void **state)
{
    struct message *many[SQS_BATCH_MAX * (ACK_QUEUE_REQUESTS_MAX + 6)] = {NULL};

    set_up("", ACK_CHANGE_VISIBILITY, 0);
    for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
        fake_messages("a", "h", fake_now_usec, &many[i]);
        many[i]->lease.end_usec = USEC_INFINITY;
        ack_queue_add(ack_queue, many[i], 7, fake_now_usec);
    }
    dispatch();
    assert_int_equal(fake_n_calls, ACK_QUEUE_REQUESTS_MAX);
    assert_non_null(strstr(fake_request(0), "\"VisibilityTimeout\":7"));
    memcpy(m, many, SQS_BATCH_MAX * sizeof(m[0]));
    fake_answer(0, "{}");
    fake_now_usec += SEC;
    dispatch();
    assert_int_equal(fake_n_calls, ACK_QUEUE_REQUESTS_MAX + 1);
    ack_queue = ack_queue_free(ack_queue);
    for (size_t i = SQS_BATCH_MAX; i < ARRAY_SIZE(many); i++)
        message_unref(many[i]);
}

static void request_that_cannot_be_sent_is_sent_later(void **state)
{
    set_up("ab", ACK_CHANGE_VISIBILITY, 0);
    add(0, 2);
    fake_call_error = -ENOMEM;
    assert_int_equal(ack_queue_dispatch(ack_queue), -ENOMEM);
    assert_int_equal(ack_queue_next_usec(ack_queue), fake_now_usec + SEC);
    fake_call_error = 0;
    dispatch();
    fake_answer(0, OK_2);
    assert_string_equal(order, "01");
}

/* A delete has no such time otherwise, for its lease is extended meanwhile. */
static void during_a_stop_several_attempts_have_their_time_before_its_end(void **state)
{
    static const enum ack_kind kinds[] = {ACK_DELETE, ACK_CHANGE_VISIBILITY};

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        set_up("ab", kinds[i], 0);
        add(0, 1);
        dispatch();
        assert_int_equal(fake_calls[0].timeout_usec,
                         kinds[i] == ACK_DELETE ? USEC_INFINITY : 30 * SEC / 4);
        ack_queue_stop(ack_queue, fake_now_usec + 3 * SEC);
        add(1, 2);
        dispatch();
        assert_int_equal(fake_calls[1].timeout_usec, 3 * SEC / 4);
        fake_now_usec += 1 * SEC;
        assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
        assert_true(fake_retry(1, AWS_ERROR_TRANSIENT, "NetworkFailure"));
        assert_int_equal(fake_calls[0].timeout_usec, 1 * SEC);
        assert_int_equal(fake_calls[1].timeout_usec, 1 * SEC);
        tear_down(state);
    }
}

static void during_a_stop_nothing_waits_for_others(void **state)
{
    set_up("abc", ACK_DELETE, 5 * SEC);
    add(0, 1);
    dispatch();
    assert_int_equal(fake_n_calls, 0);
    ack_queue_stop(ack_queue, fake_now_usec + 3 * SEC);
    dispatch();
    assert_int_equal(fake_n_calls, 1);
    add(1, 2);
    dispatch();
    assert_int_equal(fake_n_calls, 2);
}

static void release_waits_for_its_renewal(void **state)
{
    set_up("ab", ACK_CHANGE_VISIBILITY, 0);
    m[0]->lease.is_renewing = true;
    add(0, 2);
    dispatch();
    assert_int_equal(fake_n_calls, 1);
    assert_non_null(strstr(fake_request(0), "\"h1\""));
    assert_null(strstr(fake_request(0), "\"h0\""));
    m[0]->lease.is_renewing = false;
    dispatch();
    assert_int_equal(fake_n_calls, 2);
    assert_non_null(strstr(fake_request(1), "\"h0\""));
}

static void release_near_the_end_of_a_stop_does_not_wait(void **state)
{
    set_up("a", ACK_CHANGE_VISIBILITY, 0);
    m[0]->lease.is_renewing = true;
    ack_queue_stop(ack_queue, fake_now_usec + 20 * SEC);
    add(0, 1);
    dispatch();
    assert_int_equal(fake_n_calls, 0);
    assert_int_equal(ack_queue_next_usec(ack_queue), fake_now_usec + 18 * SEC);
    fake_now_usec += 18 * SEC;
    dispatch();
    assert_int_equal(fake_n_calls, 1);
    assert_int_equal(ack_queue_next_usec(ack_queue), USEC_INFINITY);
}

static void delete_does_not_wait_for_a_renewal(void **state)
{
    set_up("a", ACK_DELETE, 0);
    m[0]->lease.is_renewing = true;
    add(0, 1);
    dispatch();
    assert_int_equal(fake_n_calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(entries_without_a_linger_share_a_request_when_ready_at_once,
                                  tear_down),
        cmocka_unit_test_teardown(delete_waits_for_others_no_longer_than_its_linger, tear_down),
        cmocka_unit_test_teardown(ten_messages_are_sent_without_linger, tear_down),
        cmocka_unit_test_teardown(deletes_of_a_lane_go_in_order, tear_down),
        cmocka_unit_test_teardown(lane_shares_a_batch_but_not_two, tear_down),
        cmocka_unit_test_teardown(entry_that_failed_is_tried_again_later_and_later, tear_down),
        cmocka_unit_test_teardown(throttling_waits_longer, tear_down),
        cmocka_unit_test_teardown(receipt_handle_expired_ends_the_message, tear_down),
        cmocka_unit_test_teardown(entry_whose_lease_has_ended_is_not_sent, tear_down),
        cmocka_unit_test_teardown(repeated_attempt_leaves_out_ended_leases, tear_down),
        cmocka_unit_test_teardown(repeated_attempt_ends_when_all_leases_have, tear_down),
        cmocka_unit_test_teardown(first_attempt_that_had_to_wait_leaves_out_ended_leases,
                                  tear_down),
        cmocka_unit_test_teardown(message_is_removed_unless_its_request_is_under_way, tear_down),
        cmocka_unit_test_teardown(number_of_requests_is_bounded, tear_down),
        cmocka_unit_test_teardown(request_that_cannot_be_sent_is_sent_later, tear_down),
        cmocka_unit_test(during_a_stop_several_attempts_have_their_time_before_its_end),
        cmocka_unit_test_teardown(during_a_stop_nothing_waits_for_others, tear_down),
        cmocka_unit_test_teardown(release_waits_for_its_renewal, tear_down),
        cmocka_unit_test_teardown(release_near_the_end_of_a_stop_does_not_wait, tear_down),
        cmocka_unit_test_teardown(delete_does_not_wait_for_a_renewal, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
