/* SPDX-License-Identifier: MIT */
/* What the log and the counters say of messages that come back. */
#include "consumerd/inflight.h"
#include "fake-consumer.h"
#include "fake-log.h"
#include "test.h"

#include <stdio.h>

#define SEC USEC_PER_SEC

/* --- A handler that does what the test says --- */

struct handler_run {
    handler_done_fn done;
    void *userdata;
    bool is_running;
};

static struct handler_run runs[32];
static size_t n_runs;
static bool ends_late; /* when told to end, only by `finish` */

static int fake_run(struct handler *handler, const struct sqs_received_message *message,
                    handler_done_fn done, void *userdata, struct handler_run **ret_run)
{
    struct handler_run *run = &runs[n_runs];

    assert_in_range(n_runs, 0, ARRAY_SIZE(runs) - 1);
    n_runs++;
    *run = (struct handler_run){done, userdata, true};
    *ret_run = run;
    return 0;
}

static void finish(size_t i, enum handler_outcome outcome)
{
    assert_true(runs[i].is_running);
    runs[i].is_running = false;
    runs[i].done(runs[i].userdata, outcome, HANDLER_DELAY_DEFAULT);
}

static void fake_cancel(struct handler_run *run, uint64_t grace_usec)
{
    if (!ends_late)
        finish((size_t)(run - runs), HANDLER_RETRY);
}

static void fake_abandon(struct handler_run *run)
{
    run->is_running = false;
}

static void fake_free(struct handler *handler)
{
}

static const struct handler_ops ops = {fake_run, fake_cancel, fake_abandon, fake_free};
static struct handler handler = {&ops};

/* --- The hand --- */

static struct inflight *inflight;

static void on_changed(void *userdata)
{
}

static int set_up(void **state)
{
    fake_reset();
    fake_n_lines = n_runs = 0;
    fake_level = LOG_DEBUG;
    ends_late = false;
    return 0;
}

static int tear_down(void **state)
{
    inflight = inflight_free(inflight);
    fake_reset();
    return 0;
}

static void dispatch(void)
{
    uint64_t next;

    assert_int_equal(inflight_dispatch(inflight, &next), 0);
}

static void take(bool is_fifo, const char *groups)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *reply = fake_received(groups, "h");

    assert_int_equal(inflight_new(NULL, &handler, NULL,
                                  &(struct inflight_options){
                                      .is_fifo = is_fifo,
                                      .visibility_sec = 30,
                                      .concurrency = 10,
                                      .retry_delay_usec = 5 * SEC,
                                      .retry_delay_max_usec = 60 * SEC,
                                  },
                                  on_changed, NULL, &inflight),
                     0);
    inflight_add(inflight, reply, fake_now_usec);
    dispatch();
}

/* All open requests get a yes to all their entries, until there are none. */
static void answer_all(void)
{
    for (size_t i = 0; i < fake_n_calls; i++) {
        CLEANUP(buffer_done) struct buffer json = BUFFER_INIT(4096);

        if (!fake_calls[i].is_open)
            continue;
        buffer_append_string(&json, "{\"Successful\":[");
        for (size_t k = 0; k < fake_calls[i].request->n_entries; k++)
            buffer_printf(&json, "%s{\"Id\":\"%zu\"}", k > 0 ? "," : "", k);
        buffer_append_string(&json, "]}");
        fake_answer(i, json.data);
        dispatch();
    }
}

/* Each message is in flight or has gone one way, and is counted there. */
static void check_sum(void)
{
    const struct consumer_counts *c = inflight_counts(inflight);
    uint64_t sum = inflight_status(inflight).messages + c->deleted + c->lost;

    for (size_t i = 0; i < RELEASE_N_REASONS; i++)
        sum += c->released[i];
    assert_int_equal(sum, c->received);
}

static const char *counted(void)
{
    static char text[256];
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(sizeof(text));
    static const struct consumer_counts none;

    check_sum();
    consumer_counts_append(&line, inflight_counts(inflight), &none);
    snprintf(text, sizeof(text), "%s", buffer_string(&line));
    return text;
}

