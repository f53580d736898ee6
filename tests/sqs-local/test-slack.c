/* SPDX-License-Identifier: MIT */
/* What SQS rarely does but allows itself, in the queue model: copies, disorder and late counts. The
 * test sets the clock, and the numbers come from a seed. */
#include <stdio.h>

#include "queue.h"
#include "test.h"

#define START (UINT64_C(1700000000) * USEC_PER_SEC)

static struct queue *make_queue(bool is_fifo, struct queue_slack slack)
{
    struct queue_settings settings;
    struct queue *queue = NULL;

    queue_settings_init(&settings, is_fifo);
    assert_int_equal(queue_new(is_fifo ? "test.fifo" : "test", 9, &settings, START, &queue), 0);
    queue->slack = slack;
    queue->slack.chance = chance_of(7, 0);
    return queue;
}

static void send_numbers(struct queue *queue, unsigned count, uint64_t now_usec)
{
    for (unsigned i = 0; i < count; i++) {
        char text[16];
        struct queue_sent sent;
        struct message_parts parts = {.message_id = text, .body = text, .group_id = "g"};

        snprintf(text, sizeof(text), "%u", i);
        parts.body_bytes = strlen(text);
        parts.deduplication_id = text;
        assert_int_equal(queue_send(queue, &parts, -1, now_usec, &sent), 0);
    }
}

static struct queue_delivery got[RECEIVE_MAX_MESSAGES];

static size_t receive(struct queue *queue, uint64_t now_usec)
{
    struct queue_receive receive = {.max_messages = RECEIVE_MAX_MESSAGES, .visibility_sec = -1};
    size_t n = 0;

    assert_int_equal(queue_receive(queue, NULL, &receive, now_usec, got, &n), 0);
    return n;
}

static bool delete_message(struct queue *queue, const char *handle)
{
    CLEANUP(message_free) struct message *message = NULL;

    assert_int_equal(queue_delete(queue, handle, START, &message), 0);
    return message != NULL;
}

static unsigned number_of(size_t i)
{
    return (unsigned)strtoul(got[i].message->body, NULL, 10);
}

static void each_message_is_copied_once_where_that_is_sure(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue(false, (struct queue_slack){.duplicates = 1});
    struct queue_counts counts;

    send_numbers(q, 3, START);
    assert_int_equal(receive(q, START), 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(number_of(i), i % 3);
        assert_string_equal(got[i].message->message_id, got[i % 3].message->message_id);
        assert_int_equal(got[i].message->is_copy, i >= 3);
        assert_int_equal(got[i].message->receive_count, 1);
    }
    assert_string_not_equal(got[0].handle, got[3].handle);
    assert_int_equal(q->slack.n_duplicates, 3);
    queue_count(q, START, &counts);
    assert_int_equal(counts.in_flight, 6);
}

static void a_copy_outlives_the_delete_of_its_message(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue(false, (struct queue_slack){.duplicates = 1});
    struct queue_receive one = {.max_messages = 1, .visibility_sec = -1};
    size_t n = 0;

    send_numbers(q, 1, START);
    assert_int_equal(queue_receive(q, NULL, &one, START, got, &n), 0);
    assert_false(got[0].message->is_copy);
    assert_true(delete_message(q, got[0].handle));
    assert_int_equal(receive(q, START), 1);
    assert_true(got[0].message->is_copy);
    assert_true(delete_message(q, got[0].handle));
    assert_int_equal(receive(q, START + 3600 * USEC_PER_SEC), 0);
}

static void a_fifo_queue_has_no_copies_and_no_disorder(void **state)
{
    CLEANUP(queue_free)
    struct queue *q = make_queue(true, (struct queue_slack){.duplicates = 1, .disorder = 1});

    send_numbers(q, 10, START);
    assert_int_equal(receive(q, START), 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(number_of(i), i);
    assert_int_equal(receive(q, START), 0);
}

/* How many of 200 messages came before one that was sent earlier. Each came once. */
static unsigned count_overtakers(double disorder, uint64_t *ret_disordered)
{
    CLEANUP(queue_free)
    struct queue *q = make_queue(false, (struct queue_slack){.disorder = disorder});
    bool seen[200] = {};
    unsigned next = 0, overtakers = 0, total = 0;

    send_numbers(q, 200, START);
    for (size_t n; (n = receive(q, START)) > 0; total += (unsigned)n)
        for (size_t i = 0; i < n; i++) {
            assert_in_range(number_of(i), 0, 199);
            assert_false(seen[number_of(i)]);
            seen[number_of(i)] = true;
            overtakers += number_of(i) > next;
            while (next < 200 && seen[next])
                next++;
        }
    assert_int_equal(total, 200);
    *ret_disordered = q->slack.n_disordered;
    return overtakers;
}

static void disorder_lets_some_come_before_their_turn_and_loses_none(void **state)
{
    uint64_t disordered;

    assert_int_equal(count_overtakers(0, &disordered), 0);
    assert_int_equal(disordered, 0);
    assert_in_range(count_overtakers(0.2, &disordered), 20, 80);
    assert_in_range(disordered, 20, 80);
    assert_in_range(count_overtakers(1, &disordered), 150, 200);
}

static size_t count_visible(struct queue *queue, uint64_t now_usec)
{
    struct queue_counts counts;

    queue_count(queue, now_usec, &counts);
    return counts.visible;
}

static void counts_lag_by_half_to_all_of_the_time_said(void **state)
{
    uint64_t lag_usec = 10 * USEC_PER_SEC;
    CLEANUP(queue_free)
    struct queue *q = make_queue(false, (struct queue_slack){.stale_usec = lag_usec});

    assert_int_equal(count_visible(q, START), 0);
    send_numbers(q, 4, START);
    for (uint64_t t = 0; t < lag_usec / 2; t += USEC_PER_SEC)
        assert_int_equal(count_visible(q, START + t), 0);
    assert_int_equal(count_visible(q, START + lag_usec), 4);
    send_numbers(q, 1, START + lag_usec);
    assert_int_equal(count_visible(q, START + lag_usec + 1), 4);
    assert_int_equal(count_visible(q, START + 2 * lag_usec), 5);
    assert_int_equal(receive(q, START + 100 * lag_usec), 5);
    assert_int_equal(count_visible(q, START + 100 * lag_usec), 5);
}

static void counts_are_exact_where_no_lag_is_asked_for(void **state)
{
    CLEANUP(queue_free) struct queue *q = make_queue(false, (struct queue_slack){});

    send_numbers(q, 4, START);
    assert_int_equal(count_visible(q, START), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_message_is_copied_once_where_that_is_sure),
        cmocka_unit_test(a_copy_outlives_the_delete_of_its_message),
        cmocka_unit_test(a_fifo_queue_has_no_copies_and_no_disorder),
        cmocka_unit_test(disorder_lets_some_come_before_their_turn_and_loses_none),
        cmocka_unit_test(counts_lag_by_half_to_all_of_the_time_said),
        cmocka_unit_test(counts_are_exact_where_no_lag_is_asked_for),
    };

    return cmocka_run_group_tests_name("sqs-local-model-slack", tests, NULL, NULL);
}
