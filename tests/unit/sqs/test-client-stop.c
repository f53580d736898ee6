/* SPDX-License-Identifier: MIT */
/* The end of calls: stopped, cancelled, timed out, asked about before each attempt. */
#include "test-sqs-client.h"

/* --- Stopping --- */

static void last_attempt_lets_the_one_on_its_way_end(void **state)
{
    struct test_reply slow_ok = OK, slow_bad = UNAVAILABLE;
    struct test_reply slow_refused = REFUSED;
    struct outcome o = {};

    slow_ok.is_held = slow_bad.is_held = slow_refused.is_held = true;
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(slow_ok, slow_bad, slow_refused);

    set_bench(server);
    sqs_call_stop_retrying(NULL);
    start(&o, &stubborn);
    test_server_run_until_requests(server, b.event, 1);
    sqs_call_stop_retrying(o.call);
    sqs_call_stop_retrying(o.call);
    assert_int_equal(o.n_done, 0);
    test_server_release(server);
    run_until(b.event, &o.n_done, 1);
    assert_true(o.ok);

    start(&o, &stubborn);
    test_server_run_until_requests(server, b.event, 2);
    sqs_call_stop_retrying(o.call);
    test_server_release(server);
    run_until(b.event, &o.n_done, 2);
    assert_false(o.ok);
    assert_int_equal(o.error.http_status, 503);

    /* No forced look-up of keys either. */
    start(&o, &stubborn);
    test_server_run_until_requests(server, b.event, 3);
    sqs_call_stop_retrying(o.call);
    test_server_release(server);
    run_until(b.event, &o.n_done, 3);
    assert_int_equal(o.error.class, AWS_ERROR_CREDENTIALS);
    assert_int_equal(b.provider.n_fetches, 1);
    assert_int_equal(b.n_noted, 0);
    run_for(b.event, 20 * USEC_PER_MSEC);
    assert_int_equal(o.n_done, 3);
}

static void last_attempt_corrects_no_clock(void **state)
{
    char date[128];
    struct test_reply bad = {.status = 403,
                             .headers = date,
                             .body = "{\"__type\":\"RequestTimeTooSkewed\"}",
                             .is_held = true};
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(bad, OK);
    struct outcome o = {};

    date_header(5000, date, sizeof(date));
    set_bench(server);
    start(&o, &stubborn);
    test_server_run_until_requests(server, b.event, 1);
    sqs_call_stop_retrying(o.call);
    test_server_release(server);
    run_until(b.event, &o.n_done, 1);
    assert_int_equal(o.error.class, AWS_ERROR_CLOCK);
    assert_int_equal(test_server_requests(server), 1);
}

static void last_attempt_between_attempts_gives_the_last_error(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.status = 403,
                     .headers = "x-amz-retry-after: 4000\r\nx-amzn-RequestId: r\r\n",
                     .body = "{\"__type\":\"RequestThrottled\"}"});
    struct outcome o = {};

    set_bench(server);
    start(&o, &stubborn);
    run_until(b.event, &b.n_noted, 1);
    sqs_call_stop_retrying(o.call);
    sqs_call_stop_retrying(o.call);
    assert_int_equal(o.n_done, 0);
    run_until(b.event, &o.n_done, 1);
    assert_string_equal(o.error.name, "RequestThrottled");
    assert_string_equal(o.request_id, "r");
    assert_int_equal(o.http_status, 403);
    assert_int_equal(o.attempts, 1);
    run_for(b.event, 20 * USEC_PER_MSEC);
    assert_int_equal(o.n_done, 1);
    assert_int_equal(test_server_requests(server), 1);
}

static void last_attempt_does_not_wait_for_credentials(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK);
    struct outcome o = {};

    set_bench(server);
    b.provider.is_silent = true;
    start(&o, &stubborn);
    run_for(b.event, 5 * USEC_PER_MSEC);
    sqs_call_stop_retrying(o.call);
    assert_int_equal(o.n_done, 0);
    run_until(b.event, &o.n_done, 1);
    assert_false(o.ok);
    assert_int_equal(o.attempts, 0);
    assert_string_equal(o.error.message, "stopped before the first attempt");
    assert_int_equal(o.error.class, AWS_ERROR_TRANSIENT);
}

static void call_is_cancelled_in_every_state(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.how = REPLY_STALL},
                                             {.status = 403,
                                              .headers = "x-amz-retry-after: 30\r\n",
                                              .body = "{\"__type\":\"RequestThrottled\"}"},
                                             OK);
    struct outcome o[5] = {};

    set_bench(server);
    assert_null(sqs_call_cancel(NULL));
    b.provider.is_silent = true;
    start(&o[0], &stubborn);
    assert_null(sqs_call_cancel(o[0].call)); /* waiting for credentials */
    sqs_client_free(b.client);
    credentials_free(b.credentials);
    http_client_free(b.http);
    free(b.endpoint.url);
    b.provider.is_silent = false;
    set_bench(server);

    start(&o[1], &stubborn);
    test_server_run_until_requests(server, b.event, 1);
    sqs_call_cancel(o[1].call); /* on its way */

    start(&o[2], &stubborn);
    run_until(b.event, &b.n_noted, 1);
    sqs_call_cancel(o[2].call); /* between attempts */

    start(&o[3], &stubborn);
    sqs_call_stop_retrying(o[3].call);
    sqs_call_cancel(o[3].call); /* its answer waits */

    start(&o[4], &stubborn);
    run_until(b.event, &o[4].n_done, 1);
    assert_true(o[4].ok);
    run_for(b.event, 60 * USEC_PER_MSEC);
    assert_int_equal(o[0].n_done + o[1].n_done + o[2].n_done + o[3].n_done, 0);
}

