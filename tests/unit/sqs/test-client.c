/* SPDX-License-Identifier: MIT */
/* What each kind of reply comes to. */
#include "test-sqs-client.h"
#include "aws/sigv4-time.h"

static void request_is_signed_and_complete(void **state)
{
    static const char target[] = "AmazonSQS.DeleteMessage";
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK);
    CLEANUP(sigv4_signer_free) struct sigv4_signer *signer = NULL;
    CLEANUP(buffer_done) struct buffer expected = BUFFER_INIT(4096);
    struct outcome o;
    uint64_t before = boot_clock_usec();

    assert_int_equal(sigv4_signer_new(&signer), 0);
    set_bench(server);
    for (unsigned i = 0; i < 2; i++) {
        char *date, *authorization, *value;
        size_t lines = 0;
        time_t t;

        b.provider.token = i == 1 ? "TOKEN/+=" : NULL;
        if (i == 1)
            credentials_refused(b.credentials, credentials_peek(b.credentials));
        o = call(&patient);
        assert_true(o.ok);
        date = test_server_header(server, i, "X-Amz-Date");
        assert_int_equal(aws_time_parse(date, &t), 0);
        assert_true(llabs(time(NULL) - t) <= 60);

        struct sigv4_header headers[] = {{"host", b.host},
                                         {"content-type", "application/x-amz-json-1.0"},
                                         {"x-amz-date", date},
                                         {"x-amz-target", target},
                                         {"x-amzn-query-mode", "true"},
                                         {"x-amz-security-token", "TOKEN/+="}};
        const char *body = test_server_body(server, i);

        buffer_reset(&expected);
        assert_int_equal(sigv4_authorize(signer,
                                         &(struct sigv4_request){
                                             .method = "POST",
                                             .path = "/",
                                             .headers = headers,
                                             .n_headers = 5 + i,
                                             .body = body,
                                             .body_bytes = strlen(body),
                                         },
                                         &(struct sigv4_credentials){"AKIA1", "SECRET"},
                                         &(struct sigv4_scope){"eu-west-1", "sqs", t}, &expected),
                         0);
        authorization = test_server_header(server, i, "Authorization");
        assert_string_equal(authorization, buffer_string(&expected));
        free(authorization);
        free(date);

        /* The values signed are the values sent. */
        for (size_t k = 0; k < 5 + i; k++) {
            value = test_server_header(server, i, headers[k].name);
            if (!streq(headers[k].name, "x-amz-date"))
                assert_string_equal(value, headers[k].value);
            free(value);
        }
        value = test_server_header(server, i, "Accept");
        assert_string_equal(value, "application/json");
        free(value);
        assert_null(test_server_header(server, i, "Expect"));
        /* And nothing else: request line, ours, User-Agent, Content-Length, Authorization, Accept.
         */
        for (const char *p = test_server_head(server, i); (p = strstr(p, "\r\n")); p += 2)
            lines++;
        assert_int_equal(lines, 1 + 5 + i + 4);
        assert_memory_equal(test_server_head(server, i), "POST / HTTP/1.1\r\n", 17);
        assert_non_null(strstr(body, "\"QueueUrl\":\"" QUEUE_URL "\""));
        assert_non_null(strstr(body, "\"ReceiptHandle\":\"HANDLE\""));
    }
    assert_string_equal(o.request_id, "good-id");
    assert_int_equal(o.http_status, 200);
    assert_int_equal(o.attempts, 1);
    assert_in_range(o.sent_usec, before, boot_clock_usec());
    assert_int_equal(b.n_noted, 0);
    assert_int_equal(b.n_answered, 2);
    assert_int_equal(test_server_connections(server), 1);
}

/* Leases are counted from there. */
static void time_told_is_from_before_the_attempt_that_was_answered(void **state)
{
    struct test_reply slow_ok = OK, slow_bad = UNAVAILABLE;
    struct outcome o = {};
    uint64_t before;

    slow_ok.delay_msec = slow_bad.delay_msec = 50;
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(slow_bad, slow_ok);

    set_bench(server);
    before = boot_clock_usec();
    start(&o, &patient);
    run_until(b.event, &o.n_done, 1);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 2);
    assert_in_range(o.sent_usec, before + 50 * USEC_PER_MSEC,
                    boot_clock_usec() - 50 * USEC_PER_MSEC);
}

