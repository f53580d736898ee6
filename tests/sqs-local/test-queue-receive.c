/* SPDX-License-Identifier: MIT */
/* What a receive of the queue model returns: receipt handles, visibility timeouts, attempt ids. */
#include "queue-fixture.h"

static void a_fifo_handle_ends_with_the_visibility(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue(NULL);
    char old[RECEIPT_HANDLE_SIZE];
    struct message *message = NULL;

    send_all(q, "g", "a");
    assert_string_equal(receive(q, 1), "a");
    memcpy(old, got[0].handle, sizeof(old));
    now += 30 * SEC;
    assert_int_equal(queue_delete(q, old, now, &message), QUEUE_E_HANDLE_EXPIRED);
    assert_int_equal(queue_change_visibility(q, old, 10, now), QUEUE_E_HANDLE_EXPIRED);
    assert_string_equal(receive(q, 1), "a");
    assert_string_not_equal(got[0].handle, old);
    assert_int_equal(queue_delete(q, old, now, &message), QUEUE_E_HANDLE_EXPIRED);
    delete_message(q, got[0].handle);
    /* Deleting a deleted message is no error, with either handle. */
    message = (struct message *)1;
    assert_int_equal(queue_delete(q, got[0].handle, now, &message), 0);
    assert_null(message);
    assert_int_equal(queue_delete(q, old, now, &message), 0);
    assert_int_equal(queue_change_visibility(q, old, 10, now), QUEUE_E_NOT_AVAILABLE);
}

static void a_handle_extended_in_time_stays_good(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue(NULL);

    send_all(q, "g", "a");
    assert_string_equal(receive(q, 1), "a");
    now += 29 * SEC;
    assert_int_equal(queue_change_visibility(q, got[0].handle, 30, now), 0);
    now += 29 * SEC;
    delete_message(q, got[0].handle);
}

static void a_standard_handle_outlives_the_visibility(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_standard_queue();
    char old[RECEIPT_HANDLE_SIZE];
    struct message *message = NULL;

    send_message(q, NULL, NULL, "a");
    send_message(q, NULL, NULL, "b");
    assert_string_equal(receive(q, 2), "ab");
    memcpy(old, got[1].handle, sizeof(old));
    now += 31 * SEC;
    delete_message(q, got[0].handle);
    assert_int_equal(queue_change_visibility(q, old, 10, now), 0);
    assert_string_equal(receive(q, 10), "b");
    /* The old handle is accepted, but the message is not deleted. */
    assert_int_equal(queue_delete(q, old, now, &message), 0);
    assert_null(message);
    now += 43200 * SEC;
    assert_int_equal(queue_delete(q, got[0].handle, now, &message), QUEUE_E_HANDLE_EXPIRED);
    assert_string_equal(receive(q, 10), "b");
}

static void standard_in_flight_again_older_handle_changes_visibility(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_standard_queue();
    char old[RECEIPT_HANDLE_SIZE];

    send_message(q, NULL, NULL, "a");
    assert_string_equal(receive(q, 1), "a");
    memcpy(old, got[0].handle, sizeof(old));
    now += 31 * SEC;
    assert_string_equal(receive(q, 1), "a");
    assert_int_equal(queue_change_visibility(q, old, 0, now), 0);
    assert_string_equal(receive(q, 1), "a");
    /* The limit counts from the newest receive. */
    assert_int_equal(queue_change_visibility(q, old, 43200, now), 0);
    assert_int_equal(queue_change_visibility(q, old, 43200, now + SEC), QUEUE_E_TOTAL_TOO_LONG);
}

static void fifo_in_flight_again_older_handle_is_expired(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue(NULL);
    char old[RECEIPT_HANDLE_SIZE];

    send_all(q, "g", "a");
    assert_string_equal(receive(q, 1), "a");
    memcpy(old, got[0].handle, sizeof(old));
    now += 30 * SEC;
    assert_string_equal(receive(q, 1), "a");
    assert_int_equal(queue_change_visibility(q, old, 0, now), QUEUE_E_HANDLE_EXPIRED);
    assert_string_equal(receive(q, 1), "");
}

static void visibility_is_limited_to_twelve_hours_in_all(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue(NULL);

    send_all(q, "g", "a");
    assert_string_equal(receive(q, 1), "a");
    assert_int_equal(queue_change_visibility(q, got[0].handle, 43200, now), 0);
    now += 10 * SEC;
    assert_int_equal(queue_change_visibility(q, got[0].handle, 43191, now), QUEUE_E_TOTAL_TOO_LONG);
    assert_int_equal(queue_change_visibility(q, got[0].handle, 43190, now), 0);
}