static void end_self_and_other_and_start(struct outcome *o)
{
    assert_null(sqs_call_cancel(o->call));
    sqs_call_stop_retrying(o->call);
    if (o->other && o->other->call)
        o->other->call = sqs_call_cancel(o->other->call);
    if (o->n_done < 3)
        start(o, &stubborn);
}

static void callback_may_start_and_cancel(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(OK, UNAVAILABLE, NO_HANDLE, OK);

    set_bench(server);
    for (int round = 0; round < 10; round++) {
        struct outcome o[2] = {{.then = end_self_and_other_and_start},
                               {.then = end_self_and_other_and_start}};

        o[0].other = &o[1];
        o[1].other = &o[0];
        start(&o[0], &stubborn);
        start(&o[1], &stubborn);
        while (o[0].n_done < 3 && o[1].n_done < 3)
            assert_true(sd_event_run(b.event, 100 * USEC_PER_MSEC) >= 0);
        for (int i = 0; i < 2; i++)
            if (o[i].call)
                sqs_call_cancel(o[i].call);
    }
}

static void client_may_be_freed_with_calls_in_every_state(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.status = 403,
                                              .headers = "x-amz-retry-after: 4000\r\n",
                                              .body = "{\"__type\":\"RequestThrottled\"}"},
                                             {.how = REPLY_STALL});
    struct outcome o[3] = {};

    set_bench(server);
    start(&o[0], &stubborn);
    run_until(b.event, &b.n_noted, 1);
    start(&o[1], &stubborn);
    test_server_run_until_requests(server, b.event, 2);
    credentials_refused(b.credentials, credentials_peek(b.credentials));
    b.provider.is_silent = true;
    start(&o[2], &stubborn);
    run_for(b.event, 5 * USEC_PER_MSEC);
    b.client = sqs_client_free(b.client);
    assert_null(sqs_client_free(NULL));
    run_for(b.event, 10 * USEC_PER_MSEC);
    assert_int_equal(o[0].n_done + o[1].n_done + o[2].n_done, 0);
}

static void long_poll_has_the_time_it_asked_for(void **state)
{
    struct test_reply slow = OK, none = {.how = REPLY_STALL};
    struct outcome o = {};
    const struct sqs_call_options polling = {.wait_usec = TEST_PATIENCE_USEC, .attempts_max = 1};

    slow.delay_msec = 1500;
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(slow, none);

    b.request_timeout_usec = 300 * USEC_PER_MSEC;
    set_bench(server);
    start(&o, &polling);
    run_until(b.event, &o.n_done, 1);
    assert_true(o.ok);
    start(&o, &once);
    run_until(b.event, &o.n_done, 2);
    assert_false(o.ok);
}

static uint64_t timeouts[4];
static unsigned n_timeouts;

static uint64_t next_timeout(void *userdata)
{
    return timeouts[n_timeouts++];
}

static void attempt_has_the_time_that_the_caller_says(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.how = REPLY_STALL}, {.how = REPLY_STALL}, OK, {.how = REPLY_STALL});
    const struct sqs_call_options options = {.timeout = next_timeout};
    const struct sqs_call_options bounded = {.timeout = next_timeout, .attempts_max = 1};
    struct outcome o = {};

    b.request_timeout_usec = 4 * TEST_PATIENCE_USEC;
    set_bench(server);
    timeouts[0] = timeouts[1] = 2 * TEST_PATIENCE_USEC;
    timeouts[2] = USEC_INFINITY;
    n_timeouts = 0;
    start(&o, &options);
    for (unsigned i = 1; i <= 2; i++) {
        test_server_run_until_requests(server, b.event, i);
        boot_ahead_usec += 2 * TEST_PATIENCE_USEC;
    }
    run_until(b.event, &o.n_done, 1);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 3);
    assert_int_equal(n_timeouts, 3);
    sqs_client_free(b.client);
    http_client_free(b.http);
    credentials_free(b.credentials);
    free(b.endpoint.url);

    /* But never more than the client's. */
    b.request_timeout_usec = 100 * USEC_PER_MSEC;
    set_bench(server);
    timeouts[0] = USEC_INFINITY;
    n_timeouts = 0;
    o = call(&bounded);
    assert_false(o.ok);
    assert_int_equal(n_timeouts, 1);
}