static void failures_transient_are_repeated(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(
        UNAVAILABLE, {.status = 500}, {.status = 502, .body = "<html>"},
        {.body = "{}", .how = REPLY_CUT_OFF}, {.how = REPLY_STALL}, {.body = "no json"}, OK);
    struct outcome o = {};

    set_bench(server);
    start(&o, &patient);
    test_server_run_until_requests(server, b.event, 5);
    boot_ahead_usec += b.request_timeout_usec;
    run_until(b.event, &o.n_done, 1);
    run_for(b.event, 5 * USEC_PER_MSEC);
    assert_int_equal(o.n_done, 1);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 7);
    assert_int_equal(b.n_noted, 6);
    assert_int_equal(b.n_answered, 1);
    for (unsigned i = 0; i < b.n_noted; i++) {
        assert_int_equal(b.noted[i].class, AWS_ERROR_TRANSIENT);
        assert_int_equal(b.noted[i].attempt, i + 1);
        assert_int_equal(b.noted[i].operation, SQS_DELETE_MESSAGE);
        assert_string_equal(b.noted[i].request_id, i == 0 ? "bad-id" : "");
        /* Each limit is twice the one before. */
        assert_in_range(b.noted[i].delay_usec, 50 << i, (50 << i) + 10);
    }
    assert_string_equal(b.noted[0].name, "ServiceUnavailableException");
    assert_string_equal(b.noted[0].message, "later");
    assert_non_null(strstr(b.noted[4].message, "timed out waiting for the reply (no data for "));
    assert_string_equal(b.noted[4].name, "Stalled");
    assert_true(strlen(b.noted[5].message) > 5);
    /* The same request each time, signed anew. */
    for (unsigned i = 1; i < 7; i++)
        assert_string_equal(test_server_body(server, i), test_server_body(server, 0));
}

static void throttling_is_repeated_more_slowly(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(UNAVAILABLE, THROTTLED, {.status = 429},
                                             {.status = 403,
                                              .headers = "x-amz-retry-after: 20\r\n",
                                              .body = "{\"__type\":\"RequestThrottled\"}"},
                                             OK);
    struct outcome o;

    set_bench(server);
    o = call(&patient);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 5);
    /* Failures of another kind begin a new row. */
    assert_in_range(b.noted[0].delay_usec, 50, 60);
    assert_in_range(b.noted[1].delay_usec, 1000, 1010);
    assert_in_range(b.noted[2].delay_usec, 2000, 2010);
    assert_in_range(b.noted[3].delay_usec, 20000, 20000);
    assert_int_equal(b.noted[1].class, AWS_ERROR_THROTTLED);
}

/* Each pause, whether its timer is the call's first or not. */
static void retry_waits_as_long_as_was_told(void **state)
{
    static const struct test_reply throttled = {.status = 403,
                                                .headers = "x-amz-retry-after: 200\r\n",
                                                .body = "{\"__type\":\"RequestThrottled\"}"};
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(throttled, throttled, OK);
    struct outcome o = {};
    uint64_t start_usec;

    set_bench(server);
    start_usec = boot_clock_usec();
    start(&o, &patient);
    run_until(b.event, &o.n_done, 1);
    assert_int_equal(o.attempts, 3);
    assert_true(boot_clock_usec() - start_usec >= 400 * USEC_PER_MSEC);
}

static void error_permanent_is_the_answer(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(NO_HANDLE, NO_HANDLE, NO_QUEUE);
    struct outcome o;

    set_bench(server);
    for (int i = 0; i < 2; i++) {
        o = call(i == 0 ? &patient : &stubborn);
        assert_false(o.ok);
        assert_string_equal(o.error.name, "ReceiptHandleIsInvalid");
        assert_string_equal(o.error.message, "bad handle");
        assert_string_equal(o.request_id, "bad-id");
        assert_int_equal(o.http_status, 404);
        assert_int_equal(o.attempts, 1);
    }
    o = call(&patient);
    assert_string_equal(o.error.name, "QueueDoesNotExist");
    assert_int_equal(b.n_noted, 0);
    assert_int_equal(b.n_answered, 3);
}

static void error_a_person_must_mend_is_repeated_slowly_where_wanted(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER(NO_QUEUE, ERROR(403, "AccessDeniedException", "denied"),
                    {.status = 404, .body = "<html>a proxy</html>"}, {.status = 302}, OK);
    struct outcome o;

    set_bench(server);
    o = call(&stubborn);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 5);
    assert_int_equal(b.n_noted, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_in_range(b.noted[i].delay_usec, 5000 << i, (5000 << i) + 200);
    /* SQS's "no such queue" is no sign that all is well again. */
    assert_int_equal(b.n_answered, 1);
}

