/* SPDX-License-Identifier: MIT */
#include "consumerd/receiver.h"
#include "fake-consumer.h"
#include "test.h"

#include <stdio.h>

#define SEC USEC_PER_SEC
#define MSEC USEC_PER_MSEC

static struct receiver *receiver;
static size_t n_done, n_received, n_failed;

static void on_done(void *userdata, const struct sqs_result *result)
{
    n_done++;
    if (result->reply)
        n_received += result->reply->n_messages;
    else
        n_failed++;
}

static void set_up(const struct receiver_options *options)
{
    fake_reset();
    n_done = n_received = n_failed = 0;
    assert_int_equal(receiver_new(NULL, options, fake_now_usec, on_done, NULL, &receiver), 0);
}

/* As when busy: full receives before have brought it to as many polls as there may be. */
static void set_up_busy(const struct receiver_options *options)
{
    set_up(options);
    for (unsigned polls = 1; polls < options->polls; polls *= 2) {
        uint64_t next_usec = 0;

        assert_int_equal(receiver_dispatch(receiver, &(struct receiver_capacity){1, 1, 0},
                                           fake_now_usec, &next_usec),
                         0);
        fake_deliver(fake_n_calls - 1, "a", "m");
        fake_now_usec += options->pause_usec;
    }
    n_done = n_received = n_failed = 0;
    fake_forget_calls();
}

static int tear_down(void **state)
{
    receiver = receiver_free(receiver);
    assert_int_equal(fake_n_open(), 0);
    fake_reset();
    return 0;
}

static uint64_t dispatch_since(size_t begin, size_t hold, uint64_t since_usec)
{
    uint64_t next = 0;

    assert_int_equal(receiver_dispatch(receiver,
                                       &(struct receiver_capacity){begin, hold, since_usec},
                                       fake_now_usec, &next),
                     0);
    return next;
}

static uint64_t dispatch(size_t room)
{
    return dispatch_since(room, room, 0);
}

static size_t first_open(void)
{
    size_t i = 0;

    while (!fake_calls[i].is_open)
        i++;
    return i;
}

static const char *attempt_id(size_t i)
{
    static char ids[16][40];
    static size_t at;
    const char *p = strstr(fake_request(i), "\"ReceiveRequestAttemptId\":\"");
    char *id = ids[at++ % 16];

    assert_non_null(p);
    memcpy(id, p + strlen("\"ReceiveRequestAttemptId\":\""), 36);
    id[36] = '\0';
    return id;
}

/* Ten a poll, 15 s of waiting, 30 s of lease. */
static const struct receiver_options *queue(bool is_fifo, unsigned polls, uint64_t pause_usec)
{
    static struct receiver_options options;

    options = (struct receiver_options){
        .is_fifo = is_fifo,
        .polls = polls,
        .max_messages = 10,
        .wait_sec = 15,
        .visibility_sec = 30,
        .pause_usec = pause_usec,
    };
    return &options;
}

static void a_poll_asks_for_as_much_as_there_is_room_for(void **state)
{
    set_up(queue(false, 1, 0));
    assert_int_equal(dispatch(0), USEC_INFINITY);
    assert_int_equal(fake_n_calls, 0);
    assert_int_equal(dispatch(3), USEC_INFINITY);
    assert_int_equal(fake_n_calls, 1);
    assert_string_equal(fake_request(0),
                        "{\"QueueUrl\":\"q\",\"MaxNumberOfMessages\":3,\"WaitTimeSeconds\":15,"
                        "\"VisibilityTimeout\":30,\"MessageSystemAttributeNames\":[\"All\"],"
                        "\"MessageAttributeNames\":[\"All\"]}");
    assert_int_equal(fake_calls[0].options.wait_usec, 15 * SEC);
    assert_int_equal(receiver_reserved(receiver), 3);
    assert_int_equal(receiver_polls(receiver), 1);
    fake_answer(0, "{}");
    assert_int_equal(receiver_reserved(receiver), 0);
    assert_int_equal(n_done, 1);
}

