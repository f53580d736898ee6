/* SPDX-License-Identifier: MIT */
/* What becomes of messages that their handler is away for. */
#include "consumerd/inflight.h"
#include "consumerd/outage.h"
#include "fake-consumer.h"
#include "fake-log.h"
#include "test.h"

#include <stdio.h>

#define SEC USEC_PER_SEC
#define T0 (1000 * SEC)

/* --- A handler that does what the test says --- */

struct handler_run {
    char handle;
    handler_done_fn done;
    void *userdata;
    bool is_running;
};

static struct handler_run runs[64];
static size_t n_runs;
static enum handler_outcome at_once; /* answers so from inside `run`, where not HANDLER_REJECT */
static int run_error;
static const char *why;

static int fake_run(struct handler *handler, const struct sqs_received_message *message,
                    handler_done_fn done, void *userdata, struct handler_run **ret_run)
{
    struct handler_run *run = &runs[n_runs];

    assert_in_range(n_runs, 0, ARRAY_SIZE(runs) - 1);
    n_runs++;
    *run = (struct handler_run){.handle = message->receipt_handle[1]};
    if (run_error < 0)
        return run_error;
    if (at_once != HANDLER_REJECT) {
        done(userdata, at_once, HANDLER_DELAY_DEFAULT);
        return 0;
    }
    run->done = done;
    run->userdata = userdata;
    run->is_running = true;
    *ret_run = run;
    return 0;
}

static void fake_cancel(struct handler_run *run, uint64_t grace_usec)
{
    run->is_running = false;
    run->done(run->userdata, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
}

static void fake_abandon(struct handler_run *run)
{
    run->is_running = false;
}

static void fake_free(struct handler *handler)
{
}

static const char *fake_why_not_reached(const struct handler *handler)
{
    return why;
}

static struct handler_ops ops = {
    .run = fake_run,
    .cancel = fake_cancel,
    .abandon = fake_abandon,
    .free = fake_free,
    .why_not_reached = fake_why_not_reached,
};
static struct handler handler = {&ops};

static void finish(size_t i, enum handler_outcome outcome)
{
    assert_true(runs[i].is_running);
    runs[i].is_running = false;
    runs[i].done(runs[i].userdata, outcome, HANDLER_DELAY_DEFAULT);
}

/* The messages begun since the last call, by their handles. */
static const char *begun(void)
{
    static char text[ARRAY_SIZE(runs) + 1];
    static size_t n_seen;
    size_t n = 0;

    if (n_seen > n_runs)
        n_seen = 0;
    while (n_seen < n_runs)
        text[n++] = runs[n_seen++].handle;
    text[n] = '\0';
    if (n_runs == 0)
        n_seen = 0;
    return text;
}

/* --- The hand --- */

static struct inflight *inflight;

static void on_changed(void *userdata)
{
}

static void take(const char *groups, const char *prefix)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *reply = fake_received(groups, prefix);

    inflight_add(inflight, reply, fake_now_usec);
}

static void set_up(bool is_fifo, unsigned concurrency, const char *groups)
{
    fake_reset();
    memset(runs, 0, sizeof(runs));
    n_runs = 0;
    begun();
    at_once = HANDLER_REJECT;
    run_error = 0;
    why = "nobody is there";
    ops.is_reached_at_once = false;
    assert_int_equal(inflight_new(NULL, &handler, NULL,
                                  &(struct inflight_options){
                                      .is_fifo = is_fifo,
                                      .visibility_sec = 30,
                                      .concurrency = concurrency,
                                      .retry_delay_usec = 5 * SEC,
                                      .retry_delay_max_usec = 60 * SEC,
                                  },
                                  on_changed, NULL, &inflight),
                     0);
    take(groups, "h");
}

static int tear_down(void **state)
{
    inflight = inflight_free(inflight);
    fake_holds_messages = false;
    fake_reset();
    return 0;
}

static uint64_t dispatch(void)
{
    uint64_t next = 0;

    assert_int_equal(inflight_dispatch(inflight, &next), 0);
    return next;
}