static void what_is_no_handle_is_told(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue(NULL);
    CLEANUP(queue_free) struct queue *other = make_standard_queue();
    struct message *message = NULL;
    char handle[RECEIPT_HANDLE_SIZE], forged[RECEIPT_HANDLE_SIZE];

    send_all(q, "g", "a");
    assert_string_equal(receive(q, 1), "a");
    memcpy(handle, got[0].handle, sizeof(handle));
    assert_int_equal(queue_delete(other, handle, now, &message), QUEUE_E_HANDLE_INVALID);
    assert_int_equal(queue_delete(q, "", now, &message), QUEUE_E_HANDLE_INVALID);
    assert_int_equal(queue_delete(q, "garbage", now, &message), QUEUE_E_HANDLE_INVALID);
    for (size_t i = 0; i < RECEIPT_HANDLE_SIZE - 1; i++) {
        memcpy(forged, handle, sizeof(forged));
        forged[i] = forged[i] == 'x' ? 'y' : 'x';
        assert_int_equal(queue_delete(q, forged, now, &message), QUEUE_E_HANDLE_INVALID);
    }
    receipt_handle_format(&(struct receipt){q->id, 2, 1}, forged);
    assert_int_equal(queue_delete(q, forged, now, &message), QUEUE_E_HANDLE_INVALID);
    receipt_handle_format(&(struct receipt){q->id, 1, 2}, forged);
    assert_int_equal(queue_change_visibility(q, forged, 1, now), QUEUE_E_HANDLE_INVALID);
    delete_message(q, handle);
}

static struct queue_receive attempt(const char *id)
{
    return (struct queue_receive){.max_messages = 10, .visibility_sec = -1, .attempt_id = id};
}

static void an_attempt_asked_again_brings_the_same(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue(NULL);
    char a[RECEIPT_HANDLE_SIZE], b[RECEIPT_HANDLE_SIZE];

    send_all(q, "g", "ab");
    assert_string_equal(receive_with(q, attempt("try")), "ab");
    memcpy(a, got[0].handle, sizeof(a));
    memcpy(b, got[1].handle, sizeof(b));
    send_all(q, "h", "x");
    now += 20 * SEC;
    assert_string_equal(receive_with(q, attempt("try")), "ab");
    assert_string_equal(got[0].handle, a);
    assert_string_equal(got[1].handle, b);
    assert_int_equal(got[0].message->receive_count, 1);
    /* The second receive started the visibility timeout again. */
    now += 29 * SEC;
    assert_string_equal(receive_with(q, attempt("another")), "x");
    delete_message(q, a);
}

static void an_attempt_is_void_once_a_message_was_deleted_or_changed(void **state)
{
    struct queue_receive again = attempt("try");
    size_t n;

    for (int i = 0; i < 2; i++) {
        CLEANUP(queue_free) struct queue *q = make_queue(NULL);

        send_all(q, "g", "ab");
        assert_string_equal(receive_with(q, again), "ab");
        if (i == 0)
            delete_message(q, got[1].handle);
        else
            assert_int_equal(queue_change_visibility(q, got[1].handle, 10, now), 0);
        assert_int_equal(queue_receive(q, NULL, &again, now, got, &n), QUEUE_E_ATTEMPT_VOID);
        now += 300 * SEC;
        assert_string_equal(receive_with(q, again), i == 0 ? "a" : "ab");
    }
}

static void an_attempt_whose_messages_came_back_is_a_new_receive(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue(NULL);
    char old[RECEIPT_HANDLE_SIZE];

    assert_string_equal(receive_with(q, attempt("try")), "");
    send_all(q, "g", "a");
    assert_string_equal(receive_with(q, attempt("try")), "a");
    memcpy(old, got[0].handle, sizeof(old));
    now += 31 * SEC;
    assert_string_equal(receive_with(q, attempt("try")), "a");
    assert_string_not_equal(got[0].handle, old);
    assert_int_equal(got[0].message->receive_count, 2);
    assert_string_equal(receive_with(q, attempt("try")), "a");
    now += 31 * SEC;
    assert_string_equal(receive_with(q, attempt("other")), "a");
    assert_string_equal(receive_with(q, attempt("try")), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fifo_handle_ends_with_the_visibility),
        cmocka_unit_test(a_handle_extended_in_time_stays_good),
        cmocka_unit_test(a_standard_handle_outlives_the_visibility),
        cmocka_unit_test(standard_in_flight_again_older_handle_changes_visibility),
        cmocka_unit_test(fifo_in_flight_again_older_handle_is_expired),
        cmocka_unit_test(visibility_is_limited_to_twelve_hours_in_all),
        cmocka_unit_test(what_is_no_handle_is_told),
        cmocka_unit_test(an_attempt_asked_again_brings_the_same),
        cmocka_unit_test(an_attempt_is_void_once_a_message_was_deleted_or_changed),
        cmocka_unit_test(an_attempt_whose_messages_came_back_is_a_new_receive),
    };

    return cmocka_run_group_tests_name("sqs-local-model-queue-receive", tests, NULL, NULL);
}