static void denial_is_the_answer_where_wanted(void **state)
{
    static const struct sqs_call_options almost = {.keep_trying = true, .is_denial_final = true};
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER(NO_QUEUE, ERROR(403, "AccessDeniedException", "denied"), OK);
    struct outcome o;

    set_bench(server);
    o = call(&almost);
    assert_false(o.ok);
    assert_string_equal(o.error.name, "AccessDeniedException");
    assert_int_equal(o.attempts, 2);
}

static void reply_not_of_sqs_is_repeated_slowly_and_never_the_answer(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.status = 302, .headers = "Location: http://portal.invalid/\r\n"},
                    {.status = 403, .body = "{\"code\":\"BLOCKED\",\"message\":\"by policy\"}"},
                    {.status = 407, .body = "<html>who are you?</html>"}, OK,
                    {.status = 404, .headers = "x-amzn-RequestId: sqs\r\n"});
    struct outcome o;

    set_bench(server);
    o = call(&patient);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 4);
    for (unsigned i = 0; i < 3; i++) {
        assert_in_range(b.noted[i].delay_usec, 5000 << i, (5000 << i) + 200);
        assert_string_equal(b.noted[i].name, "NotOfSQS");
    }
    assert_string_equal(b.noted[1].message, "by policy");
    assert_int_equal(b.n_answered, 1);

    /* SQS's own, though without a name, is an answer. */
    o = call(&patient);
    assert_false(o.ok);
    assert_int_equal(o.error.http_status, 404);
    assert_int_equal(o.attempts, 1);
}

static void page_in_place_of_a_reply_is_not_of_sqs(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.status = 511}, {.body = " \n<html>sign in</html>"},
                    {.headers = "x-amzn-RequestId: sqs\r\n", .body = "<html>broken</html>"}, OK);
    struct outcome o;

    set_bench(server);
    o = call(&patient);
    assert_true(o.ok);
    assert_string_equal(b.noted[0].name, "NotOfSQS");
    assert_string_equal(b.noted[1].name, "NotOfSQS");
    assert_int_equal(b.noted[1].class, AWS_ERROR_TRANSIENT);
    assert_in_range(b.noted[1].delay_usec, 10000, 10200); /* slowly */
    assert_string_equal(b.noted[2].name, "");
}

/* A receive that asks for so long a wait. */
static void start_receive(struct outcome *o, unsigned wait_sec)
{
    struct sqs_request *request;

    assert_int_equal(
        sqs_request_receive_message(
            QUEUE_URL, &(struct sqs_receive){.max_messages = 1, .wait_sec = wait_sec}, &request),
        0);
    start_request(o, request, &(struct sqs_call_options){.wait_usec = wait_sec * USEC_PER_SEC});
}

static void empty_receive_that_comes_at_once_is_a_failure_with_growing_pauses(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(OK, OK, OK, OK, {.body = MESSAGE});
    struct outcome o = {};

    set_bench(server);
    start_receive(&o, 20);
    run_until(b.event, &o.n_done, 1);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 5);
    for (unsigned i = 0; i < 4; i++) {
        assert_string_equal(b.noted[i].name, "EmptyTooEarly");
        assert_non_null(strstr(b.noted[i].message, "wait 20 s"));
        assert_in_range(b.noted[i].delay_usec, 50 << i, (50 << i) + 50);
    }
    /* One that was to come at once is good. */
    o = (struct outcome){};
    test_server_free(server);
    server = TEST_SERVER(OK);
    b.endpoint.url = (free(b.endpoint.url), strdup(test_server_url(server)));
    start_receive(&o, 0);
    run_until(b.event, &o.n_done, 1);
    assert_int_equal(o.attempts, 1);
}

static void empty_receive_without_a_request_id_is_not_of_sqs(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "{}"}, {.body = MESSAGE});
    struct outcome o = {};

    set_bench(server);
    start_receive(&o, 0);
    run_until(b.event, &o.n_done, 1);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 2);
    assert_string_equal(b.noted[0].name, "NotOfSQS");
}

static void delete_answered_without_the_id_of_before_is_not_of_sqs(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "{}"}, OK, {.body = "{}"}, OK);
    struct outcome o;

    set_bench(server);
    o = call(&patient);
    assert_int_equal(o.attempts, 1);
    o = call(&patient);
    assert_int_equal(o.attempts, 1);
    o = call(&patient);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 2);
    assert_string_equal(b.noted[0].name, "NotOfSQS");
}