/* Answers all that is asked of SQS by yes. */
static void answer_all(void)
{
    for (size_t i = 0; i < fake_n_calls; i++)
        if (fake_calls[i].is_open) {
            CLEANUP(buffer_done) struct buffer json = BUFFER_INIT(4096);

            buffer_append_string(&json, "{\"Successful\":[");
            for (size_t k = 0; k < fake_calls[i].request->n_entries; k++)
                buffer_printf(&json, "%s{\"Id\":\"%zu\"}", k > 0 ? "," : "", k);
            buffer_append_string(&json, "]}");
            fake_answer(i, json.data);
        }
}

/* Goes on to the next time at which something is due, leases among it. */
static void go_on(void)
{
    uint64_t next = dispatch();

    assert_true(next < USEC_INFINITY && next > fake_now_usec);
    fake_now_usec = next;
    dispatch();
    answer_all();
}

/* The first message begun from now on, and all that is begun with it. */
static const char *next_begun(void)
{
    for (int i = 0; i < 100; i++) {
        const char *text = begun();

        if (text[0])
            return text;
        go_on();
    }
    return "none";
}

static void message_not_reached_stays_in_flight_and_is_tried_again(void **state)
{
    set_up(false, 10, "---");
    dispatch();
    assert_string_equal(begun(), "012");
    for (size_t i = 0; i < 3; i++)
        finish(i, HANDLER_NOT_REACHED);
    for (int i = 0; i < 30; i++) { /* for more than a lease */
        char expected[] = {(char)('0' + i % 3), '\0'};

        assert_string_equal(next_begun(), expected); /* one at a time, in turn */
        finish(n_runs - 1, HANDLER_NOT_REACHED);
        assert_true(inflight_status(inflight).is_paused);
        assert_string_equal(inflight_status(inflight).outage, "nobody is there");
    }
    assert_true(fake_now_usec > T0 + 100 * SEC);
    assert_int_equal(inflight_status(inflight).outage_usec, fake_now_usec - T0);
    assert_int_equal(inflight_status(inflight).messages, 3);
    assert_int_equal(inflight_status(inflight).releasing, 0);
    assert_int_equal(inflight_status(inflight).visible_usec, 0); /* none was given back */

    assert_string_equal(next_begun(), "0");
    finish(n_runs - 1, HANDLER_DONE);
    assert_int_equal(inflight_status(inflight).outage_usec, 0);
    assert_false(inflight_status(inflight).is_paused);
    dispatch();
    assert_string_equal(begun(), "12"); /* all others at once */
}

static void group_keeps_its_order(void **state)
{
    set_up(true, 10, "aab");
    dispatch();
    assert_string_equal(begun(), "02");
    finish(0, HANDLER_NOT_REACHED);
    finish(1, HANDLER_NOT_REACHED);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(next_begun(), i % 2 ? "2" : "0");
        finish(n_runs - 1, HANDLER_NOT_REACHED);
    }
    assert_string_equal(next_begun(), "0");
    finish(n_runs - 1, HANDLER_DONE);
    dispatch();
    assert_string_equal(begun(), "21");
}

static void message_received_meanwhile_waits_as_well(void **state)
{
    set_up(false, 10, "-");
    dispatch();
    finish(0, HANDLER_NOT_REACHED);
    begun();
    take("--", "i");
    dispatch();
    assert_string_equal(begun(), "");
    assert_true(inflight_status(inflight).is_paused);
    assert_string_equal(next_begun(), "0");
}

static void handler_that_cannot_begin_is_not_reached(void **state)
{
    set_up(false, 10, "--");
    run_error = -ENOMEM;
    dispatch();
    assert_string_equal(begun(), "0"); /* the other is not even tried */
    assert_string_equal(inflight_status(inflight).outage, strerror(ENOMEM));
    assert_int_equal(inflight_status(inflight).messages, 2);
    run_error = 0;
    at_once = HANDLER_NOT_REACHED;
    assert_string_equal(next_begun(), "1");
    assert_int_equal(inflight_status(inflight).releasing, 0);
    run_error = -E2BIG; /* this is the message's */
    assert_string_equal(next_begun(), "0");
    assert_int_equal(inflight_status(inflight).messages, 1);
    assert_int_equal(fake_count_lines("cannot be passed to the handler"), 1);
}