static void lane_message_fails_successors_are_released_and_told(void **state)
{
    take(true, "aaaab");
    finish(0, HANDLER_RETRY);
    dispatch();
    assert_int_equal(fake_count_lines("Releasing 3 messages behind message h0 of group a, which "
                                      "comes back: it was not handled, and is to be tried again. "
                                      "[SQS_MESSAGE_ID=h0] [SQS_MESSAGE_GROUP_ID=a]"),
                     1);
    assert_int_equal(
        fake_count_lines("Releasing message h0 of group a, to come back in 5 s: it was "
                         "not handled, and is to be tried again."),
        1);
    for (int i = 1; i <= 3; i++) {
        char line[128];

        snprintf(line, sizeof(line),
                 "Releasing message h%d of group a, to come back in 0 s: an earlier message of its "
                 "group comes back.",
                 i);
        assert_int_equal(fake_count_lines(line), 1);
    }
    assert_int_equal(fake_count_lines("Releasing "), 5);
    answer_all();
    assert_int_equal(inflight_counts(inflight)->released[RELEASE_RETRY], 1);
    assert_int_equal(inflight_counts(inflight)->released[RELEASE_BEHIND], 3);
    assert_string_equal(counted(), "5 received, 0 deleted, 1 failed, 4 released");
}

static void release_without_successors_is_one_line_at_debug(void **state)
{
    take(false, "--");
    finish(0, HANDLER_UNANSWERED);
    finish(1, HANDLER_DONE);
    dispatch();
    assert_int_equal(fake_count_lines("Releasing "), 1);
    assert_int_equal(fake_count_lines("Releasing message h0, to come back in 5 s: it was not "
                                      "handled, and is to be tried again. "
                                      "(handling -> releasing) [SQS_MESSAGE_ID=h0]"),
                     1);
    assert_int_equal(fake_count_lines("State of message h1: the handler is done with it. "
                                      "(handling -> recording) [SQS_MESSAGE_ID=h1]"),
                     1);
    answer_all();
    assert_int_equal(fake_count_lines("Message deleted from queue. SQS Message Id:h1 "), 1);
    assert_string_equal(counted(), "2 received, 1 deleted, 1 failed, 1 released");
}

static void stop_says_what_it_releases_and_why(void **state)
{
    take(true, "aabbc");
    assert_int_equal(n_runs, 3);
    inflight_stop(inflight, fake_now_usec + 60 * SEC);
    assert_int_equal(fake_count_lines("Releasing 2 messages whose handling has not begun."), 1);
    assert_int_equal(fake_count_lines("it was not begun before the stop."), 2);
    finish(0, HANDLER_NOT_REACHED);
    assert_int_equal(fake_count_lines("Releasing message h0 of group a, to come back in 0 s: the "
                                      "handler was not reached before the stop."),
                     1);
    finish(1, HANDLER_REJECT); /* its line is taken at once */
    assert_int_equal(inflight_cancel(inflight, 1 * SEC), 1);
    assert_int_equal(fake_count_lines("Releasing message h4 of group c, to come back in 0 s: the "
                                      "stop left no more time to handle it."),
                     1);
    dispatch();
    answer_all();
    assert_int_equal(inflight_counts(inflight)->released[RELEASE_NOT_BEGUN], 2);
    assert_int_equal(inflight_counts(inflight)->released[RELEASE_NOT_REACHED], 1);
    assert_int_equal(inflight_counts(inflight)->released[RELEASE_INTERRUPTED], 1);
    assert_string_equal(counted(), "5 received, 1 deleted, 1 rejected, 4 released");
}

/* Its program may have ended just before it was told to. */
static void message_rejected_after_its_cancel_is_logged_before_its_delete(void **state)
{
    take(false, "--");
    ends_late = true;
    inflight_stop(inflight, fake_now_usec + 60 * SEC);
    assert_int_equal(inflight_cancel(inflight, 1 * SEC), 2);
    fake_holds_messages = true;
    finish(0, HANDLER_REJECT);
    assert_int_equal(fake_count_lines("Message h0 is rejected and will be deleted"), 1);
    dispatch();
    assert_int_equal(fake_n_calls, 0);
    assert_true(fake_take_message(0));
    finish(1, HANDLER_REJECT);
    assert_true(fake_take_message(-ENOMEM)); /* nothing keeps its body */
    fake_holds_messages = false;
    dispatch();
    answer_all();
    assert_string_equal(counted(), "2 received, 1 deleted, 1 rejected, 1 released");
}

static void release_of_a_message_not_reached_is_logged_at_info(void **state)
{
    take(false, "-");
    inflight_stop(inflight, fake_now_usec + 60 * SEC);
    fake_level = LOG_INFO;
    finish(0, HANDLER_UNAVAILABLE);
    assert_int_equal(fake_count_lines("Releasing message h0, "), 1);
}

