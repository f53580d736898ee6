/* SPDX-License-Identifier: MIT */
/* Calls that wait for SQS to be back, and for what they wait. */
#include "test-sqs-client.h"

/* Asleep each would wait for 20 s. However late replies are read, the tokens are spent before the
 * first good one: a call has one request on its way, so that no more bad ones than calls come after
 * it, and of the 40 before it the tokens pay for 35. */
static void answer_after_an_outage_wakes_all(void **state)
{
    enum { CALLS = 64, FAILURES = CALLS + 40 };
    static struct test_reply replies[FAILURES + 1];
    static struct outcome o[CALLS];
    struct test_reply bad = UNAVAILABLE, good = OK;
    unsigned n_done = 0, n_asleep = 0;

    for (int i = 0; i <= FAILURES; i++)
        replies[i] = i < FAILURES ? bad : good;
    CLEANUP(test_server_free)
    struct test_server *server = test_server_new(replies, ARRAY_SIZE(replies), NULL);
    uint64_t start_usec;

    memset(o, 0, sizeof(o));
    set_bench(server);
    slow_clocks(8);
    for (int i = 0; i < CALLS; i++)
        start(&o[i], &patient);
    start_usec = boot_clock_usec();
    while (n_done < CALLS) {
        assert_true(sd_event_run(b.event, 100 * USEC_PER_MSEC) >= 0);
        assert_true(boot_clock_usec() - start_usec < 15 * USEC_PER_SEC);
        n_done = 0;
        for (int i = 0; i < CALLS; i++)
            n_done += o[i].n_done;
    }
    assert_int_equal(b.n_noted, FAILURES);
    for (unsigned i = 0; i < FAILURES; i++)
        n_asleep += b.noted[i].delay_usec >= 20 * USEC_PER_SEC;
    assert_true(n_asleep > 0);
    assert_int_equal(test_server_requests(server), FAILURES + CALLS);
}

/* The last call of those that spend the tokens succeeds and so gives back the 14 that its retry
 * cost: one more retry is paid, and two are trials. Without these 14 the third would be asleep for
 * 20 s. */
static void call_answered_gives_back_what_its_retries_cost(void **state)
{
    enum { PAID = RETRY_QUOTA_MAX / RETRY_COST_TRANSIENT, CALLS = 3 };
    static struct test_reply replies[PAID + 1 + 2 * CALLS];
    static const struct test_reply bad = UNAVAILABLE, good = OK, stall = {.how = REPLY_STALL};
    struct outcome spending = {}, o[CALLS] = {};

    for (unsigned i = 0; i < ARRAY_SIZE(replies); i++)
        replies[i] = i < PAID ? bad : i == PAID ? good : (i - PAID) % 2 == 1 ? bad : stall;
    CLEANUP(test_server_free)
    struct test_server *server = test_server_new(replies, ARRAY_SIZE(replies), NULL);

    set_bench(server);
    for (unsigned i = 0; i < PAID - 1; i++) {
        start(&spending, &patient);
        run_until(b.event, &b.n_noted, i + 1);
        sqs_call_cancel(spending.call);
    }
    start(&spending, &patient);
    run_until(b.event, &spending.n_done, 1);
    assert_true(spending.ok);
    for (unsigned i = 0; i < CALLS; i++) {
        start(&o[i], &patient);
        run_until(b.event, &b.n_noted, PAID + i + 1);
        assert_in_range(b.noted[PAID + i].delay_usec, 0, USEC_PER_SEC);
        /* It keeps what it has, and SQS does not answer. */
        test_server_run_until_requests(server, b.event, PAID + 1 + 2 * (i + 1));
    }
    for (unsigned i = 0; i < CALLS; i++)
        sqs_call_cancel(o[i].call);
}

/* The one that goes on for the others is cancelled. */
static void trial_that_ends_hands_on_its_task(void **state)
{
    enum { CALLS = 40 };
    static struct outcome o[CALLS];
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(UNAVAILABLE);
    unsigned n_requests;

    memset(o, 0, sizeof(o));
    set_bench(server);
    for (int i = 0; i < CALLS; i++)
        start(&o[i], &patient);
    /* By now the tokens are spent. */
    run_until(b.event, &b.n_noted, 2 * CALLS);
    for (int i = 0; i < CALLS - 1; i++)
        sqs_call_cancel(o[i].call);
    n_requests = test_server_requests(server);
    test_server_run_until_requests(server, b.event, n_requests + 3);
    sqs_call_cancel(o[CALLS - 1].call);
}

static const char *what_hangs_in(uint64_t usec)
{
    return sqs_client_describe_stuck_call(b.client, boot_clock_usec() + usec);
}

/* It is not later on a slow machine. */
static const char *what_hangs_after(uint64_t since_usec, uint64_t usec)
{
    return sqs_client_describe_stuck_call(b.client, since_usec + usec);
}

static void call_hangs_only_past_its_time(void **state)
{
    const uint64_t late_usec = SQS_CALL_STUCK_USEC;
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.status = 403,
                                              .headers = "x-amz-retry-after: 4000\r\n",
                                              .body = "{\"__type\":\"RequestThrottled\"}"},
                                             {.how = REPLY_STALL});
    const struct sqs_call_options polling = {.wait_usec = 60 * USEC_PER_SEC};
    struct outcome o[3] = {};
    uint64_t since_usec;

    b.request_timeout_usec = 300 * USEC_PER_MSEC;
    set_bench(server);
    assert_null(what_hangs_in(1000 * USEC_PER_SEC)); /* there is none */
    b.provider.is_silent = true;
    start(&o[0], &stubborn);
    run_for(b.event, 5 * USEC_PER_MSEC);
    assert_null(what_hangs_in(60 * USEC_PER_SEC));
    assert_non_null(what_hangs_in(SQS_CALL_CREDENTIALS_STUCK_USEC + USEC_PER_SEC));
    since_usec = boot_clock_usec();
    fake_provide(&b.provider);
    run_until(b.event, &b.n_noted, 1);

    /* Four seconds until its next attempt. */
    assert_null(what_hangs_in(0));
    assert_null(what_hangs_after(since_usec, late_usec + 2 * USEC_PER_SEC));
    assert_non_null(what_hangs_in(late_usec + 5 * USEC_PER_SEC));
    o[0].call = sqs_call_cancel(o[0].call);

    since_usec = boot_clock_usec();
    start(&o[1], &polling);
    test_server_run_until_requests(server, b.event, 2);
    assert_null(what_hangs_after(since_usec, late_usec + SQS_ATTEMPT_MAX_USEC + 59 * USEC_PER_SEC));
    assert_non_null(what_hangs_in(late_usec + SQS_ATTEMPT_MAX_USEC + 61 * USEC_PER_SEC));
    sqs_call_cancel(o[1].call);

    b.provider.is_silent = true;
    credentials_refused(b.credentials, credentials_peek(b.credentials));
    start(&o[2], &stubborn);
    sqs_call_stop_retrying(o[2].call);
    assert_null(what_hangs_in(0)); /* its answer is on its way */
    run_until(b.event, &o[2].n_done, 1);
    assert_null(what_hangs_in(1000 * USEC_PER_SEC));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answer_after_an_outage_wakes_all),
        TEST(call_answered_gives_back_what_its_retries_cost),
        TEST(trial_that_ends_hands_on_its_task),
        TEST(call_hangs_only_past_its_time),
    };

    return cmocka_run_group_tests_name("sqs-client-wait", tests, NULL, NULL);
}