static void handler_reached_at_once_need_not_be_waited_for(void **state)
{
    set_up(false, 10, "---");
    ops.is_reached_at_once = true;
    at_once = HANDLER_NOT_REACHED;
    dispatch();
    assert_string_equal(begun(), "0");
    at_once = HANDLER_REJECT; /* it begins to work */
    assert_string_equal(next_begun(), "120");
    assert_int_equal(inflight_status(inflight).handling, 3);
    assert_int_equal(inflight_status(inflight).outage_usec, 0);
}

static void rejected_message_waits_for_its_line(void **state)
{
    set_up(false, 10, "--");
    fake_holds_messages = true;
    fake_n_lines = 0;
    dispatch();
    finish(0, HANDLER_REJECT);
    dispatch();
    assert_int_equal(fake_count_lines("Message h0 is rejected"), 1);
    assert_int_equal(fake_n_calls, 0);
    assert_true(fake_take_message(0));
    dispatch();
    assert_int_equal(fake_n_calls, 1); /* the delete */

    /* A stop does not wait for it. */
    finish(1, HANDLER_REJECT);
    inflight_cancel(inflight, SEC);
    assert_false(fake_take_message(0));
    assert_int_equal(inflight_status(inflight).releasing, 1);
}

static void message_whose_line_is_not_taken_is_not_handled_again(void **state)
{
    set_up(false, 10, "-");
    ops.is_reached_at_once = true;
    fake_holds_messages = true;
    fake_n_lines = 0;
    dispatch();
    assert_string_equal(begun(), "0");
    finish(0, HANDLER_REJECT);
    for (size_t n = 1; n <= 5; n++) {
        assert_int_equal(fake_count_lines("Message h0 is rejected"), n);
        assert_true(fake_take_message(-EPIPE));
        assert_non_null(strstr(inflight_status(inflight).outage, "the line of a rejected message"));
        assert_int_equal(inflight_status(inflight).releasing, 0);
        while (fake_count_lines("Message h0 is rejected") == n)
            go_on();
    }
    assert_true(fake_now_usec > T0 + 8 * SEC); /* the back-off grows */
    assert_true(fake_take_message(0));
    dispatch();
    assert_string_equal(begun(), "");
    assert_int_equal(inflight_status(inflight).deleting, 1);
    assert_int_equal(inflight_status(inflight).outage_usec, 0);
}

static void stop_releases_all_at_once(void **state)
{
    set_up(false, 10, "----");
    dispatch();
    for (size_t i = 0; i < 3; i++)
        finish(i, HANDLER_NOT_REACHED);
    inflight_stop(inflight, T0 + 60 * SEC);
    finish(3, HANDLER_UNAVAILABLE);
    dispatch();
    assert_int_equal(inflight_status(inflight).releasing, 4);
    assert_non_null(strstr(fake_request(0), "\"VisibilityTimeout\":0}"));
    assert_null(strstr(fake_request(0), "\"VisibilityTimeout\":5}"));
}

static void message_loses_its_lease_receives_go_on(void **state)
{
    set_up(false, 10, "-");
    dispatch();
    finish(0, HANDLER_NOT_REACHED);
    fake_now_usec += 15 * SEC;
    dispatch();
    assert_true(inflight_status(inflight).is_paused);
    fake_answer(0, "{\"Failed\":[{\"Id\":\"0\",\"Code\":\"InvalidParameterValue\",\"SenderFault\":"
                   "true,\"Message\":\"not available for visibility timeout change\"}]}");
    fake_now_usec += 30 * SEC;
    dispatch();
    dispatch();
    assert_false(inflight_status(inflight).is_paused); /* there is nothing else to try with */
    assert_true(inflight_status(inflight).outage_usec > 0);
    take("-", "i");
    dispatch();
    assert_int_equal(inflight_status(inflight).handling, 1);
}

static void back_off_without_messages_in_flight_holds_for_the_next_receive(void **state)
{
    uint64_t next;

    set_up(false, 10, "-");
    dispatch();
    finish(0, HANDLER_NOT_REACHED);
    go_on();
    finish(1, HANDLER_UNANSWERED); /* and that is no answer, either */
    dispatch();
    answer_all();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_true(inflight_status(inflight).is_paused);
    next = dispatch();
    assert_in_range(next, fake_now_usec + 1, fake_now_usec + 2 * SEC);
    fake_now_usec = next;
    assert_int_equal(dispatch(), USEC_INFINITY);
    assert_false(inflight_status(inflight).is_paused);
}

