/* SPDX-License-Identifier: MIT */
#include "consumerd/idempotency.h"
#include "consumerd/inflight.h"
#include "fake-consumer.h"
#include "test.h"
#include "util/clock.h"

#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#define SEC USEC_PER_SEC
#define T0 (1000 * SEC)

/* --- A handler that does what the test says, when it says it --- */

struct handler_run {
    char handle[16];
    handler_done_fn done;
    void *userdata;
    bool is_running, is_cancelled;
};

static struct handler_run runs[64];
static size_t n_runs;
static int run_error;
static bool is_quick;  /* done at once */
static bool ends_late; /* when told to end, only by `finish` */

static int fake_run(struct handler *handler, const struct sqs_received_message *message,
                    handler_done_fn done, void *userdata, struct handler_run **ret_run)
{
    struct handler_run *run = &runs[n_runs];

    if (run_error < 0)
        return run_error;
    assert_in_range(n_runs, 0, ARRAY_SIZE(runs) - 1);
    n_runs++;
    *run = (struct handler_run){.done = done, .userdata = userdata, .is_running = true};
    snprintf(run->handle, sizeof(run->handle), "%s", message->receipt_handle);
    if (is_quick) {
        run->is_running = false;
        done(userdata, HANDLER_DONE, 0);
        return 0;
    }
    *ret_run = run;
    return 0;
}

static void fake_cancel(struct handler_run *run, uint64_t grace_usec)
{
    assert_true(run->is_running);
    assert_in_range(grace_usec, 1, 5 * SEC);
    run->is_cancelled = true;
    if (ends_late)
        return;
    run->is_running = false;
    run->done(run->userdata, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
}

static void fake_abandon(struct handler_run *run)
{
    assert_true(run->is_running);
    run->is_running = false;
    run->is_cancelled = true;
}

static void fake_free(struct handler *handler)
{
}

static const struct handler_ops ops = {fake_run, fake_cancel, fake_abandon, fake_free};
static struct handler handler = {&ops};

static void finish(size_t i, enum handler_outcome outcome, uint64_t delay_usec)
{
    assert_true(runs[i].is_running);
    runs[i].is_running = false;
    runs[i].done(runs[i].userdata, outcome, delay_usec);
}

/* The messages begun so far, by their handles' last character. */
static const char *begun(void)
{
    static char text[ARRAY_SIZE(runs) + 1];

    for (size_t i = 0; i < n_runs; i++)
        text[i] = runs[i].handle[strlen(runs[i].handle) - 1];
    text[n_runs] = '\0';
    return text;
}

/* --- The hand --- */

static struct inflight *inflight;
static struct ledger *ledger; /* NULL: none */
static size_t n_changes;

static void on_changed(void *userdata)
{
    n_changes++;
}

static void take(const char *groups)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *reply = fake_received(groups, "h");

    inflight_add(inflight, reply, fake_now_usec);
}

static void set_up_with_linger(bool is_fifo, unsigned concurrency, uint64_t linger_usec,
                               const char *groups)
{
    fake_reset();
    memset(runs, 0, sizeof(runs));
    n_runs = n_changes = 0;
    run_error = 0;
    is_quick = ends_late = false;
    assert_int_equal(inflight_new(NULL, &handler, ledger,
                                  &(struct inflight_options){
                                      .is_fifo = is_fifo,
                                      .visibility_sec = 30,
                                      .concurrency = concurrency,
                                      .delete_linger_usec = linger_usec,
                                      .retry_delay_usec = 5 * SEC,
                                      .retry_delay_max_usec = 60 * SEC,
                                  },
                                  on_changed, NULL, &inflight),
                     0);
    take(groups);
}

static void set_up(bool is_fifo, unsigned concurrency, const char *groups)
{
    set_up_with_linger(is_fifo, concurrency, 0, groups);
}

static int tear_down(void **state)
{
    inflight = inflight_free(inflight);
    for (size_t i = 0; i < n_runs; i++)
        assert_false(runs[i].is_running);
    fake_reset();
    return 0;
}

static uint64_t dispatch(void)
{
    uint64_t next = 0;

    assert_int_equal(inflight_dispatch(inflight, &next), 0);
    return next;
}

/* What is in the ledger when that has forgotten what SQS has deleted. */
static uint64_t ledger_left(void)
{
    assert_int_equal(inflight_status(inflight).messages, 0);
    fake_now_usec += IDEMPOTENCY_DELETED_KEPT_USEC;
    dispatch();
    return ledger_count(ledger);
}