static void a_message_begun_at_a_time_may_come_with_others(void **state)
{
    set_up(queue(true, 1, 0));
    dispatch_since(1, 10, 0);
    assert_non_null(strstr(fake_request(0), "\"MaxNumberOfMessages\":10"));
}

static void further_polls_are_made_only_where_they_can_be_full(void **state)
{
    set_up_busy(queue(true, 4, 0));
    dispatch(25);
    assert_int_equal(fake_n_calls, 2);
    assert_int_equal(receiver_reserved(receiver), 20);
    dispatch(5);
    assert_int_equal(fake_n_calls, 2);
    fake_deliver(0, "a", "m");
    fake_deliver(1, "a", "m");
    dispatch(5);
    assert_int_equal(fake_n_calls, 3);
    assert_int_equal(receiver_reserved(receiver), 5);
    dispatch(1000);
    assert_int_equal(receiver_polls(receiver), 4);
}

static void an_idle_queue_is_asked_by_one_at_a_time(void **state)
{
    set_up(queue(true, 32, 0));
    dispatch(1000);
    assert_int_equal(receiver_polls(receiver), 1);
    fake_answer(0, "{}");
    dispatch(1000);
    assert_int_equal(receiver_polls(receiver), 1);
}

static void full_receives_double_the_polls_and_empty_ones_halve_them(void **state)
{
    static const unsigned polls[] = {1, 2, 4, 7, 7};

    set_up(queue(true, 7, 0));
    for (size_t i = 0; i < ARRAY_SIZE(polls); i++) {
        dispatch(1000);
        assert_int_equal(receiver_polls(receiver), polls[i]);
        fake_deliver(first_open(), "abcdefghij", "m");
    }
    fake_deliver(first_open(), "abcdefghi", "m"); /* neither full nor empty */
    dispatch(1000);
    assert_int_equal(receiver_polls(receiver), 7);
    fake_answer(first_open(), "{}");
    fake_answer(first_open(), "{}");
    dispatch(1000);
    assert_int_equal(receiver_polls(receiver), 5); /* those under way are let end */
    while (receiver_polls(receiver) > 0)
        fake_answer(first_open(), "{}");
    dispatch(1000);
    assert_int_equal(receiver_polls(receiver), 1);
}

static void none_takes_the_place_of_one_that_pauses(void **state)
{
    set_up(queue(true, 4, 500 * MSEC));
    dispatch(1000);
    fake_answer(0, "{}");
    assert_int_equal(dispatch(1000), fake_now_usec + 500 * MSEC);
    assert_int_equal(fake_n_calls, 1);
    fake_now_usec += 500 * MSEC;
    dispatch(1000);
    assert_int_equal(fake_n_calls, 2);
}

static void a_refused_poll_is_repeated_after_five_seconds(void **state)
{
    set_up(queue(true, 1, 0));
    dispatch(7);
    fake_fail(0, AWS_ERROR_PERMANENT, "InvalidParameterValueException", "no");
    assert_int_equal(dispatch(7), fake_now_usec + 5 * SEC);
    fake_now_usec += 5 * SEC - 1;
    dispatch(7);
    assert_int_equal(fake_n_calls, 1);
    fake_now_usec++;
    dispatch(7);
    assert_int_equal(fake_n_calls, 2);
}

static void pauses_are_kept_after_a_poll_and_after_there_was_no_room(void **state)
{
    set_up(queue(true, 1, 500 * MSEC));
    dispatch(1);
    fake_answer(0, "{}");
    assert_int_equal(dispatch(1), fake_now_usec + 500 * MSEC);
    fake_now_usec += 300 * MSEC;
    assert_int_equal(dispatch_since(1, 1, fake_now_usec), fake_now_usec + 500 * MSEC);
    fake_now_usec += 200 * MSEC;
    assert_int_equal(fake_n_calls, 1);
    assert_int_equal(dispatch(1), USEC_INFINITY);
    assert_int_equal(fake_n_calls, 2);
}