static void message_refused_alone_is_charged_and_those_behind_it_come_back_with_it(void **state)
{
    set_up(true, 10, "aaa");
    dispatch();
    for (int i = 0; i < 4; i++) {
        assert_int_equal(inflight_status(inflight).releasing, 0);
        assert_string_equal(next_begun(), "0");
        finish(n_runs - 1, HANDLER_UNAVAILABLE);
    }
    assert_int_equal(inflight_status(inflight).releasing, 3);
    fake_n_lines = 0;
    dispatch();
    assert_non_null(strstr(fake_request(fake_n_calls - 1), "\"VisibilityTimeout\":5"));
}

static void message_refused_while_another_got_through_is_tried_by_itself(void **state)
{
    set_up(false, 10, "----");
    dispatch();
    begun();
    finish(0, HANDLER_UNAVAILABLE);
    finish(1, HANDLER_NOT_REACHED);
    finish(2, HANDLER_RETRY); /* status 500 is an answer */
    assert_int_equal(inflight_status(inflight).releasing, 1);
    take("--", "i");
    dispatch();
    assert_string_equal(begun(), ""); /* the last is still with the handler */
    finish(3, HANDLER_DONE);
    dispatch();
    assert_string_equal(begun(), "0");
    dispatch();
    assert_int_equal(inflight_status(inflight).handling, 1);
    finish(4, HANDLER_UNAVAILABLE);
    assert_int_equal(inflight_status(inflight).releasing, 2);
    assert_string_equal(next_begun(), "1");
    finish(5, HANDLER_DONE);
    dispatch();
    assert_string_equal(begun(), "01"); /* all others at once */
}

/* An application behind a gateway, which message 0 crashes: then all that is with it is refused,
 * and all that comes before it has started again. */
static void serve(uint64_t *up_usec)
{
    bool is_up = fake_now_usec >= *up_usec;

    for (size_t i = 0; is_up && i < n_runs; i++)
        if (runs[i].is_running && runs[i].handle == '0') {
            *up_usec = fake_now_usec + 3 * SEC;
            is_up = false;
        }
    for (size_t i = 0; i < n_runs; i++)
        if (runs[i].is_running)
            finish(i, is_up ? HANDLER_DONE : HANDLER_UNAVAILABLE);
}

static void message_that_crashes_the_handler_is_charged_and_no_other(void **state)
{
    uint64_t up_usec = 0;

    set_up(false, 10, "------");
    fake_n_lines = 0;
    dispatch();
    for (int i = 0; i < 100 && inflight_status(inflight).messages > 0; i++) {
        serve(&up_usec);
        dispatch();
        answer_all();
        if (inflight_status(inflight).messages > 0)
            go_on();
    }
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_counts(inflight)->deleted, 5);
    assert_int_equal(fake_count_lines("is not handled, it comes back"), 1);
    assert_int_equal(fake_count_lines("Message h0 is not handled, it comes back"), 1);
}

static void outage_is_logged_once_a_minute_and_at_its_end(void **state)
{
    uint64_t minutes;

    set_up(false, 10, "---");
    fake_n_lines = 0;
    dispatch();
    for (size_t i = 0; i < 3; i++)
        finish(i, HANDLER_NOT_REACHED);
    assert_int_equal(
        fake_count_lines("The handler is not reached: nobody is there. 3 messages in flight "
                         "wait for it, and no further messages are received; next attempt in 1 s."),
        1);
    begun();
    while (fake_now_usec < T0 + 300 * SEC) {
        next_begun();
        finish(n_runs - 1, HANDLER_NOT_REACHED);
    }
    minutes = (fake_now_usec - T0) / (60 * SEC);
    assert_in_range(fake_count_lines("is not reached"), minutes / 2, minutes + 1);
    next_begun();
    finish(n_runs - 1, HANDLER_DONE);
    assert_int_equal(fake_count_lines("The handler is reached again, after "), 1);
}