/* The only open call's request, which is then answered by yes to all its entries. */
static const char *answer_open(void)
{
    static char request[4096];

    for (size_t i = 0; i < fake_n_calls; i++)
        if (fake_calls[i].is_open) {
            CLEANUP(buffer_done) struct buffer json = BUFFER_INIT(4096);

            snprintf(request, sizeof(request), "%s", fake_request(i));
            buffer_append_string(&json, "{\"Successful\":[");
            for (size_t k = 0; k < fake_calls[i].request->n_entries; k++)
                buffer_printf(&json, "%s{\"Id\":\"%zu\"}", k > 0 ? "," : "", k);
            buffer_append_string(&json, "]}");
            fake_answer(i, json.data);
            return request;
        }
    fail_msg("no open call");
    return NULL;
}

static void what_was_handled_is_deleted_and_then_the_next_is_begun(void **state)
{
    set_up(false, 1, "--");
    assert_int_equal(dispatch(), T0 + 15 * SEC);
    assert_string_equal(begun(), "0");
    assert_int_equal(inflight_status(inflight).handling, 1);
    n_changes = 0;
    finish(0, HANDLER_DONE, 0);
    assert_int_equal(n_changes, 1);
    dispatch();
    assert_string_equal(begun(), "0"); /* its place is taken until it is deleted */
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

static void a_group_goes_on_while_a_delete_is_on_its_way(void **state)
{
    set_up(true, 10, "aab");
    dispatch();
    assert_string_equal(begun(), "02");
    finish(0, HANDLER_DONE, 0);
    dispatch();
    assert_string_equal(begun(), "021");
}

static void a_handler_may_be_done_at_once(void **state)
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

static void a_failure_gives_back_the_group_from_there_on(void **state)
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

static void the_delay_grows_with_the_receives_up_to_its_bound(void **state)
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

static void a_handler_may_name_a_delay_longer_than_the_own(void **state)
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
static void a_delay_of_nothing_does_not_shorten_the_growing_one(void **state)
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

static void a_handler_may_ask_for_the_first_delay_whatever_the_receive(void **state)
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

static void a_reply_counts_until_the_last_of_its_messages_is_settled(void **state)
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

static void it_is_known_when_all_that_was_given_back_is_there_again(void **state)
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

static void a_delete_that_fails_brings_its_message_back_with_its_lease(void **state)
{
    set_up(true, 10, "a");
    dispatch();
    finish(0, HANDLER_DONE, 0);
    dispatch();
    fake_fail(0, AWS_ERROR_PERMANENT, "AccessDenied", "");
    assert_int_equal(inflight_status(inflight).visible_usec, T0 + 30 * SEC);
}

static void what_the_handler_cannot_take_comes_back(void **state)
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

static void a_lease_that_ends_ends_the_work_and_all_behind_it(void **state)
{
    set_up(true, 10, "aab");
    dispatch();
    assert_string_equal(begun(), "02");
    fake_now_usec = T0 + 3600 * SEC; /* the process was stopped */
    dispatch();
    assert_true(runs[0].is_cancelled);
    assert_true(runs[1].is_cancelled);
    assert_string_equal(begun(), "02");
    assert_int_equal(fake_n_calls, 0); /* nothing is asked for with stale handles */
    assert_int_equal(inflight_status(inflight).messages, 0);
}

static void what_was_handled_too_late_is_not_deleted(void **state)
{
    set_up(true, 10, "a");
    dispatch();
    fake_now_usec = T0 + 30 * SEC;
    finish(0, HANDLER_DONE, 0);
    dispatch();
    assert_int_equal(fake_n_calls, 0);
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_counts(inflight)->deleted, 0);
}

static void a_handle_lost_at_sqs_ends_the_work_and_gives_back_what_is_behind(void **state)
{
    set_up(true, 10, "aab");
    dispatch();
    fake_now_usec = T0 + 15 * SEC;
    dispatch();
    assert_int_equal(fake_calls[0].request->n_entries, 3);
    fake_answer(0, "{\"Failed\":[{\"Id\":\"0\",\"Code\":\"ReceiptHandleIsInvalid\"}],"
                   "\"Successful\":[{\"Id\":\"1\"},{\"Id\":\"2\"}]}");
    assert_true(runs[0].is_cancelled);
    assert_true(runs[1].is_running);
    dispatch();
    assert_string_equal(answer_open(),
                        "{\"QueueUrl\":\"q\",\"Entries\":["
                        "{\"Id\":\"0\",\"ReceiptHandle\":\"h1\",\"VisibilityTimeout\":0}]}");
    assert_int_equal(inflight_status(inflight).messages, 1);
}

