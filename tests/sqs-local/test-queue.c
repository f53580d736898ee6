/* SPDX-License-Identifier: MIT */
/* The queue model on a clock of its own: `now`, which the tests move. */
#include <stdio.h>

#include "account.h"
#include "test.h"

#define SEC USEC_PER_SEC

static uint64_t now;

static struct queue *make_queue(const char *const *settings)
{
    struct queue_settings s;
    struct queue *queue = NULL;
    struct policy_reason reason;

    now = UINT64_C(1700000000) * SEC;
    queue_settings_init(&s, true);
    for (; settings && settings[0]; settings += 2)
        assert_int_equal(queue_settings_set(&s, settings[0], settings[1], true, &reason), 0);
    assert_int_equal(queue_new("test.fifo", 7, &s, now, &queue), 0);
    return queue;
}

static struct queue *make_standard_queue(void)
{
    struct queue_settings s;
    struct queue *queue = NULL;

    now = UINT64_C(1700000000) * SEC;
    queue_settings_init(&s, false);
    assert_int_equal(queue_new("test", 8, &s, now, &queue), 0);
    return queue;
}

static struct queue_sent send_message(struct queue *queue, const char *group, const char *id,
                                      const char *body)
{
    static unsigned n;
    char message_id[MESSAGE_ID_SIZE];
    struct queue_sent sent;
    struct message_parts parts = {
        .message_id = message_id,
        .body = body,
        .body_bytes = strlen(body),
        .group_id = group,
        .deduplication_id = id,
    };

    snprintf(message_id, sizeof(message_id), "id-%u", ++n);
    assert_int_equal(queue_send(queue, &parts, -1, now, &sent), 0);
    return sent;
}

/* Sends bodies that are their own deduplication ids. */
static void send_all(struct queue *queue, const char *group, const char *bodies)
{
    for (; *bodies; bodies++)
        send_message(queue, group, (char[]){*bodies, '\0'}, (char[]){*bodies, '\0'});
}

static struct queue_delivery got[RECEIVE_MAX_MESSAGES];

/* The one-letter bodies of what a receive brings, in order; the rest of it is in `got`. */
static const char *receive_with(struct queue *queue, struct queue_receive receive)
{
    static char bodies[RECEIVE_MAX_MESSAGES + 1];
    size_t n = 99;

    assert_int_equal(queue_receive(queue, NULL, &receive, now, got, &n), 0);
    assert_in_range(n, 0, receive.max_messages);
    for (size_t i = 0; i < n; i++)
        bodies[i] = got[i].message->body[0];
    bodies[n] = '\0';
    return bodies;
}

static const char *receive(struct queue *queue, unsigned max)
{
    return receive_with(queue, (struct queue_receive){.max_messages = max, .visibility_sec = -1});
}

static void delete_message(struct queue *queue, const char *handle)
{
    struct message *message = NULL;

    assert_int_equal(queue_delete(queue, handle, now, &message), 0);
    assert_non_null(message);
    message_free(message);
}

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
    /* More than 64 bits hold: a client must keep it as text. */
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
    /* Once deleted, deleting again is no error, with either handle. */
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
    /* The old handle is accepted, but the message lives on. */
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
    /* Hidden anew from the second asking on. */
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