static void call_bounded_ends_with_a_reply_not_of_sqs(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.status = 403, .body = "{\"code\":\"BLOCKED\"}"});
    struct outcome o;

    set_bench(server);
    o = call(&once);
    assert_false(o.ok);
    assert_string_equal(o.error.name, "NotOfSQS");
    assert_string_equal(o.error.code, "");
    assert_int_equal(b.n_answered, 0);
}

static void operation_answered_or_given_up_is_told(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK, NO_QUEUE);
    struct outcome one = {}, two = {};

    set_bench(server);
    assert_true(call(&patient).ok);
    assert_int_equal(b.answered, SQS_DELETE_MESSAGE);
    assert_int_equal(b.n_retries_ended, 0);

    /* The last one that waits tells it. Each fails once, and waits for seconds then. */
    are_delays_whole = true;
    start(&one, &stubborn);
    start(&two, &stubborn);
    run_until(b.event, &b.n_noted, 2);
    sqs_call_cancel(one.call);
    assert_int_equal(b.n_retries_ended, 0);
    sqs_call_cancel(two.call);
    assert_int_equal(b.n_retries_ended, 1);
    assert_int_equal(b.retries_ended, SQS_DELETE_MESSAGE);
    assert_int_equal(b.n_answered, 1);
}

static void attempts_are_bounded_where_wanted(void **state)
{
    static const struct sqs_call_options thrice = {.attempts_max = 3, .keep_trying = true};
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(UNAVAILABLE);
    struct outcome o;

    set_bench(server);
    o = call(&thrice);
    assert_false(o.ok);
    assert_int_equal(o.attempts, 3);
    assert_int_equal(o.error.class, AWS_ERROR_TRANSIENT);
    assert_int_equal(o.error.http_status, 503);
    assert_int_equal(b.n_noted, 2);
    o = call(&once);
    assert_int_equal(o.attempts, 1);
    assert_int_equal(test_server_requests(server), 4);
    assert_int_equal(b.n_answered, 0);
}

static void reply_missing_leaves_no_status_and_no_request_id(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(
        UNAVAILABLE, {.headers = "x-amzn-RequestId: lost\r\n", .body = "{}", .how = REPLY_CUT_OFF});
    static const struct sqs_call_options twice = {.attempts_max = 2};
    struct outcome o;

    set_bench(server);
    o = call(&twice);
    assert_false(o.ok);
    assert_int_equal(o.http_status, 0);
    assert_int_equal(o.error.http_status, 0);
    assert_string_equal(o.request_id, "");
    assert_string_equal(o.error.name, "NetworkFailure");
    assert_string_equal(o.error.code, "");
}

static bool is_outcome_unknown(void)
{
    struct outcome o = call(&once);

    assert_false(o.ok);
    return sqs_error_is_outcome_unknown(&o.error);
}

/* Below HTTP: what has left may have taken effect; what found no connection has not. */
static void outcome_is_told_if_unknown(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.how = REPLY_STALL}, {.how = REPLY_CLOSE},
                                             {.body = "{}", .how = REPLY_CUT_OFF}, UNAVAILABLE,
                                             {.body = "no json"}, THROTTLED);
    struct outcome stalled = {};
    char *url;

    set_bench(server);
    start(&stalled, &once);
    test_server_run_until_requests(server, b.event, 1);
    boot_ahead_usec += b.request_timeout_usec;
    run_until(b.event, &stalled.n_done, 1);
    assert_true(sqs_error_is_outcome_unknown(&stalled.error));
    for (int i = 1; i < 5; i++)
        assert_true(is_outcome_unknown());
    assert_false(is_outcome_unknown());
    url = b.endpoint.url;
    b.endpoint.url = strdup("http://127.0.0.1:1/");
    assert_false(is_outcome_unknown());
    free(b.endpoint.url);
    b.endpoint.url = url;
    credentials_refused(b.credentials, credentials_peek(b.credentials));
    b.provider.is_away = true;
    assert_false(is_outcome_unknown());
}

/* A kept connection is closed as the second request goes out on it: the server may have had that
 * one, whatever becomes of its repetition. */
static void stays_unknown(struct test_server *server, unsigned n_requests)
{
    struct outcome o;

    set_bench(server);
    o = call(&once);
    assert_true(o.ok);
    assert_true(is_outcome_unknown());
    assert_int_equal(test_server_requests(server), n_requests);
}