static void a_refused_delete_gives_back_what_is_behind(void **state)
{
    set_up(true, 10, "aaa");
    dispatch();
    finish(0, HANDLER_DONE, 0);
    dispatch();
    fake_fail(0, AWS_ERROR_PERMANENT, "ReceiptHandleIsInvalid", "");
    assert_true(runs[1].is_cancelled);
    dispatch();
    assert_int_equal(fake_calls[1].request->n_entries, 2);
    answer_open();
    assert_int_equal(inflight_status(inflight).messages, 0);
}

static void a_lease_that_ends_during_a_delete_leaves_it_to_its_answer(void **state)
{
    for (int ok = 0; ok < 2; ok++) {
        set_up(true, 10, "aa");
        dispatch();
        finish(0, HANDLER_DONE, 0);
        dispatch();
        assert_string_equal(begun(), "01");
        fake_now_usec = T0 + 30 * SEC;
        dispatch();
        assert_true(runs[1].is_cancelled);
        assert_int_equal(inflight_status(inflight).messages, 1);
        if (ok)
            fake_answer(0, "{}");
        else
            assert_false(fake_retry(0, AWS_ERROR_TRANSIENT, "")); /* it is not sent again */
        assert_int_equal(inflight_status(inflight).messages, 0);
        assert_int_equal(inflight_counts(inflight)->deleted, ok);
        assert_int_equal(fake_n_calls, 1);
        tear_down(NULL);
    }
    set_up(true, 1, "");
}

static void a_message_that_comes_again_is_handled_behind_what_is_left_of_it(void **state)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *again = NULL;

    set_up(true, 10, "a");
    dispatch();
    fake_now_usec = T0 + 30 * SEC;
    dispatch();
    assert_int_equal(inflight_status(inflight).messages, 0);
    again = fake_received("aa", "n");
    inflight_add(inflight, again, fake_now_usec);
    dispatch();
    assert_int_equal(n_runs, 2);
    assert_string_equal(runs[1].handle, "n0");
}

/* SQS gives it out again at once; what is left of its handling goes first. */
static void a_lost_message_is_not_handled_again_beside_itself(void **state)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *again = NULL;

    set_up(true, 10, "ab");
    ends_late = true;
    dispatch();
    fake_now_usec = T0 + 30 * SEC;
    dispatch();
    assert_true(runs[0].is_cancelled && runs[0].is_running);
    again = fake_received("aa", "n");
    inflight_add(inflight, again, fake_now_usec);
    dispatch();
    assert_string_equal(begun(), "01");
    fake_now_usec += 4 * SEC;
    finish(0, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    dispatch();
    assert_string_equal(begun(), "010");
    assert_string_equal(runs[2].handle, "n0");
    assert_int_equal(fake_n_calls, 0); /* nothing is asked for with the stale handle */
    assert_int_equal(inflight_status(inflight).messages, 3);
    finish(1, HANDLER_DONE, 0); /* without a ledger that is all that can be done about it */
    dispatch();
    assert_int_equal(fake_n_calls, 0);
    assert_int_equal(inflight_status(inflight).messages, 2);
}

static void what_follows_a_message_that_is_back_ends_before_it_is_given_back(void **state)
{
    set_up(true, 10, "aaa");
    ends_late = true;
    dispatch();
    finish(0, HANDLER_DONE, 0);
    dispatch();
    assert_string_equal(begun(), "01");
    fake_fail(0, AWS_ERROR_PERMANENT, "ReceiptHandleIsInvalid", "");
    assert_true(runs[1].is_cancelled);
    dispatch();
    assert_int_equal(fake_calls[1].request->n_entries, 1);
    assert_non_null(strstr(answer_open(), "\"h2\",\"VisibilityTimeout\":0"));
    finish(1, HANDLER_RETRY, 100 * SEC);
    dispatch();
    assert_non_null(strstr(answer_open(), "\"h1\",\"VisibilityTimeout\":0"));
    assert_int_equal(inflight_status(inflight).messages, 0);
}

/* Were it deleted, the one before it would be handled behind it. */
static void what_gets_through_behind_a_message_that_is_back_is_not_deleted_before_it(void **state)
{
    set_up(true, 10, "aa");
    ends_late = true;
    dispatch();
    finish(0, HANDLER_DONE, 0);
    dispatch();
    assert_string_equal(begun(), "01");
    fake_fail(0, AWS_ERROR_PERMANENT, "ReceiptHandleIsInvalid", "");
    assert_true(runs[1].is_cancelled);
    finish(1, HANDLER_DONE, 0);
    dispatch();
    assert_non_null(strstr(answer_open(), "\"h1\",\"VisibilityTimeout\":0"));
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_counts(inflight)->deleted, 0);
}