static void nothing_is_received_before_the_start(void **state)
{
    fake_reset();
    assert_int_equal(
        receiver_new(NULL, queue(true, 1, 0), fake_now_usec + SEC, on_done, NULL, &receiver), 0);
    assert_int_equal(dispatch(1), fake_now_usec + SEC);
    assert_int_equal(fake_n_calls, 0);
    fake_now_usec += SEC;
    dispatch(1);
    assert_int_equal(fake_n_calls, 1);
}

static void each_receive_has_its_own_attempt_id(void **state)
{
    set_up_busy(queue(true, 2, 0));
    dispatch(20);
    fake_deliver(0, "a", "m");
    dispatch(20);
    assert_string_not_equal(attempt_id(0), attempt_id(1));
    assert_string_not_equal(attempt_id(0), attempt_id(2));
}

static void an_attempt_id_is_kept_while_the_outcome_is_unknown(void **state)
{
    const char *id;

    set_up(queue(true, 1, 0));
    dispatch(10);
    id = attempt_id(0);
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
    assert_string_equal(attempt_id(0), id);
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "InternalError"));
    assert_string_equal(attempt_id(0), id);
    fake_now_usec += RECEIVER_ATTEMPT_MAX_USEC - 1;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
    assert_string_equal(attempt_id(0), id);
    fake_now_usec += 1;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
    assert_string_not_equal(attempt_id(0), id);
}

static void an_attempt_id_is_renewed_after_a_no_of_sqs(void **state)
{
    static const enum aws_error_class classes[] = {AWS_ERROR_THROTTLED, AWS_ERROR_PERMANENT};

    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        const char *id;

        set_up(queue(true, 1, 0));
        dispatch(10);
        id = attempt_id(0);
        assert_true(fake_retry(0, classes[i], "x"));
        assert_string_not_equal(attempt_id(0), id);
        id = attempt_id(0);
        assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
        assert_string_equal(attempt_id(0), id);
        tear_down(NULL);
    }
}

/* Refused keys and a wrong clock are of the front door; what found no connection has not come even
 * there. */
static void an_attempt_id_is_kept_where_sqs_was_not_reached(void **state)
{
    const char *id;

    set_up(queue(true, 1, 0));
    dispatch(10);
    id = attempt_id(0);
    assert_true(fake_retry(0, AWS_ERROR_CREDENTIALS, "ExpiredTokenException"));
    assert_true(fake_retry(0, AWS_ERROR_CLOCK, "RequestExpired"));
    fake_was_not_sent = true;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    assert_string_equal(attempt_id(0), id);
    /* And none of it is a reply that was lost. */
    fake_was_not_sent = false;
    assert_true(fake_retry(0, AWS_ERROR_THROTTLED, "RequestThrottled"));
    assert_string_not_equal(attempt_id(0), id);
}

static void once_in_doubt_an_attempt_id_is_kept_whatever_comes_then(void **state)
{
    static const enum aws_error_class classes[] = {AWS_ERROR_CREDENTIALS, AWS_ERROR_CLOCK,
                                                   AWS_ERROR_THROTTLED, AWS_ERROR_PERMANENT};
    const char *id;

    set_up(queue(true, 1, 0));
    dispatch(10);
    id = attempt_id(0);
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        assert_true(fake_retry(0, classes[i], "x"));
        assert_string_equal(attempt_id(0), id);
    }
    /* A new one begins without the old one's doubt. */
    fake_now_usec += RECEIVER_ATTEMPT_MAX_USEC;
    assert_true(fake_retry(0, AWS_ERROR_CREDENTIALS, "x"));
    assert_string_not_equal(attempt_id(0), id);
    id = attempt_id(0);
    assert_true(fake_retry(0, AWS_ERROR_THROTTLED, "x"));
    assert_string_not_equal(attempt_id(0), id);
}

/* And the doubt ends: with the same id SQS may answer from memory, at once. */
static void an_attempt_id_is_renewed_after_an_empty_reply_that_came_too_early(void **state)
{
    const char *id;

    set_up(queue(true, 1, 0));
    dispatch(10);
    id = attempt_id(0);
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, SQS_ERROR_TOO_EARLY));
    assert_string_not_equal(attempt_id(0), id);
    id = attempt_id(0);
    assert_true(fake_retry(0, AWS_ERROR_THROTTLED, "RequestThrottled"));
    assert_string_not_equal(attempt_id(0), id);
}

