/* SPDX-License-Identifier: MIT */
/* The queue model: order of messages, deduplication, delays, retention and limits. */
#include "queue-fixture.h"

static void a_group_comes_in_order_and_is_blocked_while_in_flight(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue(NULL);
    char a[RECEIPT_HANDLE_SIZE], b[RECEIPT_HANDLE_SIZE];

    send_all(q, "g", "abcd");
    assert_string_equal(receive(q, 2), "ab");
    memcpy(a, got[0].handle, sizeof(a));
    memcpy(b, got[1].handle, sizeof(b));
    assert_string_equal(receive(q, 10), "");
    delete_message(q, a);
    assert_string_equal(receive(q, 10), "");
    delete_message(q, b);
    assert_string_equal(receive(q, 10), "cd");
}

static void other_groups_go_on(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue(NULL);

    send_all(q, "g", "ab");
    send_all(q, "h", "xy");
    assert_string_equal(receive(q, 1), "a");
    assert_string_equal(receive(q, 10), "xy");
    send_all(q, "i", "p");
    assert_string_equal(receive(q, 10), "p");
}

static void one_receive_spans_groups(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue(NULL);

    send_message(q, "g", "1", "a");
    send_message(q, "h", "2", "x");
    send_message(q, "g", "3", "b");
    assert_string_equal(receive(q, 10), "abx");
}

static void expired_messages_return_in_their_place(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue(NULL);

    send_all(q, "g", "abc");
    assert_string_equal(receive(q, 2), "ab");
    now += 30 * SEC - 1;
    assert_string_equal(receive(q, 10), "");
    now += 1;
    assert_string_equal(receive(q, 10), "abc");
    assert_int_equal(got[0].message->receive_count, 2);
    assert_int_equal(got[2].message->receive_count, 1);
}

static void visibility_zero_returns_a_message_at_once(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue(NULL);

    send_all(q, "g", "ab");
    assert_string_equal(receive(q, 1), "a");
    assert_int_equal(queue_change_visibility(q, got[0].handle, 0, now), 0);
    assert_string_equal(receive(q, 10), "ab");
}

static void a_message_extended_holds_back_itself_and_all_behind(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue(NULL);

    send_all(q, "g", "abcd");
    assert_string_equal(receive(q, 3), "abc");
    assert_int_equal(queue_change_visibility(q, got[1].handle, 100, now), 0);
    now += 30 * SEC;
    assert_string_equal(receive(q, 10), "a");
    delete_message(q, got[0].handle);
    assert_string_equal(receive(q, 10), "");
    now += 70 * SEC;
    assert_string_equal(receive(q, 10), "bcd");
}

static void extending_the_earliest_holds_the_rest(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue(NULL);

    send_all(q, "g", "abc");
    assert_string_equal(receive(q, 3), "abc");
    assert_int_equal(queue_change_visibility(q, got[0].handle, 100, now), 0);
    now += 99 * SEC;
    assert_string_equal(receive(q, 10), "");
    now += 1 * SEC;
    assert_string_equal(receive(q, 10), "abc");
}

static void a_deduplication_id_counts_for_five_minutes_even_after_deletion(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue(NULL);
    struct queue_sent first = send_message(q, "g", "id", "a"), again;

    assert_false(first.is_duplicate);
    assert_string_equal(receive(q, 1), "a");
    delete_message(q, got[0].handle);
    now += 300 * SEC - 1;
    again = send_message(q, "other", "id", "b");
    assert_true(again.is_duplicate);
    assert_string_equal(again.message_id, first.message_id);
    assert_string_equal(again.sequence_number, first.sequence_number);
    assert_string_equal(receive(q, 10), "");
    now += 1;
    again = send_message(q, "g", "id", "c");
    assert_false(again.is_duplicate);
    assert_string_equal(receive(q, 10), "c");
}

static void deduplication_by_group_lets_other_groups_use_the_id(void **state)
{
    CLEANUP(queue_free)
    struct queue *q = make_queue((const char *[]){"DeduplicationScope", "messageGroup", NULL});

    assert_false(send_message(q, "g", "id", "a").is_duplicate);
    assert_false(send_message(q, "h", "id", "b").is_duplicate);
    assert_true(send_message(q, "g", "id", "c").is_duplicate);
}