static void at_a_stop_what_ends_is_given_back_and_what_gets_through_is_deleted(void **state)
{
    set_up(true, 10, "abb");
    ends_late = true;
    dispatch();
    inflight_stop(inflight, fake_now_usec + 30 * SEC);
    dispatch();
    answer_open(); /* what was not begun */
    assert_int_equal(inflight_cancel(inflight, 3 * SEC), 2);
    dispatch();
    assert_int_equal(fake_n_open(), 0); /* still ours */
    finish(0, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    finish(1, HANDLER_DONE, 0);
    dispatch();
    assert_int_equal(fake_n_open(), 2);
    answer_open();
    answer_open();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_counts(inflight)->deleted, 1);
}

static void a_stop_gives_back_what_is_not_begun(void **state)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *late = NULL;

    set_up(true, 10, "aab");
    dispatch();
    inflight_stop(inflight, fake_now_usec + 30 * SEC);
    dispatch();
    assert_non_null(strstr(answer_open(), "\"h1\",\"VisibilityTimeout\":0"));
    late = fake_received("c", "l");
    inflight_add(inflight, late, fake_now_usec);
    dispatch();
    assert_string_equal(begun(), "02");
    assert_non_null(strstr(answer_open(), "\"l0\",\"VisibilityTimeout\":0"));
    assert_int_equal(inflight_status(inflight).messages, 2);
    finish(0, HANDLER_DONE, 0);
    assert_int_equal(inflight_cancel(inflight, SEC), 1);
    assert_true(runs[1].is_cancelled);
    dispatch();
    answer_open();
    answer_open();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_counts(inflight)->deleted, 1);
}

/* It may have come again, and would be handled elsewhere beside what is left of it here. */
static void a_stop_gives_back_nothing_behind_what_still_ends(void **state)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *again = NULL, *late = NULL;

    set_up(true, 10, "a");
    ends_late = true;
    dispatch();
    fake_now_usec = T0 + 30 * SEC;
    dispatch();
    again = fake_received("aab", "n");
    inflight_add(inflight, again, fake_now_usec);
    inflight_stop(inflight, fake_now_usec + 30 * SEC);
    late = fake_received("ac", "l");
    inflight_add(inflight, late, fake_now_usec);
    dispatch();
    assert_string_equal(answer_open(),
                        "{\"QueueUrl\":\"q\",\"Entries\":["
                        "{\"Id\":\"0\",\"ReceiptHandle\":\"n2\",\"VisibilityTimeout\":0},"
                        "{\"Id\":\"1\",\"ReceiptHandle\":\"l1\",\"VisibilityTimeout\":0}]}");
    dispatch();
    assert_int_equal(fake_n_open(), 0);
    assert_int_equal(inflight_status(inflight).messages, 4);
    finish(0, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    dispatch();
    assert_string_equal(begun(), "0");
    assert_string_equal(answer_open(),
                        "{\"QueueUrl\":\"q\",\"Entries\":["
                        "{\"Id\":\"0\",\"ReceiptHandle\":\"n0\",\"VisibilityTimeout\":0},"
                        "{\"Id\":\"1\",\"ReceiptHandle\":\"n1\",\"VisibilityTimeout\":0},"
                        "{\"Id\":\"2\",\"ReceiptHandle\":\"l0\",\"VisibilityTimeout\":0}]}");
    assert_int_equal(inflight_status(inflight).messages, 0);
}

static void slow_work_keeps_its_lease(void **state)
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
static void an_extension_that_failed_asks_for_a_turn(void **state)
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

static void twelve_hours_are_the_end(void **state)
{
    set_up(true, 10, "a");
    dispatch();
    while (inflight_status(inflight).messages > 0 && fake_now_usec < T0 + 50000 * SEC) {
        uint64_t next = dispatch();

        if (fake_n_open() > 0)
            answer_open();
        else if (next != USEC_INFINITY)
            fake_now_usec = next;
    }
    assert_true(runs[0].is_cancelled);
    assert_in_range(fake_now_usec, T0 + 43100 * SEC, T0 + 43200 * SEC);
}

/* A message with the handler, and the request that extends its lease on its way. */
static void set_up_and_extend(void)
{
    set_up(true, 10, "a");
    dispatch();
    fake_now_usec = T0 + 15 * SEC;
    dispatch();
    assert_int_equal(fake_n_open(), 1);
}

