/* SPDX-License-Identifier: MIT */
#include "consumerd/attempt-timeout.h"
#include "consumerd/lease-renewer.h"
#include "fake-consumer.h"
#include "test.h"

#define SEC USEC_PER_SEC
#define T0 (1000 * SEC)

static struct leases leases;
static struct lease_renewer *lease_renewer;
static struct message *m[3], *lost[3];
static size_t n_lost;

static void on_lost(void *userdata, struct message *message, const struct ack_result *result)
{
    lost[n_lost++] = message;
}

static int set_up(void **state)
{
    fake_reset();
    n_lost = 0;
    leases_init(&leases, 30 * SEC);
    assert_int_equal(lease_renewer_new(NULL, &leases, on_lost, NULL, NULL, &lease_renewer), 0);
    fake_messages("aab", "h", T0, m);
    for (size_t i = 0; i < 3; i++) {
        m[i]->state = MESSAGE_QUEUED;
        lease_begin(&leases, m[i], T0);
    }
    fake_now_usec = T0 + 15 * SEC;
    return 0;
}

static int tear_down(void **state)
{
    lease_renewer = lease_renewer_free(lease_renewer);
    for (size_t i = 0; i < 3; i++) {
        lease_stop_renewal(&leases, m[i]);
        assert_int_equal(m[i]->references, 1);
        m[i] = message_unref(m[i]);
    }
    fake_reset();
    return 0;
}

static void dispatch(void)
{
    assert_int_equal(lease_renewer_dispatch(lease_renewer), 0);
}

static void leases_of_a_group_are_all_renewed_the_earliest_first(void **state)
{
    fake_now_usec = T0 + 15 * SEC - 1;
    dispatch();
    assert_int_equal(fake_n_calls, 0);
    fake_now_usec++;
    dispatch();
    dispatch();
    assert_int_equal(fake_n_calls, 1);
    assert_string_equal(fake_request(0),
                        "{\"QueueUrl\":\"q\",\"Entries\":["
                        "{\"Id\":\"0\",\"ReceiptHandle\":\"h0\",\"VisibilityTimeout\":30},"
                        "{\"Id\":\"1\",\"ReceiptHandle\":\"h1\",\"VisibilityTimeout\":30},"
                        "{\"Id\":\"2\",\"ReceiptHandle\":\"h2\",\"VisibilityTimeout\":30}]}");
    fake_now_usec += SEC;
    fake_answer(0, "{\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"1\"},{\"Id\":\"2\"}]}");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(m[i]->lease.end_usec, T0 + 45 * SEC);
    assert_int_equal(n_lost, 0);
}

static void receipt_handle_lost_is_reported_and_the_lease_is_over(void **state)
{
    dispatch();
    fake_answer(0, "{\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"2\"}],"
                   "\"Failed\":[{\"Id\":\"1\",\"Code\":\"ReceiptHandleIsInvalid\"}]}");
    assert_int_equal(n_lost, 1);
    assert_ptr_equal(lost[0], m[1]);
    assert_false(lease_holds(m[1], fake_now_usec));
}

static void renewal_lost_during_a_delete_is_not_reported(void **state)
{
    dispatch();
    m[1]->state = MESSAGE_ACKNOWLEDGING;
    m[1]->ack.is_sent = true;
    m[2]->state = MESSAGE_RELEASING;
    lease_stop_renewal(&leases, m[2]);
    fake_answer(0, "{\"Failed\":[{\"Id\":\"1\",\"Code\":\"ReceiptHandleIsInvalid\"},"
                   "{\"Id\":\"2\",\"Code\":\"ReceiptHandleIsInvalid\"}],"
                   "\"Successful\":[{\"Id\":\"0\"}]}");
    assert_int_equal(n_lost, 0);
    /* Its own lease goes on to its end, and is not asked for again. */
    assert_ptr_equal(leases_take_ended(&leases, T0 + 30 * SEC), m[1]);
}

static void failed_entry_is_tried_again_before_the_end(void **state)
{
    dispatch();
    fake_answer(0, "{\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"2\"}],"
                   "\"Failed\":[{\"Id\":\"1\",\"Code\":\"InternalError\"}]}");
    assert_in_range(leases_next_usec(&leases), fake_now_usec + 1, T0 + 20 * SEC);
    fake_now_usec = leases_next_usec(&leases);
    dispatch();
    assert_int_equal(fake_n_calls, 2);
    assert_non_null(strstr(fake_request(1), "h1"));
}