/* The warning counts those behind; the lost one itself is no release. */
static void lost_message_counts_as_lost_and_those_behind_as_released(void **state)
{
    take(true, "aaa");
    ends_late = true;
    fake_now_usec += 30 * SEC;
    dispatch();
    assert_int_equal(fake_count_lines("Message h0 is lost while it was handled"), 1);
    assert_int_equal(fake_count_lines("(releasing 2 behind it in its group)"), 1);
    assert_int_equal(fake_count_lines("Releasing 2 messages"), 0);
    assert_int_equal(fake_count_lines("an earlier message of its group comes back"), 2);
    finish(0, HANDLER_DONE);
    dispatch();
    check_sum();
    assert_int_equal(inflight_status(inflight).messages + inflight_counts(inflight)->lost, 3);
    assert_int_equal(inflight_counts(inflight)->deleted, 0);
}

static void delete_that_sqs_refuses_says_what_it_releases(void **state)
{
    take(true, "aa");
    finish(0, HANDLER_DONE);
    dispatch();
    fake_fail(0, AWS_ERROR_PERMANENT, "ReceiptHandleIsInvalid", "no");
    assert_int_equal(fake_count_lines("Message h0 cannot be deleted, it comes back"), 1);
    assert_int_equal(fake_count_lines("Releasing 1 message behind message h0 of group a, which "
                                      "comes back: it cannot be deleted."),
                     1);
    dispatch();
    answer_all();
    assert_string_equal(counted(), "2 received, 0 deleted, 1 released, 1 lost");
}

static void message_that_ends_late_is_released_when_it_has_ended(void **state)
{
    take(true, "aaa");
    finish(0, HANDLER_DONE);
    dispatch();
    assert_int_equal(n_runs, 2);
    ends_late = true;
    fake_fail(0, AWS_ERROR_PERMANENT, "ReceiptHandleIsInvalid", "no");
    assert_int_equal(fake_count_lines("Releasing 2 messages behind message h0"), 1);
    finish(1, HANDLER_RETRY);
    assert_int_equal(fake_count_lines("Releasing message h1 of group a, to come back in 0 s: an "
                                      "earlier message of its group comes back."),
                     1);
    dispatch();
    answer_all();
    assert_string_equal(counted(), "3 received, 0 deleted, 2 released, 1 lost");
}

/* One that ends because of one before it is counted for that, and for no second one. */
static void message_cancelled_twice_is_counted_once(void **state)
{
    take(true, "aaa");
    finish(0, HANDLER_DONE);
    dispatch();
    finish(1, HANDLER_DONE);
    dispatch();
    assert_int_equal(n_runs, 3);
    assert_int_equal(fake_n_calls, 1); /* the first delete; the second comes after it */
    ends_late = true;
    fake_now_usec += 15 * SEC;
    dispatch();
    fake_answer(1, "{\"Failed\":[{\"Id\":\"1\",\"Code\":\"ReceiptHandleIsInvalid\"}],"
                   "\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"2\"}]}");
    assert_int_equal(fake_count_lines("Message h1 is lost, it comes back"), 1);
    assert_int_equal(fake_count_lines("(releasing 1 behind it in its group)"), 1);
    fake_fail(0, AWS_ERROR_PERMANENT, "ReceiptHandleIsInvalid", "no");
    assert_int_equal(fake_count_lines("Message h0 cannot be deleted, it comes back"), 1);
    assert_int_equal(fake_count_lines("behind message h0"), 0);
    finish(2, HANDLER_RETRY);
    dispatch();
    answer_all();
    assert_int_equal(inflight_counts(inflight)->released[RELEASE_BEHIND], 1);
    check_sum();
    assert_int_equal(inflight_status(inflight).messages, 0);
}

static void lines_below_the_level_are_not_logged(void **state)
{
    fake_level = LOG_NOTICE;
    take(true, "aab");
    finish(0, HANDLER_RETRY);
    inflight_stop(inflight, fake_now_usec + 60 * SEC);
    assert_int_equal(fake_n_lines, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(lane_message_fails_successors_are_released_and_told),
        TEST(release_without_successors_is_one_line_at_debug),
        TEST(stop_says_what_it_releases_and_why),
        TEST(message_rejected_after_its_cancel_is_logged_before_its_delete),
        TEST(release_of_a_message_not_reached_is_logged_at_info),
        TEST(lost_message_counts_as_lost_and_those_behind_as_released),
        TEST(delete_that_sqs_refuses_says_what_it_releases),
        TEST(message_that_ends_late_is_released_when_it_has_ended),
        TEST(message_cancelled_twice_is_counted_once),
        TEST(lines_below_the_level_are_not_logged),
    };

    return cmocka_run_group_tests_name("consumerd-inflight-releases", tests, NULL, NULL);
}