static void what_is_extended_only_after_it_was_lost_is_given_back(void **state)
{
    set_up_and_extend();
    ends_late = true;
    fake_now_usec = T0 + 29 * SEC;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
    fake_now_usec = T0 + 30 * SEC;
    dispatch();
    assert_true(runs[0].is_cancelled);
    answer_open(); /* away until T0 + 59 s */
    finish(0, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    dispatch();
    assert_non_null(strstr(answer_open(), "\"ReceiptHandle\":\"h0\",\"VisibilityTimeout\":0"));
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_status(inflight).visible_usec, T0 + 30 * SEC);
}

/* SQS may have extended it all the same. */
static void what_was_lost_without_an_answer_may_stay_away_for_another_timeout(void **state)
{
    set_up_and_extend();
    ends_late = true;
    fake_now_usec = T0 + 31 * SEC;
    dispatch();
    finish(0, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_status(inflight).visible_usec, T0 + 61 * SEC);
}

static void so_may_what_waits_in_vain_for_its_extension_to_be_given_back(void **state)
{
    set_up_and_extend();
    finish(0, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    dispatch();
    assert_int_equal(fake_n_open(), 1); /* the extension */
    fake_now_usec = T0 + 30 * SEC;
    dispatch();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_status(inflight).visible_usec, T0 + 60 * SEC);
}

/* A message that is still with the handler when its lease has ended. */
static void set_up_and_lose(bool is_fifo, const char *group)
{
    set_up(is_fifo, 10, group);
    ends_late = true;
    dispatch();
    fake_now_usec = T0 + 30 * SEC;
    dispatch();
    assert_true(runs[0].is_cancelled && runs[0].is_running);
}

/* A program may still be at work on the first. */
static void a_copy_of_a_message_is_not_handled_beside_it(void **state)
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
static void copies_of_a_message_that_was_handled_are_only_deleted(void **state)
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

static void a_copy_of_a_message_that_was_rejected_is_only_deleted(void **state)
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

static void a_copy_of_a_message_that_failed_comes_back_with_it(void **state)
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
static void a_copy_of_a_message_handled_late_is_only_deleted(void **state)
{
    set_up_and_lose(false, "-");
    take("-");
    finish(0, HANDLER_DONE, 0);
    dispatch();
    assert_int_equal(n_runs, 1);
    assert_int_equal(inflight_status(inflight).deleting, 1);
}

static void at_a_stop_a_copy_is_given_back_when_its_message_has_gone(void **state)
{
    set_up_and_lose(false, "-");
    take("-");
    inflight_stop(inflight, fake_now_usec + 20 * SEC);
    dispatch();
    assert_int_equal(inflight_status(inflight).releasing, 0);
    finish(0, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    dispatch();
    assert_int_equal(inflight_status(inflight).releasing, 1);
    answer_open();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(n_runs, 1);
}

/* Both in one batch, which leaves the second when the first is lost. */
static void handle_and_lose_the_first(const char *second)
{
    char json[512];

    set_up_with_linger(true, 2, SEC, "aa");
    is_quick = true;
    dispatch();
    dispatch();
    fake_now_usec += SEC;
    dispatch();
    assert_int_equal(fake_n_open(), 1);
    assert_int_equal(fake_calls[0].request->operation, SQS_DELETE_MESSAGE_BATCH);
    snprintf(
        json, sizeof(json),
        "{\"Failed\":[{\"Id\":\"0\",\"Code\":\"ReceiptHandleIsInvalid\",\"SenderFault\":true}%s]}",
        second);
    fake_answer(0, json);
    dispatch();
}

static void what_was_not_deleted_after_one_that_was_lost_is_given_back(void **state)
{
    handle_and_lose_the_first(
        ",{\"Id\":\"1\",\"Code\":\"InternalError\",\"SenderFault\":false}],\"Successful\":[");
    assert_non_null(strstr(answer_open(), "\"ReceiptHandle\":\"h1\",\"VisibilityTimeout\":0"));
    assert_int_equal(inflight_status(inflight).messages, 0);
}

static void what_was_deleted_after_one_that_was_lost_is_not(void **state)
{
    handle_and_lose_the_first("],\"Successful\":[{\"Id\":\"1\"}");
    assert_int_equal(fake_n_open(), 0);
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_counts(inflight)->deleted, 1);
}

/* --- With a ledger --- */

static char ledger_path[64];
static bool disk_is_full;

static ssize_t write_if_room(int fd, const void *data, size_t bytes, off_t offset)
{
    if (disk_is_full) {
        errno = ENOSPC;
        return -1;
    }
    return pwrite(fd, data, bytes, offset);
}