static void outcome_repeated_and_refused_stays_unknown(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(OK, {.how = REPLY_CLOSE}, THROTTLED);

    stays_unknown(server, 3);
}

static void outcome_request_cannot_be_repeated_stays_unknown(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(OK, {.how = REPLY_CLOSE_ALL});

    stays_unknown(server, 2);
}

static void reply_damaged_is_repeated(void **state)
{
    static const char right[] = "{\"MessageId\":\"m1\",\"MD5OfMessageBody\":"
                                "\"5d41402abc4b2a76b9719d911017c592\"}";
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.body = "{\"MessageId\":\"m1\",\"MD5OfMessageBody\":"
                             "\"00000000000000000000000000000000\"}"},
                    {.body = "{\"MessageId\":\"m1\","}, {.body = "{}"}, {.body = right});
    struct sqs_request *request;
    struct outcome o = {};

    set_bench(server);
    assert_int_equal(sqs_request_send_message(QUEUE_URL,
                                              &(struct sqs_message){.body = "hello",
                                                                    .body_bytes = 5,
                                                                    .group_id = "g",
                                                                    .deduplication_id = "d",
                                                                    .delay_sec = -1},
                                              &request),
                     0);
    start_request(&o, request, &patient);
    run_until(b.event, &o.n_done, 1);
    assert_true(o.ok);
    assert_string_equal(o.message_id, "m1");
    assert_int_equal(o.attempts, 4);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(b.noted[i].class, AWS_ERROR_TRANSIENT);
        assert_true(strlen(b.noted[i].message) > 5);
    }
}

static void attempts_are_counted_by_their_result(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(
        ERROR(403, "RequestThrottled", "slow down"), ERROR(403, "ExpiredTokenException", "old"),
        {.status = 500}, {.status = 302, .headers = "Location: http://portal.invalid/\r\n"},
        {.body = "{}", .how = REPLY_CUT_OFF}, OK, NO_QUEUE);
    static const uint64_t expected[SQS_ATTEMPT_N_RESULTS] = {
        [SQS_ATTEMPT_SUCCEEDED] = 1,    [SQS_ATTEMPT_REFUSED] = 1,    [SQS_ATTEMPT_THROTTLED] = 1,
        [SQS_ATTEMPT_FAILED] = 2, /* a portal's answer is none of SQS's */
        [SQS_ATTEMPT_UNAUTHORIZED] = 1, [SQS_ATTEMPT_UNANSWERED] = 1,
    };
    const struct sqs_client_counts *counts;

    set_bench(server);
    assert_true(call(&patient).ok);
    assert_false(call(&patient).ok);
    counts = sqs_client_counts(b.client);
    for (size_t i = 0; i < SQS_ATTEMPT_N_RESULTS; i++)
        assert_int_equal(counts->attempts[SQS_DELETE_MESSAGE][i], expected[i]);
    assert_int_equal(counts->retries[SQS_DELETE_MESSAGE], 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(request_is_signed_and_complete),
        TEST(time_told_is_from_before_the_attempt_that_was_answered),
        TEST(failures_transient_are_repeated),
        TEST(throttling_is_repeated_more_slowly),
        TEST(retry_waits_as_long_as_was_told),
        TEST(error_permanent_is_the_answer),
        TEST(error_a_person_must_mend_is_repeated_slowly_where_wanted),
        TEST(denial_is_the_answer_where_wanted),
        TEST(reply_not_of_sqs_is_repeated_slowly_and_never_the_answer),
        TEST(page_in_place_of_a_reply_is_not_of_sqs),
        TEST(empty_receive_that_comes_at_once_is_a_failure_with_growing_pauses),
        TEST(empty_receive_without_a_request_id_is_not_of_sqs),
        TEST(delete_answered_without_the_id_of_before_is_not_of_sqs),
        TEST(call_bounded_ends_with_a_reply_not_of_sqs),
        TEST(operation_answered_or_given_up_is_told),
        TEST(attempts_are_bounded_where_wanted),
        TEST(reply_missing_leaves_no_status_and_no_request_id),
        TEST(outcome_is_told_if_unknown),
        TEST(outcome_repeated_and_refused_stays_unknown),
        TEST(outcome_request_cannot_be_repeated_stays_unknown),
        TEST(reply_damaged_is_repeated),
        TEST(attempts_are_counted_by_their_result),
    };

    return cmocka_run_group_tests_name("sqs-client", tests, NULL, NULL);
}