static bool stall(size_t i)
{
    bool goes_on;

    fake_stall = SQS_STALL_RECEIVE;
    goes_on = fake_retry(i, AWS_ERROR_TRANSIENT, SQS_ERROR_STALLED);
    fake_stall = SQS_STALL_NONE;
    return goes_on;
}

static bool asks_for(size_t i, unsigned n)
{
    char text[64];

    snprintf(text, sizeof(text), "\"MaxNumberOfMessages\":%u,", n);
    return strstr(fake_request(i), text);
}

static void after_a_stall_a_receive_asks_for_half_down_to_one(void **state)
{
    static const unsigned wanted[] = {5, 2, 1, 1};

    set_up(queue(false, 1, 0));
    dispatch(10);
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        assert_true(stall(0));
        assert_true(asks_for(0, wanted[i]));
        assert_int_equal(receiver_reserved(receiver), wanted[i]);
    }
    /* Full ones let it grow again, step by step. */
    fake_deliver(0, "a", "m");
    dispatch(10);
    assert_true(asks_for(1, 2));
    fake_deliver(1, "a", "m"); /* not full */
    dispatch(10);
    assert_true(asks_for(2, 2));
    assert_int_equal(receiver_reserved(receiver), 2);
}

static void after_a_stall_fewer_polls_are_made(void **state)
{
    set_up_busy(queue(false, 4, 0));
    dispatch(1000);
    assert_int_equal(receiver_polls(receiver), 4);
    /* They stalled together, which counts once: two go on, with half of the messages. */
    assert_false(stall(0));
    assert_false(stall(1));
    assert_true(stall(2));
    assert_true(stall(3));
    assert_true(asks_for(2, 5) && asks_for(3, 5));
    assert_int_equal(n_failed, 2);
    dispatch(1000);
    assert_int_equal(receiver_polls(receiver), 2);
    assert_int_equal(receiver_reserved(receiver), 10);
    /* What they were given is away for a while. */
    assert_true(receiver_visible_usec(receiver) >= fake_now_usec + 45 * SEC);
}

/* With the id SQS brings the same again, so it is kept for one more try. */
static void after_two_stalls_a_fifo_queue_is_asked_for_fewer_with_another_id(void **state)
{
    const char *id;

    set_up(queue(true, 1, 0));
    dispatch(10);
    id = attempt_id(0);
    assert_true(stall(0));
    assert_string_equal(attempt_id(0), id);
    assert_true(asks_for(0, 10));
    assert_true(stall(0));
    assert_string_not_equal(attempt_id(0), id);
    assert_true(asks_for(0, 2));
    assert_int_equal(receiver_reserved(receiver), 2);
    assert_true(receiver_visible_usec(receiver) >= fake_now_usec + 45 * SEC);
}

static void a_void_attempt_is_replaced_at_once_and_a_refusal_waits(void **state)
{
    const char *id;

    set_up(queue(true, 1, SEC));
    dispatch(10);
    id = attempt_id(0);
    fake_fail(0, AWS_ERROR_PERMANENT, "InvalidParameterValueException",
              "The receiveRequestAttemptId is not valid anymore since the receive call is not "
              "retryable.");
    assert_int_equal(n_failed, 1);
    assert_int_equal(dispatch(10), USEC_INFINITY);
    assert_int_equal(fake_n_calls, 2);
    assert_string_not_equal(attempt_id(1), id);
    fake_fail(1, AWS_ERROR_PERMANENT, "UnsupportedOperation", "no");
    assert_int_equal(dispatch(10), fake_now_usec + RECEIVER_REFUSED_PAUSE_USEC);
}

static void a_standard_queue_has_no_attempt_ids(void **state)
{
    set_up(queue(false, 1, 0));
    dispatch(10);
    assert_null(strstr(fake_request(0), "AttemptId"));
    assert_true(fake_retry(0, AWS_ERROR_THROTTLED, "RequestThrottled"));
    assert_null(strstr(fake_request(0), "AttemptId"));
    fake_fail(0, AWS_ERROR_PERMANENT, "x", "");
}