static int set_up_ledger(void **state)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    int fd;

    disk_is_full = false;
    vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)write_if_room);
    vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)write_if_room);
    strcpy(ledger_path, "/tmp/test-hand.XXXXXX");
    fd = mkstemp(ledger_path);
    if (fd < 0)
        return -1;
    close(fd);
    return ledger_open(ledger_path, &(struct ledger_limits){100, 14 * 86400 * SEC}, &ledger, NULL);
}

static int tear_down_ledger(void **state)
{
    tear_down(state);
    ledger = ledger_free(ledger);
    return unlink(ledger_path);
}

static bool is_in_ledger(const char *id)
{
    return ledger_has(ledger, id, clock_wall_usec()) == LEDGER_HAS;
}

static void was_handled(const char *id)
{
    assert_int_equal(ledger_add(ledger, id, clock_wall_usec()), 0);
    assert_int_equal(ledger_commit(ledger, clock_wall_usec()), LEDGER_COMMITTED);
}

static void what_was_handled_is_in_the_ledger_until_it_is_deleted(void **state)
{
    set_up(false, 3, "---");
    dispatch();
    finish(0, HANDLER_DONE, 0);
    finish(1, HANDLER_REJECT, 0);
    finish(2, HANDLER_RETRY, 0);
    assert_int_equal(inflight_status(inflight).deleting, 2);
    assert_int_equal(fake_n_calls, 0);
    dispatch();
    assert_int_equal(ledger_commit(ledger, clock_wall_usec()), 0); /* it is on disk already */
    assert_true(is_in_ledger("h0"));
    assert_true(is_in_ledger("h1"));
    assert_false(is_in_ledger("h2"));
    assert_int_equal(inflight_status(inflight).deleting, 2);

    while (fake_n_open() > 0)
        answer_open();
    dispatch();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_counts(inflight)->deleted, 2);
    assert_int_equal(ledger_left(), 0);
    assert_int_equal(ledger_commit(ledger, clock_wall_usec()), 0);
}

static void the_next_of_a_group_begins_when_the_ledger_has_the_one_before(void **state)
{
    set_up(true, 10, "aa");
    dispatch();
    finish(0, HANDLER_DONE, 0);
    assert_string_equal(begun(), "0");
    dispatch();
    assert_true(is_in_ledger("h0"));
    assert_string_equal(begun(), "01");
}

static void what_the_ledger_knows_is_deleted_in_its_turn_without_being_handled(void **state)
{
    was_handled("h1");
    was_handled("h3");
    set_up(true, 10, "aabb");
    dispatch();
    assert_string_equal(begun(), "02");
    finish(0, HANDLER_DONE, 0);
    dispatch();
    dispatch();
    /* h3 waits for h2, which is being handled. */
    assert_string_equal(begun(), "02");
    assert_string_equal(answer_open(), "{\"QueueUrl\":\"q\",\"Entries\":["
                                       "{\"Id\":\"0\",\"ReceiptHandle\":\"h0\"},"
                                       "{\"Id\":\"1\",\"ReceiptHandle\":\"h1\"}]}");
    dispatch();
    assert_int_equal(inflight_counts(inflight)->deleted, 2);
    assert_int_equal(ledger_count(ledger), 3); /* SQS may bring those again */
    finish(1, HANDLER_DONE, 0);
    for (int i = 0; i < 3; i++) {
        dispatch();
        if (fake_n_open() > 0)
            answer_open();
    }
    dispatch();
    assert_string_equal(begun(), "02");
    assert_int_equal(ledger_left(), 0);
}

static void a_place_is_taken_also_by_what_is_only_deleted(void **state)
{
    was_handled("h0");
    set_up(false, 1, "--");
    dispatch();
    assert_string_equal(begun(), "");
    assert_int_equal(fake_n_open(), 1);
    answer_open();
    dispatch();
    assert_string_equal(begun(), "1");
}

/* The lease is lost between the handler's answer and the turn that writes it. */
static void what_was_handled_and_lost_is_in_the_ledger_all_the_same(void **state)
{
    set_up(true, 10, "aa");
    dispatch();
    fake_now_usec = T0 + 15 * SEC;
    dispatch();
    finish(0, HANDLER_DONE, 0);
    fake_answer(0, "{\"Failed\":[{\"Id\":\"0\",\"Code\":\"ReceiptHandleIsInvalid\"}],"
                   "\"Successful\":[{\"Id\":\"1\"}]}");
    assert_int_equal(inflight_status(inflight).deleting, 0);
    dispatch();
    assert_true(is_in_ledger("h0"));
    assert_string_equal(begun(), "0");
    answer_open(); /* gives back what was behind it */
    dispatch();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_counts(inflight)->deleted, 0);
    assert_int_equal(ledger_count(ledger), 1);
}