/* The far end, which counts whatever moves, is no nearer than twice the time without progress. */
static void request_timeout_long_is_not_cut_off(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "{}", .is_held = true});
    const time_t timeout_sec = 2 * SQS_ATTEMPT_MAX_USEC / USEC_PER_SEC;
    struct outcome o = {};

    b.request_timeout_usec = (uint64_t)timeout_sec * USEC_PER_SEC;
    set_bench(server);
    start(&o, &once);
    test_server_run_until_requests(server, b.event, 1);
    boot_ahead_usec += (uint64_t)(timeout_sec - 60) * USEC_PER_SEC;
    run_for(b.event, 100 * USEC_PER_MSEC);
    assert_int_equal(o.n_done, 0);
    boot_ahead_usec += 61 * USEC_PER_SEC;
    run_until(b.event, &o.n_done, 1);
    assert_false(o.ok);
    assert_non_null(strstr(o.error.message, "no data for 600 s"));
}

static unsigned n_asked;

static bool put_another(void *userdata, const struct sqs_error *error, struct sqs_request **request)
{
    struct outcome *o = userdata;

    n_asked++;
    assert_int_equal(o->n_done, 0);
    assert_int_equal(error->class, n_asked == 1 ? AWS_ERROR_TRANSIENT : AWS_ERROR_THROTTLED);
    if (n_asked == 1) {
        sqs_request_free(*request);
        assert_int_equal(sqs_request_delete_message(QUEUE_URL, "OTHER", request), 0);
    }
    return n_asked < 3;
}

static void request_may_be_replaced_or_given_up_before_it_is_repeated(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(OK, UNAVAILABLE, THROTTLED, THROTTLED, OK);
    const struct sqs_call_options replacing = {.before_attempt = put_another};
    struct outcome o;

    n_asked = 0;
    set_bench(server);
    assert_true(call(&patient).ok); /* so that the keys are there */
    o = call(&replacing);
    assert_int_equal(n_asked, 3);
    assert_false(o.ok);
    assert_string_equal(o.error.name, "RequestThrottled");
    assert_int_equal(o.attempts, 3);
    assert_int_equal(test_server_requests(server), 4);
    assert_non_null(strstr(test_server_body(server, 1), "HANDLE"));
    assert_non_null(strstr(test_server_body(server, 2), "OTHER"));
    assert_non_null(strstr(test_server_body(server, 3), "OTHER"));
}

static unsigned n_wanted;

static bool note_and_want(void *userdata, const struct sqs_error *error,
                          struct sqs_request **request)
{
    struct outcome *o = userdata;

    n_asked++;
    assert_int_equal(o->n_done, 0);
    assert_true(!error || error->class == AWS_ERROR_CREDENTIALS);
    return n_asked <= n_wanted;
}

static void attempt_that_waited_for_keys_is_asked_about_again(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(REFUSED, OK);
    const struct sqs_call_options asking = {.before_attempt = note_and_want};
    struct outcome o = {};

    /* The first: once the keys are there, and not at all where they are there from the start. */
    set_bench(server);
    b.provider.is_silent = true;
    n_asked = n_wanted = 0;
    start(&o, &asking);
    run_for(b.event, 5 * USEC_PER_MSEC);
    assert_int_equal(n_asked, 0);
    fake_provide(&b.provider);
    run_until(b.event, &o.n_done, 1);
    assert_int_equal(n_asked, 1);
    assert_false(o.ok);
    assert_string_equal(o.error.message, "given up before the first attempt");
    assert_int_equal(o.attempts, 0);
    assert_int_equal(test_server_requests(server), 0);

    /* A repeated one: when its time has come, and once the keys are there. */
    o = (struct outcome){};
    n_asked = 0;
    n_wanted = 1;
    start(&o, &asking);
    run_until(b.event, &n_asked, 1);
    assert_int_equal(test_server_requests(server), 1);
    run_for(b.event, 5 * USEC_PER_MSEC);
    assert_int_equal(n_asked, 1);
    fake_provide(&b.provider);
    run_until(b.event, &o.n_done, 1);
    assert_int_equal(n_asked, 2);
    assert_false(o.ok);
    assert_string_equal(o.error.name, "UnrecognizedClientException");
    assert_int_equal(o.attempts, 1);
    assert_int_equal(test_server_requests(server), 1);
    assert_true(call(&patient).ok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(last_attempt_lets_the_one_on_its_way_end),
        TEST(last_attempt_corrects_no_clock),
        TEST(last_attempt_between_attempts_gives_the_last_error),
        TEST(last_attempt_does_not_wait_for_credentials),
        TEST(call_is_cancelled_in_every_state),
        TEST(callback_may_start_and_cancel),
        TEST(client_may_be_freed_with_calls_in_every_state),
        TEST(long_poll_has_the_time_it_asked_for),
        TEST(attempt_has_the_time_that_the_caller_says),
        TEST(request_timeout_long_is_not_cut_off),
        TEST(request_may_be_replaced_or_given_up_before_it_is_repeated),
        TEST(attempt_that_waited_for_keys_is_asked_about_again),
    };

    return cmocka_run_group_tests_name("sqs-client-stop", tests, NULL, NULL);
}