static void a_stop_lets_polls_end_where_there_is_time(void **state)
{
    set_up_busy(queue(true, 2, 0));
    dispatch(20);
    receiver_stop(receiver, fake_now_usec, fake_now_usec + 20 * SEC);
    assert_true(fake_calls[0].is_open && fake_calls[0].is_last_attempt);
    assert_true(fake_calls[1].is_open && fake_calls[1].is_last_attempt);
    fake_answer(0, "{}");
    dispatch(20);
    assert_int_equal(fake_n_calls, 2);
    fake_answer(1, "{}");
    assert_int_equal(receiver_polls(receiver), 0);
    assert_int_equal(n_done, 2);
}

/* Not before: it may be given messages until it ends. */
static void a_short_stop_asks_a_fifo_queue_again_near_its_end_and_without_a_wait(void **state)
{
    uint64_t ask_usec;

    set_up(queue(true, 1, 0));
    dispatch(7);
    ask_usec = fake_now_usec + 8 * SEC;
    receiver_stop(receiver, fake_now_usec, ask_usec + RECEIVER_POLL_MARGIN_USEC);
    assert_int_equal(dispatch(0), ask_usec);
    fake_now_usec = ask_usec - 1;
    assert_int_equal(dispatch(0), ask_usec);
    assert_int_equal(fake_n_calls, 1);
    assert_true(fake_calls[0].is_open && fake_calls[0].is_last_attempt);
    fake_now_usec = ask_usec;
    dispatch(0);
    assert_int_equal(fake_n_calls, 2);
    assert_false(fake_calls[0].is_open);
    assert_string_equal(attempt_id(1), attempt_id(0));
    assert_non_null(strstr(fake_request(1), "\"MaxNumberOfMessages\":7,\"WaitTimeSeconds\":0,"));
    assert_int_equal(fake_calls[1].options.wait_usec, 0);
    assert_int_equal(fake_calls[1].timeout_usec, RECEIVER_POLL_MARGIN_USEC / 4);
    assert_true(fake_retry(1, AWS_ERROR_TRANSIENT, ""));
    assert_string_equal(attempt_id(1), attempt_id(0));
    assert_int_equal(fake_calls[1].timeout_usec, RECEIVER_POLL_MARGIN_USEC / 2);
    assert_int_equal(receiver_polls(receiver), 1);
    fake_answer(1, "{}");
    assert_int_equal(fake_n_calls, 2);
    assert_int_equal(receiver_polls(receiver), 0);
    assert_int_equal(receiver_abandoned(receiver), 0);
}

static void what_is_asked_again_in_vain_until_the_deadline_is_told(void **state)
{
    uint64_t deadline_usec;

    set_up_busy(queue(true, 3, 0));
    dispatch(27);
    deadline_usec = fake_now_usec + 10 * SEC;
    receiver_stop(receiver, fake_now_usec, deadline_usec);
    fake_now_usec += 8 * SEC;
    dispatch(0);
    assert_int_equal(fake_n_calls, 4);
    for (size_t i = 0; i < 8; i++) {
        fake_now_usec += 100 * MSEC;
        assert_int_equal(dispatch(0), deadline_usec);
        assert_true(fake_retry(2, AWS_ERROR_TRANSIENT, ""));
    }
    fake_now_usec = deadline_usec - 1;
    assert_true(fake_retry(2, AWS_ERROR_THROTTLED, "RequestThrottled"));
    assert_false(fake_calls[2].is_last_attempt);
    fake_now_usec = deadline_usec;
    assert_int_equal(dispatch(0), USEC_INFINITY);
    assert_true(fake_calls[2].is_last_attempt && fake_calls[3].is_last_attempt);
    assert_false(fake_retry(2, AWS_ERROR_THROTTLED, "RequestThrottled"));
    assert_int_equal(receiver_abandoned(receiver), 10);
    fake_answer(3, "{}");
    assert_int_equal(receiver_polls(receiver), 0);
    assert_int_equal(receiver_abandoned(receiver), 10);
}