/* Its lease is lost, but it ends with success. */
static void what_gets_through_after_its_lease_is_not_handled_again(void **state)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *again = NULL;

    set_up(true, 10, "a");
    ends_late = true;
    dispatch();
    fake_now_usec = T0 + 30 * SEC;
    dispatch();
    again = fake_received("aa", "h");
    inflight_add(inflight, again, fake_now_usec);
    dispatch();
    assert_int_equal(n_runs, 1);
    finish(0, HANDLER_DONE, 0);
    dispatch();
    assert_true(is_in_ledger("h0"));
    assert_int_equal(ledger_commit(ledger, clock_wall_usec()), 0); /* it is on disk already */
    assert_string_equal(begun(), "01");
    assert_string_equal(answer_open(), "{\"QueueUrl\":\"q\",\"ReceiptHandle\":\"h0\"}");
    dispatch();
    assert_int_equal(inflight_status(inflight).messages, 1);
    finish(1, HANDLER_DONE, 0);
    dispatch();
    answer_open();
    assert_int_equal(ledger_left(), 0);
}

static void what_gets_through_and_is_given_back_is_not_handled_again(void **state)
{
    set_up(true, 10, "aa");
    ends_late = true;
    dispatch();
    finish(0, HANDLER_DONE, 0);
    dispatch();
    fake_fail(0, AWS_ERROR_PERMANENT, "ReceiptHandleIsInvalid", "");
    finish(1, HANDLER_DONE, 0);
    assert_int_equal(inflight_status(inflight).deleting, 0);
    dispatch();
    assert_int_equal(ledger_commit(ledger, clock_wall_usec()), 0); /* it is on disk already */
    assert_true(is_in_ledger("h0"));
    assert_true(is_in_ledger("h1"));
    answer_open();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_counts(inflight)->deleted, 0);
}

static void a_delete_that_fails_leaves_it_in_the_ledger(void **state)
{
    set_up(false, 10, "-");
    dispatch();
    finish(0, HANDLER_DONE, 0);
    dispatch();
    fake_fail(0, AWS_ERROR_PERMANENT, "ReceiptHandleIsInvalid", "");
    dispatch();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_true(is_in_ledger("h0"));
}

static void a_late_delete_takes_it_out_of_the_ledger(void **state)
{
    set_up(false, 10, "-");
    dispatch();
    finish(0, HANDLER_DONE, 0);
    dispatch();
    fake_now_usec = T0 + 30 * SEC; /* abandoned, but for the answer */
    dispatch();
    assert_true(is_in_ledger("h0"));
    fake_answer(0, "{}");
    dispatch();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(ledger_left(), 0);
}

static void a_ledger_that_cannot_be_written_stops_nothing(void **state)
{
    set_up(true, 10, "aa");
    dispatch();
    disk_is_full = true;
    finish(0, HANDLER_DONE, 0);
    dispatch();
    assert_string_equal(answer_open(), "{\"QueueUrl\":\"q\",\"ReceiptHandle\":\"h0\"}");
    assert_int_equal(ledger_count(ledger), 0);
    dispatch();
    finish(1, HANDLER_DONE, 0);
    disk_is_full = false;
    dispatch();
    assert_true(is_in_ledger("h1"));
    answer_open();
    dispatch();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(ledger_left(), 0);
}

static void an_end_at_once_keeps_what_was_handled(void **state)
{
    set_up(false, 10, "--");
    dispatch();
    finish(0, HANDLER_DONE, 0);
    inflight = inflight_free(inflight);
    ledger = ledger_free(ledger);
    assert_int_equal(
        ledger_open(ledger_path, &(struct ledger_limits){100, 14 * 86400 * SEC}, &ledger, NULL), 0);
    assert_true(is_in_ledger("h0"));
    assert_int_equal(ledger_count(ledger), 1);
}