static void shortly_before_the_end_it_is_tried_again_after_a_tenth_of_a_second(void **state)
{
    fake_now_usec = T0 + 30 * SEC - SEC / 5;
    dispatch();
    fake_answer(0, "{\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"2\"}],"
                   "\"Failed\":[{\"Id\":\"1\",\"Code\":\"InternalError\"}]}");
    assert_int_equal(leases_next_usec(&leases), fake_now_usec + SEC / 10);
}

static void renewal_refused_lease_runs_out(void **state)
{
    dispatch();
    fake_fail(0, AWS_ERROR_PERMANENT, "InvalidParameterValueException",
              "Total VisibilityTimeout for the message is beyond the limit [43200 seconds].");
    assert_int_equal(n_lost, 0);
    assert_int_equal(leases_next_usec(&leases), T0 + 30 * SEC);
    fake_now_usec = T0 + 29 * SEC;
    dispatch();
    assert_int_equal(fake_n_calls, 1);
}

static void attempt_repeated_leaves_out_ended_messages(void **state)
{
    dispatch();
    m[0]->state = MESSAGE_RELEASING;
    lease_stop_renewal(&leases, m[0]);
    m[1]->state = MESSAGE_RELEASED;
    lease_stop_renewal(&leases, m[1]);
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
    assert_string_equal(fake_request(0),
                        "{\"QueueUrl\":\"q\",\"Entries\":["
                        "{\"Id\":\"0\",\"ReceiptHandle\":\"h2\",\"VisibilityTimeout\":30}]}");
    assert_int_equal(n_lost, 0);
    fake_now_usec = T0 + 30 * SEC;
    assert_false(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
    assert_int_equal(n_lost, 1);
    assert_ptr_equal(lost[0], m[2]);
}

static void renewal_counts_from_the_attempt_that_succeeded(void **state)
{
    dispatch();
    fake_now_usec += 3 * SEC;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
    fake_now_usec += SEC;
    fake_answer(0, "{\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"1\"},{\"Id\":\"2\"}]}");
    assert_int_equal(m[0]->lease.end_usec, T0 + 48 * SEC);
}

/* Fifteen seconds are left: were they all for one that stalls, the lease would be lost with it. */
static void attempts_share_the_time_of_the_lease(void **state)
{
    dispatch();
    assert_int_equal(fake_calls[0].timeout_usec, 15 * SEC / 4);
    fake_now_usec += fake_calls[0].timeout_usec;
    for (int i = 0; i < 3; i++) {
        assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
        assert_int_equal(fake_calls[0].timeout_usec, (T0 + 30 * SEC - fake_now_usec) / 2);
        fake_now_usec += fake_calls[0].timeout_usec;
    }
    fake_answer(0, "{\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"1\"},{\"Id\":\"2\"}]}");
    assert_int_equal(n_lost, 0);
    assert_true(lease_holds(m[0], T0 + 45 * SEC));
}

static void lease_that_ends_first_bounds_the_attempts_of_all(void **state)
{
    lease_stop_renewal(&leases, m[1]);
    m[1]->received_usec = T0 - 2 * SEC;
    lease_begin(&leases, m[1], T0);
    dispatch();
    assert_int_equal(fake_calls[0].request->n_entries, 3);
    assert_int_equal(fake_calls[0].timeout_usec, 13 * SEC / 4);
    /* However little is left, it is time enough for a request that is quick. */
    fake_now_usec = T0 + 28 * SEC - 1;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    assert_int_equal(fake_calls[0].timeout_usec, ATTEMPT_TIMEOUT_MIN_USEC);
}

static void request_that_cannot_be_sent_is_sent_later(void **state)
{
    fake_call_error = -ENOMEM;
    assert_int_equal(lease_renewer_dispatch(lease_renewer), -ENOMEM);
    fake_call_error = 0;
    assert_int_equal(leases_next_usec(&leases), fake_now_usec + SEC);
    fake_now_usec += SEC;
    dispatch();
    assert_int_equal(fake_n_calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(leases_of_a_group_are_all_renewed_the_earliest_first,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(receipt_handle_lost_is_reported_and_the_lease_is_over,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(renewal_lost_during_a_delete_is_not_reported, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(failed_entry_is_tried_again_before_the_end, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            shortly_before_the_end_it_is_tried_again_after_a_tenth_of_a_second, set_up, tear_down),
        cmocka_unit_test_setup_teardown(renewal_refused_lease_runs_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(attempt_repeated_leaves_out_ended_messages, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(renewal_counts_from_the_attempt_that_succeeded, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(attempts_share_the_time_of_the_lease, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lease_that_ends_first_bounds_the_attempts_of_all, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(request_that_cannot_be_sent_is_sent_later, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