static void content_is_the_id_where_the_queue_says_so(void **state)
{
    CLEANUP(queue_free)
    struct queue *q = make_queue((const char *[]){"ContentBasedDeduplication", "true", NULL});

    assert_false(send_message(q, "g", NULL, "hello world").is_duplicate);
    assert_true(send_message(q, "h", NULL, "hello world").is_duplicate);
    assert_false(send_message(q, "h", "explicit", "hello world").is_duplicate);
    assert_string_equal(receive(q, 1), "h");
    assert_string_equal(got[0].message->deduplication_id,
                        "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9");
}

static void sequence_numbers_have_twenty_digits_and_rise(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue(NULL);
    struct queue_sent a = send_message(q, "g", "1", "a"), b = send_message(q, "h", "2", "b");

    assert_int_equal(strlen(a.sequence_number), 20);
    assert_true(strcmp(a.sequence_number, b.sequence_number) < 0);
    /* The number does not fit 64 bits, so a client must keep it as text. */
    assert_true(strcmp(a.sequence_number, "18446744073709551615") > 0);
}

static void a_delayed_queue_holds_messages_back(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue((const char *[]){"DelaySeconds", "5", NULL});
    struct queue_counts counts;

    send_all(q, "g", "a");
    now += 2 * SEC;
    send_all(q, "g", "b");
    queue_count(q, now, &counts);
    assert_int_equal(counts.delayed, 2);
    assert_int_equal(queue_next_usec(q), now + 3 * SEC);
    assert_false(queue_is_receivable(q, now));
    now += 3 * SEC;
    assert_true(queue_is_receivable(q, now));
    assert_string_equal(receive(q, 10), "a");
    now += 2 * SEC;
    assert_string_equal(receive(q, 10), "");
    now += 28 * SEC;
    assert_string_equal(receive(q, 10), "ab");
}

static void a_standard_message_may_have_its_own_delay(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_standard_queue();
    struct message_parts parts = {.message_id = "m", .body = "d", .body_bytes = 1};
    struct queue_sent sent;

    assert_int_equal(queue_send(q, &parts, 3, now, &sent), 0);
    assert_string_equal(sent.sequence_number, "");
    send_message(q, NULL, NULL, "a");
    assert_string_equal(receive(q, 10), "a");
    now += 3 * SEC;
    assert_string_equal(receive(q, 10), "d");
}