#define LEDGER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_ledger, tear_down_ledger)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_was_handled_is_deleted_and_then_the_next_is_begun,
                                  tear_down),
        cmocka_unit_test_teardown(a_group_goes_on_while_a_delete_is_on_its_way, tear_down),
        cmocka_unit_test_teardown(a_handler_may_be_done_at_once, tear_down),
        cmocka_unit_test_teardown(a_failure_gives_back_the_group_from_there_on, tear_down),
        cmocka_unit_test_teardown(the_delay_grows_with_the_receives_up_to_its_bound, NULL),
        cmocka_unit_test_teardown(a_handler_may_name_a_delay_longer_than_the_own, tear_down),
        cmocka_unit_test(a_delay_of_nothing_does_not_shorten_the_growing_one),
        cmocka_unit_test_teardown(a_handler_may_ask_for_the_first_delay_whatever_the_receive,
                                  tear_down),
        cmocka_unit_test_teardown(a_reply_counts_until_the_last_of_its_messages_is_settled,
                                  tear_down),
        cmocka_unit_test_teardown(it_is_known_when_all_that_was_given_back_is_there_again,
                                  tear_down),
        cmocka_unit_test_teardown(a_delete_that_fails_brings_its_message_back_with_its_lease,
                                  tear_down),
        cmocka_unit_test_teardown(what_the_handler_cannot_take_comes_back, tear_down),
        cmocka_unit_test_teardown(a_lease_that_ends_ends_the_work_and_all_behind_it, tear_down),
        cmocka_unit_test_teardown(what_was_handled_too_late_is_not_deleted, tear_down),
        cmocka_unit_test_teardown(a_handle_lost_at_sqs_ends_the_work_and_gives_back_what_is_behind,
                                  tear_down),
        cmocka_unit_test_teardown(a_refused_delete_gives_back_what_is_behind, tear_down),
        cmocka_unit_test_teardown(a_lease_that_ends_during_a_delete_leaves_it_to_its_answer,
                                  tear_down),
        cmocka_unit_test_teardown(a_message_that_comes_again_is_handled_behind_what_is_left_of_it,
                                  tear_down),
        cmocka_unit_test_teardown(a_lost_message_is_not_handled_again_beside_itself, tear_down),
        cmocka_unit_test_teardown(what_follows_a_message_that_is_back_ends_before_it_is_given_back,
                                  tear_down),
        cmocka_unit_test_teardown(
            what_gets_through_behind_a_message_that_is_back_is_not_deleted_before_it, tear_down),
        cmocka_unit_test_teardown(
            at_a_stop_what_ends_is_given_back_and_what_gets_through_is_deleted, tear_down),
        cmocka_unit_test_teardown(a_stop_gives_back_what_is_not_begun, tear_down),
        cmocka_unit_test_teardown(a_stop_gives_back_nothing_behind_what_still_ends, tear_down),
        cmocka_unit_test_teardown(slow_work_keeps_its_lease, tear_down),
        cmocka_unit_test_teardown(an_extension_that_failed_asks_for_a_turn, tear_down),
        cmocka_unit_test_teardown(twelve_hours_are_the_end, tear_down),
        cmocka_unit_test_teardown(what_is_extended_only_after_it_was_lost_is_given_back, tear_down),
        cmocka_unit_test_teardown(what_was_lost_without_an_answer_may_stay_away_for_another_timeout,
                                  tear_down),
        cmocka_unit_test_teardown(so_may_what_waits_in_vain_for_its_extension_to_be_given_back,
                                  tear_down),
        cmocka_unit_test_teardown(a_copy_of_a_message_is_not_handled_beside_it, tear_down),
        cmocka_unit_test(copies_of_a_message_that_was_handled_are_only_deleted),
        cmocka_unit_test_teardown(a_copy_of_a_message_that_was_rejected_is_only_deleted, tear_down),
        cmocka_unit_test_teardown(a_copy_of_a_message_that_failed_comes_back_with_it, tear_down),
        cmocka_unit_test_teardown(a_copy_of_a_message_handled_late_is_only_deleted, tear_down),
        cmocka_unit_test_teardown(at_a_stop_a_copy_is_given_back_when_its_message_has_gone,
                                  tear_down),
        cmocka_unit_test_teardown(what_was_not_deleted_after_one_that_was_lost_is_given_back,
                                  tear_down),
        cmocka_unit_test_teardown(what_was_deleted_after_one_that_was_lost_is_not, tear_down),
        LEDGER_TEST(what_was_handled_is_in_the_ledger_until_it_is_deleted),
        LEDGER_TEST(the_next_of_a_group_begins_when_the_ledger_has_the_one_before),
        LEDGER_TEST(what_the_ledger_knows_is_deleted_in_its_turn_without_being_handled),
        LEDGER_TEST(a_place_is_taken_also_by_what_is_only_deleted),
        LEDGER_TEST(what_was_handled_and_lost_is_in_the_ledger_all_the_same),
        LEDGER_TEST(what_gets_through_after_its_lease_is_not_handled_again),
        LEDGER_TEST(what_gets_through_and_is_given_back_is_not_handled_again),
        LEDGER_TEST(a_delete_that_fails_leaves_it_in_the_ledger),
        LEDGER_TEST(a_late_delete_takes_it_out_of_the_ledger),
        LEDGER_TEST(a_ledger_that_cannot_be_written_stops_nothing),
        LEDGER_TEST(an_end_at_once_keeps_what_was_handled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