static void fifo_queue_without_groups_is_logged_once(void **state)
{
    fake_n_lines = 0;
    set_up(true, 10, "--");
    take("-a", "i");
    dispatch();
    assert_string_equal(begun(), "01"); /* of those without a group, and the one of group a */
    assert_int_equal(fake_count_lines("sends no MessageGroupId"), 1);
    tear_down(NULL);
    set_up(false, 10, "--");
    assert_int_equal(fake_count_lines("sends no MessageGroupId"), 1);
}

/* It did not stand right behind the one that it is a copy of when it was tried first. */
static void deferred_message_is_a_copy_later(void **state)
{
    set_up(true, 10, "aa");
    at_once = HANDLER_DONE;
    dispatch();
    assert_string_equal(begun(), "01");
    at_once = HANDLER_NOT_REACHED;
    take("a", "h");
    dispatch();
    assert_string_equal(begun(), "0");
    fake_answer(0, "{\"Successful\":[{\"Id\":\"1\"}],"
                   "\"Failed\":[{\"Id\":\"0\",\"Code\":\"InternalError\"}]}");
    fake_n_lines = 0;
    fake_now_usec += OUTAGE_BACKOFF_MAX_USEC;
    dispatch();
    assert_string_equal(begun(), "");
    assert_int_equal(fake_count_lines("Message h0 was received twice: it has been handled"), 1);
    assert_int_equal(inflight_status(inflight).deleting, 2);
}

static uint64_t n_handling_times(void)
{
    const struct consumer_counts *counts = inflight_counts(inflight);
    uint64_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(counts->handling.buckets); i++)
        n += counts->handling.buckets[i];
    return n;
}

static void handling_time_is_that_of_messages_which_the_handler_has_answered(void **state)
{
    set_up(true, 10, "a");
    at_once = HANDLER_NOT_REACHED;
    dispatch();
    assert_int_equal(inflight_counts(inflight)->outcomes[HANDLER_NOT_REACHED], 1);
    assert_int_equal(n_handling_times(), 0);
    fake_now_usec += 10 * SEC;
    at_once = HANDLER_UNAVAILABLE;
    dispatch();
    assert_int_equal(n_handling_times(), 0);
    fake_now_usec += 10 * SEC;
    at_once = HANDLER_DONE;
    dispatch();
    assert_int_equal(n_handling_times(), 1);
}

static void handling_time_of_a_message_that_is_taken_back_is_not_counted(void **state)
{
    set_up(true, 10, "a");
    dispatch();
    assert_true(runs[0].is_running);
    fake_now_usec += 3600 * SEC;
    dispatch();
    assert_false(runs[0].is_running);
    assert_int_equal(n_handling_times(), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(message_not_reached_stays_in_flight_and_is_tried_again),
        TEST(group_keeps_its_order),
        TEST(message_received_meanwhile_waits_as_well),
        TEST(handler_that_cannot_begin_is_not_reached),
        TEST(handler_reached_at_once_need_not_be_waited_for),
        TEST(rejected_message_waits_for_its_line),
        TEST(message_whose_line_is_not_taken_is_not_handled_again),
        TEST(stop_releases_all_at_once),
        TEST(message_loses_its_lease_receives_go_on),
        TEST(back_off_without_messages_in_flight_holds_for_the_next_receive),
        TEST(message_refused_alone_is_charged_and_those_behind_it_come_back_with_it),
        TEST(message_refused_while_another_got_through_is_tried_by_itself),
        TEST(message_that_crashes_the_handler_is_charged_and_no_other),
        TEST(deferred_message_is_a_copy_later),
        TEST(fifo_queue_without_groups_is_logged_once),
        TEST(outage_is_logged_once_a_minute_and_at_its_end),
        cmocka_unit_test_teardown(handling_time_is_that_of_messages_which_the_handler_has_answered,
                                  tear_down),
        cmocka_unit_test_teardown(handling_time_of_a_message_that_is_taken_back_is_not_counted,
                                  tear_down),
    };

    return cmocka_run_group_tests_name("consumerd-inflight-outage", tests, NULL, NULL);
}