/* It is not under way, and so is not asked about where SQS never had it. */
static void a_short_stop_ends_a_poll_that_waits_to_be_repeated(void **state)
{
    set_up(queue(true, 1, 0));
    dispatch(7);
    receiver_stop(receiver, fake_now_usec, fake_now_usec + 10 * SEC);
    assert_int_equal(fake_n_calls, 1);
    assert_true(fake_calls[0].is_open && fake_calls[0].is_last_attempt);
    fake_was_not_sent = true;
    fake_fail(0, AWS_ERROR_TRANSIENT, "NetworkFailure", "connection refused");
    assert_int_equal(fake_n_calls, 1);
    assert_int_equal(receiver_abandoned(receiver), 0);
}

/* Else it would use up the time in which what it was given can be released. */
static void a_poll_that_stalls_during_a_stop_is_asked_again_in_time(void **state)
{
    uint64_t late_usec, deadline_usec;

    set_up_busy(queue(true, 2, 0));
    dispatch(20);
    late_usec = fake_now_usec + 15 * SEC + RECEIVER_POLL_MARGIN_USEC;
    fake_now_usec += 5 * SEC;
    deadline_usec = fake_now_usec + 20 * SEC;
    receiver_stop(receiver, fake_now_usec, deadline_usec);
    assert_int_equal(dispatch(0), late_usec);
    fake_answer(0, "{}");
    assert_int_equal(dispatch(0), late_usec);
    fake_now_usec = late_usec - 1;
    dispatch(0);
    assert_int_equal(fake_n_calls, 2);
    fake_now_usec = late_usec;
    assert_int_equal(dispatch(0), deadline_usec);
    assert_int_equal(fake_n_calls, 3);
    assert_false(fake_calls[1].is_open);
    assert_string_equal(attempt_id(2), attempt_id(1));
    assert_non_null(strstr(fake_request(2), "\"MaxNumberOfMessages\":10,\"WaitTimeSeconds\":0,"));
    assert_int_equal(receiver_polls(receiver), 1);
    /* Once is enough: this one has no wait that could be over. */
    fake_now_usec += 60 * SEC;
    assert_int_equal(dispatch(0), USEC_INFINITY);
    assert_int_equal(fake_n_calls, 3);
    fake_answer(2, "{}");
    assert_int_equal(receiver_polls(receiver), 0);
}

static void a_standard_queue_cannot_be_asked_again(void **state)
{
    set_up(queue(false, 1, 0));
    dispatch(7);
    receiver_stop(receiver, fake_now_usec, fake_now_usec + 20 * SEC);
    fake_now_usec += 19 * SEC;
    assert_int_equal(dispatch(0), fake_now_usec + SEC);
    assert_int_equal(fake_n_calls, 1);
    assert_true(fake_calls[0].is_open);
}

static void a_short_stop_leaves_a_standard_queue_its_poll(void **state)
{
    set_up(queue(false, 1, 0));
    dispatch(7);
    receiver_stop(receiver, fake_now_usec, fake_now_usec + SEC);
    assert_int_equal(fake_n_calls, 1);
    assert_true(fake_calls[0].is_open && fake_calls[0].is_last_attempt);
}

static void a_reply_lost_during_a_stop_is_asked_for_again(void **state)
{
    set_up(queue(true, 1, 0));
    dispatch(7);
    receiver_stop(receiver, fake_now_usec, fake_now_usec + 20 * SEC);
    fake_fail(0, AWS_ERROR_TRANSIENT, "", "connection reset");
    assert_int_equal(n_done, 0);
    assert_int_equal(fake_n_calls, 2);
    assert_string_equal(attempt_id(1), attempt_id(0));
    fake_answer(1, "{}");
    assert_int_equal(n_done, 1);
    assert_int_equal(receiver_polls(receiver), 0);
}