static void a_million_messages_in_many_groups_stay_fast_and_in_order(void **state)
{
    enum { MESSAGES = 1000000, GROUPS = 1000 };
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

static void names_and_deleted_names_are_checked(void **state)
{
    struct queue_settings s;
    struct account account;
    struct queue *q = NULL;

    assert_true(queue_name_is_valid("a-B_9.fifo", true));
    assert_true(queue_name_is_valid("a-B_9", false));
    assert_false(queue_name_is_valid("a.fifo", false));
    assert_false(queue_name_is_valid("a", true));
    assert_false(queue_name_is_valid(".fifo", true));
    assert_false(queue_name_is_valid("a.b.fifo", true));
    assert_false(queue_name_is_valid("", false));
    assert_false(queue_name_is_valid("aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbb"
                                     "aaaaaaaaaabbbbbbbbbbx",
                                     false));

    now = 1000 * SEC;
    account_init(&account);
    queue_settings_init(&s, false);
    assert_int_equal(account_add(&account, "q", &s, now, &q), 0);
    assert_ptr_equal(account_find(&account, "q"), q);
    assert_int_equal(account_remove(&account, q, now), 0);
    queue_free(q);
    assert_null(account_find(&account, "q"));
    queue_settings_init(&s, false);
    assert_int_equal(account_add(&account, "q", &s, now + 59 * SEC, &q),
                     ACCOUNT_E_DELETED_RECENTLY);
    assert_int_equal(account_add(&account, "q", &s, now + 60 * SEC, &q), 0);
    account_done(&account);
}

static void settings_are_held_to_their_ranges(void **state)
{
    static const struct {
        const char *name, *value;
        bool is_fifo;
        int result;
    } cases[] = {
        {"VisibilityTimeout", "0", false, 0},
        {"VisibilityTimeout", "43200", false, 0},
        {"VisibilityTimeout", "43201", false, QUEUE_SETTINGS_E_VALUE},
        {"VisibilityTimeout", "-1", false, QUEUE_SETTINGS_E_VALUE},
        {"VisibilityTimeout", "", false, QUEUE_SETTINGS_E_VALUE},
        {"VisibilityTimeout", "99999999999999999999", false, QUEUE_SETTINGS_E_VALUE},
        {"MessageRetentionPeriod", "59", false, QUEUE_SETTINGS_E_VALUE},
        {"MaximumMessageSize", "1023", false, QUEUE_SETTINGS_E_VALUE},
        {"MaximumMessageSize", "1048577", false, QUEUE_SETTINGS_E_VALUE},
        {"ReceiveMessageWaitTimeSeconds", "21", false, QUEUE_SETTINGS_E_VALUE},
        {"DelaySeconds", "901", true, QUEUE_SETTINGS_E_VALUE},
        {"ContentBasedDeduplication", "yes", true, QUEUE_SETTINGS_E_VALUE},
        {"ContentBasedDeduplication", "true", false, QUEUE_SETTINGS_E_NAME},
        {"ContentBasedDeduplication", "True", true, 0},
        {"ContentBasedDeduplication", "False", true, 0},
        {"ContentBasedDeduplication", "TRUE", true, QUEUE_SETTINGS_E_VALUE},
        {"DeduplicationScope", "queue", false, QUEUE_SETTINGS_E_FIFO_ONLY},
        {"FifoThroughputLimit", "perQueue", false, QUEUE_SETTINGS_E_FIFO_ONLY},
        {"Policy", "{}", false, QUEUE_SETTINGS_E_VALUE},
        {"RedriveAllowPolicy", "{}", false, QUEUE_SETTINGS_E_FORMAT},
        {"RedriveAllowPolicy", "{\"redrivePermission\":\"byQueue\"}", false,
         QUEUE_SETTINGS_E_POLICY},
        {"FifoQueue", "true", true, 0},
        {"FifoQueue", "True", true, 0},
        {"FifoQueue", "false", true, QUEUE_SETTINGS_E_VALUE},
        {"FifoQueue", "true", false, QUEUE_SETTINGS_E_NAME},
        {"QueueArn", "x", false, QUEUE_SETTINGS_E_NAME},
        {"DeduplicationScope", "messageGroup", true, 0},
        {"DeduplicationScope", "group", true, QUEUE_SETTINGS_E_VALUE},
        {"RedrivePolicy", "", false, 0},
        {"RedrivePolicy", "[", false, QUEUE_SETTINGS_E_POLICY},
        {"RedrivePolicy", "[]", false, QUEUE_SETTINGS_E_POLICY},
        {"RedrivePolicy", "{\"maxReceiveCount\":1}", false, QUEUE_SETTINGS_E_POLICY},
        {"RedrivePolicy", "{\"deadLetterTargetArn\":\"dummy\",\"maxReceiveCount\":42}", false,
         QUEUE_SETTINGS_E_POLICY},
        {"RedrivePolicy", "{\"deadLetterTargetArn\":\"arn:aws:sqs:r:1:q\",\"maxReceiveCount\":0}",
         false, QUEUE_SETTINGS_E_POLICY},
        {"RedrivePolicy", "{\"deadLetterTargetArn\":\"arn:aws:sqs:r:1:q\",\"maxReceiveCount\":5}",
         false, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(queue_settings_done) struct queue_settings s;
        struct policy_reason reason = {};

        queue_settings_init(&s, cases[i].is_fifo);
        assert_int_equal(queue_settings_set(&s, cases[i].name, cases[i].value, true, &reason),
                         cases[i].result);
        assert_int_equal(reason.text[0] != '\0', cases[i].result == QUEUE_SETTINGS_E_POLICY);
    }
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
        cmocka_unit_test(too_many_receives_move_a_message_to_the_dead_letter_queue),
        cmocka_unit_test(messages_end_with_the_retention),
        cmocka_unit_test(counts_tell_the_states_apart_and_purge_empties_them),
        cmocka_unit_test(in_flight_is_limited_on_a_standard_queue),
        cmocka_unit_test(a_million_messages_in_many_groups_stay_fast_and_in_order),
        cmocka_unit_test(names_and_deleted_names_are_checked),
        cmocka_unit_test(settings_are_held_to_their_ranges),
    };

    return cmocka_run_group_tests_name("sqs-local-queue", tests, NULL, NULL);
}