static void too_many_receives_move_a_message_to_the_dead_letter_queue(void **state)
{
    CLEANUP(queue_free) struct queue *dead = make_queue(NULL);
    CLEANUP(queue_free)
    struct queue *q = make_queue((const char *[]){
        "RedrivePolicy",
        "{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-west-1:000000000000:dead.fifo\","
        "\"maxReceiveCount\":\"2\"}",
        NULL});
    struct queue_receive one = {.max_messages = 1, .visibility_sec = -1};
    char id[MESSAGE_ID_SIZE];
    size_t n;

    assert_string_equal(q->settings.dead_letter_arn,
                        "arn:aws:sqs:eu-west-1:000000000000:dead.fifo");
    send_all(q, "g", "ab");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(queue_receive(q, dead, &one, now, got, &n), 0);
        assert_int_equal(n, 1);
        assert_int_equal(got[0].message->body[0], 'a');
        memcpy(id, got[0].message->message_id, sizeof(id));
        now += 30 * SEC;
    }
    assert_false(queue_is_receivable(dead, now));
    assert_int_equal(queue_receive(q, dead, &one, now, got, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(got[0].message->body[0], 'b');
    assert_string_equal(receive(dead, 10), "a");
    assert_string_equal(got[0].message->message_id, id);
    assert_string_equal(got[0].message->source_queue, "test.fifo");
    assert_string_equal(got[0].message->deduplication_id, "a");
    assert_int_equal(got[0].message->receive_count, 3);
    delete_message(dead, got[0].handle);
}

static void messages_end_with_the_retention(void **state)
{
    CLEANUP(queue_free)
    struct queue *q = make_queue((const char *[]){"MessageRetentionPeriod", "60", NULL});
    struct queue_counts counts;
    char handle[RECEIPT_HANDLE_SIZE];
    struct message *message = NULL;

    send_all(q, "g", "ab");
    assert_string_equal(receive(q, 1), "a");
    memcpy(handle, got[0].handle, sizeof(handle));
    now += 30 * SEC;
    send_all(q, "g", "c");
    now += 30 * SEC;
    queue_count(q, now, &counts);
    assert_int_equal(counts.visible, 1);
    assert_int_equal(counts.in_flight, 0);
    assert_int_equal(queue_delete(q, handle, now, &message), 0);
    assert_null(message);
    assert_string_equal(receive(q, 10), "c");
}

static void counts_tell_the_states_apart_and_purge_empties_them(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue(NULL);
    struct queue_counts counts;

    send_all(q, "g", "abc");
    send_all(q, "h", "x");
    assert_string_equal(receive(q, 1), "a");
    queue_count(q, now, &counts);
    assert_int_equal(counts.visible, 3);
    assert_int_equal(counts.in_flight, 1);
    queue_purge(q, now);
    queue_count(q, now, &counts);
    assert_int_equal(counts.visible + counts.in_flight + counts.delayed, 0);
    assert_int_equal(queue_next_usec(q), USEC_INFINITY);
    assert_string_equal(receive(q, 10), "");
    assert_true(send_message(q, "g", "b", "b").is_duplicate);
    assert_false(send_message(q, "g", "new", "n").is_duplicate);
    assert_string_equal(receive(q, 10), "n");
}

static void in_flight_is_limited_on_a_standard_queue(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_standard_queue();
    struct queue_receive ten = {.max_messages = 10, .visibility_sec = -1};
    size_t n;

    for (int i = 0; i < QUEUE_IN_FLIGHT_MAX + 1; i++)
        send_message(q, NULL, NULL, "a");
    for (int i = 0; i < QUEUE_IN_FLIGHT_MAX / 10; i++)
        assert_int_equal(strlen(receive(q, 10)), 10);
    assert_int_equal(queue_receive(q, NULL, &ten, now, got, &n), QUEUE_E_OVER_LIMIT);
    now += 30 * SEC;
    assert_int_equal(strlen(receive(q, 10)), 10);
}

static void many_messages_in_many_groups_stay_fast_and_in_order(void **state)
{
    enum { MESSAGES = 200000, GROUPS = 1000 };
    CLEANUP(queue_free) struct queue *q = make_queue(NULL);
    static int next[GROUPS];
    char group[16], id[16];
    int received = 0;

    for (int i = 0; i < MESSAGES; i++) {
        snprintf(group, sizeof(group), "g%d", i % GROUPS);
        snprintf(id, sizeof(id), "%d", i);
        send_message(q, group, id, id);
    }
    while (receive(q, 7)[0]) {
        for (int i = 0; i < 7 && got[i].message; i++) {
            int n = atoi(got[i].message->body), g = n % GROUPS;

            assert_int_equal(n / GROUPS, next[g]++);
            delete_message(q, got[i].handle);
            got[i].message = NULL;
            received++;
        }
    }
    assert_int_equal(received, MESSAGES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_comes_in_order_and_is_blocked_while_in_flight),
        cmocka_unit_test(other_groups_go_on),
        cmocka_unit_test(one_receive_spans_groups),
        cmocka_unit_test(expired_messages_return_in_their_place),
        cmocka_unit_test(visibility_zero_returns_a_message_at_once),
        cmocka_unit_test(a_message_extended_holds_back_itself_and_all_behind),
        cmocka_unit_test(extending_the_earliest_holds_the_rest),
        cmocka_unit_test(a_deduplication_id_counts_for_five_minutes_even_after_deletion),
        cmocka_unit_test(deduplication_by_group_lets_other_groups_use_the_id),
        cmocka_unit_test(content_is_the_id_where_the_queue_says_so),
        cmocka_unit_test(sequence_numbers_have_twenty_digits_and_rise),
        cmocka_unit_test(a_delayed_queue_holds_messages_back),
        cmocka_unit_test(a_standard_message_may_have_its_own_delay),
        cmocka_unit_test(too_many_receives_move_a_message_to_the_dead_letter_queue),
        cmocka_unit_test(messages_end_with_the_retention),
        cmocka_unit_test(counts_tell_the_states_apart_and_purge_empties_them),
        cmocka_unit_test(in_flight_is_limited_on_a_standard_queue),
        cmocka_unit_test(many_messages_in_many_groups_stay_fast_and_in_order),
    };

    return cmocka_run_group_tests_name("sqs-local-model-queue", tests, NULL, NULL);
}