/* As refused keys are: what was lost before them can still be had. */
static void doubt_during_a_stop_is_asked_about_whatever_came_last(void **state)
{
    static const enum aws_error_class classes[] = {AWS_ERROR_CREDENTIALS, AWS_ERROR_CLOCK,
                                                   AWS_ERROR_THROTTLED, AWS_ERROR_PERMANENT};

    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        set_up(queue(true, 1, 0));
        dispatch(7);
        assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
        receiver_stop(receiver, fake_now_usec, fake_now_usec + 20 * SEC);
        fake_fail(0, classes[i], "x", "");
        assert_int_equal(fake_n_calls, 2);
        assert_string_equal(attempt_id(1), attempt_id(0));
        for (size_t j = 0; j < ARRAY_SIZE(classes); j++)
            assert_true(fake_retry(1, classes[j], "x"));
        assert_string_equal(attempt_id(1), attempt_id(0));
        fake_answer(1, "{}");
        assert_int_equal(receiver_polls(receiver), 0);
        assert_int_equal(receiver_abandoned(receiver), 0);
        tear_down(state);
    }
}

static void a_void_attempt_during_a_stop_is_not_repeated_but_told(void **state)
{
    set_up(queue(true, 1, 0));
    dispatch(7);
    receiver_stop(receiver, fake_now_usec, fake_now_usec + 10 * SEC);
    fake_now_usec += 8 * SEC;
    dispatch(0);
    assert_true(fake_retry(1, AWS_ERROR_THROTTLED, "RequestThrottled"));
    fake_fail(1, AWS_ERROR_PERMANENT, "InvalidParameterValueException",
              "The receiveRequestAttemptId is not valid anymore since the receive call is not "
              "retryable.");
    assert_int_equal(fake_n_calls, 2);
    assert_int_equal(receiver_polls(receiver), 0);
    assert_int_equal(receiver_abandoned(receiver), 7);
}

static void a_reply_lost_by_a_standard_queue_during_a_stop_is_told(void **state)
{
    set_up(queue(false, 1, 0));
    dispatch(7);
    receiver_stop(receiver, fake_now_usec, fake_now_usec + 20 * SEC);
    fake_fail(0, AWS_ERROR_TRANSIENT, "", "connection reset");
    assert_int_equal(fake_n_calls, 1);
    assert_int_equal(receiver_polls(receiver), 0);
    assert_int_equal(receiver_abandoned(receiver), 7);
}

/* On a FIFO queue the same attempt brings it, unless its id is no longer good. */
static void what_was_lost_is_back_after_the_wait_and_its_visibility_timeout(void **state)
{
    for (int i = 0; i < 3; i++) {
        uint64_t lost_usec;

        set_up(queue(i > 0, 1, 0));
        dispatch(7);
        assert_int_equal(receiver_visible_usec(receiver), 0);
        fake_now_usec += SEC;
        lost_usec = fake_now_usec;
        assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
        if (i == 2) {
            fake_now_usec += RECEIVER_ATTEMPT_MAX_USEC;
            assert_true(fake_retry(0, AWS_ERROR_THROTTLED, "RequestThrottled"));
        }
        fake_answer(0, "{}");
        assert_int_equal(receiver_visible_usec(receiver), i == 1 ? 0 : lost_usec + 45 * SEC);
        tear_down(state);
    }
}

/* By then what was lost has come back. */
static void doubt_lasts_as_long_as_messages_may_be_away(void **state)
{
    for (int i = 0; i < 2; i++) {
        set_up(queue(true, 1, 0));
        dispatch(7);
        assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, ""));
        fake_now_usec += 45 * SEC - 1 + i; /* the wait and the visibility timeout */
        fake_was_not_sent = true;
        receiver_stop(receiver, fake_now_usec, fake_now_usec + 20 * SEC);
        fake_fail(0, AWS_ERROR_TRANSIENT, "NetworkFailure", "connection refused");
        assert_int_equal(fake_n_calls, i == 0 ? 2 : 1);
        if (i == 0)
            fake_answer(1, "{}");
        assert_int_equal(receiver_polls(receiver), 0);
        tear_down(state);
    }
}

static void a_refusal_during_a_stop_is_the_end(void **state)
{
    set_up(queue(true, 1, 0));
    dispatch(7);
    receiver_stop(receiver, fake_now_usec, fake_now_usec + 20 * SEC);
    fake_fail(0, AWS_ERROR_THROTTLED, "RequestThrottled", "");
    assert_int_equal(fake_n_calls, 1);
    assert_int_equal(n_failed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_poll_asks_for_as_much_as_there_is_room_for, tear_down),
        cmocka_unit_test_teardown(a_message_begun_at_a_time_may_come_with_others, tear_down),
        cmocka_unit_test_teardown(further_polls_are_made_only_where_they_can_be_full, tear_down),
        cmocka_unit_test_teardown(an_idle_queue_is_asked_by_one_at_a_time, tear_down),
        cmocka_unit_test_teardown(full_receives_double_the_polls_and_empty_ones_halve_them,
                                  tear_down),
        cmocka_unit_test_teardown(none_takes_the_place_of_one_that_pauses, tear_down),
        cmocka_unit_test_teardown(a_refused_poll_is_repeated_after_five_seconds, tear_down),
        cmocka_unit_test_teardown(pauses_are_kept_after_a_poll_and_after_there_was_no_room,
                                  tear_down),
        cmocka_unit_test_teardown(nothing_is_received_before_the_start, tear_down),
        cmocka_unit_test_teardown(each_receive_has_its_own_attempt_id, tear_down),
        cmocka_unit_test_teardown(an_attempt_id_is_kept_while_the_outcome_is_unknown, tear_down),
        cmocka_unit_test_teardown(an_attempt_id_is_renewed_after_a_no_of_sqs, tear_down),
        cmocka_unit_test_teardown(an_attempt_id_is_kept_where_sqs_was_not_reached, tear_down),
        cmocka_unit_test_teardown(once_in_doubt_an_attempt_id_is_kept_whatever_comes_then,
                                  tear_down),
        cmocka_unit_test_teardown(an_attempt_id_is_renewed_after_an_empty_reply_that_came_too_early,
                                  tear_down),
        cmocka_unit_test_teardown(after_a_stall_a_receive_asks_for_half_down_to_one, tear_down),
        cmocka_unit_test_teardown(after_a_stall_fewer_polls_are_made, tear_down),
        cmocka_unit_test_teardown(after_two_stalls_a_fifo_queue_is_asked_for_fewer_with_another_id,
                                  tear_down),
        cmocka_unit_test_teardown(a_void_attempt_is_replaced_at_once_and_a_refusal_waits,
                                  tear_down),
        cmocka_unit_test_teardown(a_standard_queue_has_no_attempt_ids, tear_down),
        cmocka_unit_test_teardown(a_stop_lets_polls_end_where_there_is_time, tear_down),
        cmocka_unit_test_teardown(
            a_short_stop_asks_a_fifo_queue_again_near_its_end_and_without_a_wait, tear_down),
        cmocka_unit_test_teardown(a_reply_lost_by_a_standard_queue_during_a_stop_is_told,
                                  tear_down),
        cmocka_unit_test(what_was_lost_is_back_after_the_wait_and_its_visibility_timeout),
        cmocka_unit_test_teardown(what_is_asked_again_in_vain_until_the_deadline_is_told,
                                  tear_down),
        cmocka_unit_test_teardown(a_short_stop_ends_a_poll_that_waits_to_be_repeated, tear_down),
        cmocka_unit_test_teardown(a_short_stop_leaves_a_standard_queue_its_poll, tear_down),
        cmocka_unit_test_teardown(a_poll_that_stalls_during_a_stop_is_asked_again_in_time,
                                  tear_down),
        cmocka_unit_test_teardown(a_standard_queue_cannot_be_asked_again, tear_down),
        cmocka_unit_test_teardown(a_reply_lost_during_a_stop_is_asked_for_again, tear_down),
        cmocka_unit_test_teardown(doubt_during_a_stop_is_asked_about_whatever_came_last, tear_down),
        cmocka_unit_test_teardown(a_void_attempt_during_a_stop_is_not_repeated_but_told, tear_down),
        cmocka_unit_test_teardown(doubt_lasts_as_long_as_messages_may_be_away, tear_down),
        cmocka_unit_test_teardown(a_refusal_during_a_stop_is_the_end, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
