/* SPDX-License-Identifier: MIT */
/* Keys that are missing, refused or late, and a clock that is wrong. */
#include "test-sqs-client.h"
#include "aws/sigv4-time.h"

/* A slow machine takes its time between a look at the clock and the next. */
enum { SLACK_SEC = 60 };

/* --- Credentials --- */

static void keys_refused_are_looked_up_once_more_at_once(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK, REFUSED, OK);
    struct outcome o;
    char *authorization;

    set_bench(server);
    assert_true(call(&patient).ok);
    assert_int_equal(b.provider.n_fetches, 1);
    b.provider.id = "AKIA2";
    o = call(&patient);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 2);
    assert_int_equal(b.provider.n_fetches, 2);
    assert_int_equal(b.n_noted, 1);
    assert_int_equal(b.noted[0].class, AWS_ERROR_CREDENTIALS);
    assert_int_equal(b.noted[0].delay_usec, 0);
    authorization = test_server_header(server, 2, "Authorization");
    assert_non_null(strstr(authorization, "Credential=AKIA2/"));
    free(authorization);
}

static void keys_refused_twice_are_the_answer_or_repeated_slowly(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER(REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, OK);
    struct outcome o;

    set_bench(server);
    o = call(&patient);
    assert_false(o.ok);
    assert_int_equal(o.attempts, 2);
    assert_int_equal(o.error.class, AWS_ERROR_CREDENTIALS);
    assert_string_equal(o.error.name, "UnrecognizedClientException");
    assert_int_equal(b.n_answered, 0);
    assert_int_equal(b.provider.n_fetches, 2);

    b.n_noted = 0;
    o = call(&stubborn);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 5);
    assert_int_equal(b.noted[0].delay_usec, 0);
    assert_in_range(b.noted[1].delay_usec, 5000, 5100);
    assert_in_range(b.noted[2].delay_usec, 10000, 10200);
    /* Each slow try looks for new keys: a person may have put them there. */
    assert_int_equal(b.provider.n_fetches, 7);
}

static void keys_missing_are_the_answer_or_waited_for(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK);
    struct outcome o, waiting = {};

    set_bench(server);
    b.provider.id = NULL;
    o = call(&patient);
    assert_false(o.ok);
    assert_string_equal(o.error.name, "NoCredentials");
    assert_string_equal(o.error.code, "");
    assert_string_equal(o.error.message, "fake: nothing here");
    assert_int_equal(o.error.class, AWS_ERROR_CREDENTIALS);
    assert_int_equal(o.attempts, 1);
    assert_int_equal(o.http_status, 0);
    assert_int_equal(b.n_noted, 0);

    start(&waiting, &stubborn);
    run_until(b.event, &b.n_noted, 2);
    assert_in_range(b.noted[0].delay_usec, 5000, 5100);
    b.provider.id = "AKIA1";
    run_until(b.event, &waiting.n_done, 1);
    assert_true(waiting.ok);
    assert_int_equal(test_server_requests(server), 1);
}

/* One place that is set up and says why it has none is told apart by its name. */
static void keys_from_a_place_that_fails_are_told_apart_from_none(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK);
    struct outcome o;

    set_bench(server);
    b.provider.id = NULL;
    b.provider.failure = CREDENTIALS_FAILED;
    o = call(&patient);
    assert_false(o.ok);
    assert_string_equal(o.error.name, "CredentialsFailed");
    assert_int_equal(o.error.class, AWS_ERROR_CREDENTIALS);
    assert_int_equal(o.attempts, 1);
}

static void keys_not_there_yet_are_waited_for_and_then_missing(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK);
    struct outcome o = {};

    set_bench(server);
    b.provider.id = NULL;
    b.provider.failure = CREDENTIALS_NO_ANSWER_YET;
    start(&o, &patient);
    run_until(b.event, &b.n_noted, 3);
    assert_int_equal(o.n_done, 0);
    assert_string_equal(b.noted[0].name, "NoCredentialsYet");
    assert_int_equal(b.noted[0].class, AWS_ERROR_TRANSIENT);
    b.provider.failure = CREDENTIALS_NOT_SET_UP;
    run_until(b.event, &o.n_done, 1);
    assert_string_equal(o.error.name, "NoCredentials");
}

static void keys_that_cannot_be_asked_for_now_are_waited_for(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK);
    struct outcome o = {};

    set_bench(server);
    b.provider.is_away = true;
    start(&o, &patient);
    run_until(b.event, &b.n_noted, 2);
    assert_int_equal(b.noted[0].class, AWS_ERROR_TRANSIENT);
    assert_string_equal(b.noted[0].name, "CredentialsUnreachable");
    assert_string_equal(b.noted[0].message, "fake: timed out");
    assert_in_range(b.noted[1].delay_usec, 1, 2000);
    b.provider.is_away = false;
    run_until(b.event, &o.n_done, 1);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 3);
}

static void keys_machine_is_short_are_waited_for_under_that_name(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK);
    struct outcome o = {};

    set_bench(server);
    b.provider.id = NULL;
    b.provider.failure = CREDENTIALS_SHORTAGE;
    start(&o, &patient);
    run_until(b.event, &b.n_noted, 1);
    assert_int_equal(b.noted[0].class, AWS_ERROR_TRANSIENT);
    assert_string_equal(b.noted[0].name, "CredentialsShortage");
    assert_string_equal(b.noted[0].message, "fake: nothing here");
    b.provider.id = "AKIDNEW";
    run_until(b.event, &o.n_done, 1);
    assert_true(o.ok);
}

static void assert_asked_for_slowly(enum credentials_outcome failure, const char *name)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK);
    struct outcome o = {};

    set_bench(server);
    b.provider.id = NULL;
    b.provider.failure = failure;
    start(&o, &patient);
    run_until(b.event, &b.n_noted, 2);
    assert_int_equal(o.n_done, 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_string_equal(b.noted[i].name, name);
        assert_in_range(b.noted[i].delay_usec, 5000 << i, (5000 << i) + 200);
    }
    b.provider.id = "AKIDNEW";
    run_until(b.event, &o.n_done, 1);
    assert_true(o.ok);
}

static void keys_kept_back_by_a_proxy_are_asked_for_slowly(void **state)
{
    assert_asked_for_slowly(CREDENTIALS_INTERCEPTED, "CredentialsIntercepted");
}

static void keys_kept_back_on_the_way_to_the_metadata_are_asked_for_slowly(void **state)
{
    assert_asked_for_slowly(CREDENTIALS_METADATA_INTERCEPTED, "MetadataIntercepted");
}

static void request_that_cannot_be_sent_is_told_at_once_or_waited_for(void **state)
{
    static char path[] = "no slash";
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK);
    struct sqs_request *request;
    struct outcome o = {};

    set_bench(server);
    b.endpoint.path = path;
    start(&o, &stubborn);
    run_until(b.event, &b.n_noted, 1);
    assert_string_equal(b.noted[0].message, "the request cannot be sent: Invalid argument");
    assert_in_range(b.noted[0].delay_usec, 5000, 5100);
    sqs_call_cancel(o.call);

    /* With keys in the cache it is known inside the call. */
    assert_int_equal(sqs_request_delete_message(QUEUE_URL, "HANDLE", &request), 0);
    assert_int_equal(sqs_client_call(b.client, request, &patient, on_done, &o, &o.call), -EINVAL);
    run_for(b.event, 20 * USEC_PER_MSEC);
    assert_int_equal(o.n_done, 0);
    assert_int_equal(test_server_requests(server), 0);
}

/* --- Clock --- */

static void clock_is_corrected_by_the_replys_date(void **state)
{
    static const char body[] = "{\"__type\":\"com.amazon.coral.service#InvalidSignatureException\","
                               "\"message\":\"Signature expired: what it says\"}";
    char date[128], *sent;
    struct test_reply bad = {.status = 403, .headers = date, .body = body};
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(bad, OK, OK, bad, OK, bad);
    struct outcome o;
    time_t t;

    set_bench(server);
    date_header(1200, date, sizeof(date));
    o = call(&patient);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 2);
    assert_int_equal(b.n_noted, 1);
    assert_int_equal(b.noted[0].class, AWS_ERROR_CLOCK);
    assert_int_equal(b.noted[0].delay_usec, 0);
    assert_int_equal(b.n_skews, 1);
    assert_in_range(b.skew_sec, 1200 - SLACK_SEC, 1200);
    sent = test_server_header(server, 1, "X-Amz-Date");
    assert_int_equal(aws_time_parse(sent, &t), 0);
    assert_in_range(t - time(NULL), 1200 - 2 * SLACK_SEC, 1200 + 1);
    free(sent);

    /* From now on right from the start. */
    assert_int_equal(call(&patient).attempts, 1);

    /* The clock was set: back again. */
    date_header(0, date, sizeof(date));
    o = call(&once);
    assert_false(o.ok); /* one attempt is one, but what it taught stays */
    assert_int_equal(o.attempts, 1);
    assert_int_equal(b.n_skews, 2);
    assert_in_range(b.skew_sec + SLACK_SEC, 0, SLACK_SEC + 1);
    assert_true(call(&patient).ok);

    /* A date that tells nothing new: not the clock, as it seems. */
    o = call(&patient);
    assert_false(o.ok);
    assert_int_equal(o.attempts, 1);
    assert_int_equal(o.error.class, AWS_ERROR_CLOCK);
    assert_int_equal(b.provider.n_fetches, 1);
}

static void clock_is_corrected_by_the_errors_text(void **state)
{
    char now[AWS_TIME_SIZE], server_now[AWS_TIME_SIZE], limit[AWS_TIME_SIZE], body[512];
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.status = 403, .body = body}, OK);
    struct outcome o;
    time_t t = time(NULL);

    aws_time_format(t, now);
    aws_time_format(t - 3600, server_now);
    aws_time_format(t - 3600 + 900, limit);
    snprintf(body, sizeof(body),
             "{\"__type\":\"InvalidSignatureException\",\"message\":\"Signature not yet current: "
             "%s is still later than %s (%s + 15 min.)\"}",
             now, limit, server_now);
    set_bench(server);
    o = call(&patient);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 2);
    assert_int_equal(b.n_skews, 1);
    assert_in_range(b.skew_sec + 3600 + SLACK_SEC, 0, SLACK_SEC + 1);
}

static void server_time_impossible_corrects_and_ends_nothing(void **state)
{
    static const char body[] = "{\"__type\":\"RequestExpired\",\"message\":\"Request expired.\"}";
    static const char *const dates[] = {
        "Date: Mon, 01 Jan 1900 00:00:00 GMT\r\n",
        "Date: Fri, 31 Dec 9999 23:59:59 GMT\r\n",
        "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
    };
    struct test_reply bad[ARRAY_SIZE(dates)] = {};
    CLEANUP(test_server_free) struct test_server *server = NULL;
    struct outcome o;

    for (size_t i = 0; i < ARRAY_SIZE(dates); i++)
        bad[i] = (struct test_reply){.status = 400, .headers = dates[i], .body = body};
    server = TEST_SERVER(bad[0], bad[1], bad[2], OK);
    set_bench(server);
    o = call(&patient);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 4);
    assert_int_equal(b.n_skews, 0);
    assert_non_null(strstr(b.noted[0].message, "19000101T000000Z, which cannot be"));
    for (unsigned k = 0; k < 4; k++) {
        CLEANUP(free) char *sent = test_server_header(server, k, "X-Amz-Date");
        time_t t;

        assert_int_equal(aws_time_parse(sent, &t), 0);
        assert_true(llabs(t - time(NULL)) < CLOCK_SKEW_MIN_SEC);
    }
}

/* As STS leaves it. */
static void clock_is_learnt_elsewhere_it_is_signed_with_and_reported_once(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK, OK);
    struct clock_skew *skew;
    struct timespec boot;

    set_bench(server);
    assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &boot), 0);
    skew = credentials_skew(b.credentials);
    *skew = (struct clock_skew){
        .is_known = true,
        .is_confirmed = true,
        .offset_sec = time(NULL) + 3600 - boot.tv_sec,
    };
    clock_skew_leave_change(skew, CLOCK_SKEW_LEARNT);
    for (unsigned i = 0; i < 2; i++) {
        struct outcome o = {};
        CLEANUP(free) char *date = NULL;
        time_t t;

        start(&o, &patient);
        run_until(b.event, &o.n_done, 1);
        assert_true(o.ok);
        date = test_server_header(server, i, "X-Amz-Date");
        assert_int_equal(aws_time_parse(date, &t), 0);
        assert_in_range(t - time(NULL), 3600 - SLACK_SEC, 3600 + SLACK_SEC);
        assert_int_equal(b.n_skews, 1);
        assert_in_range(b.skew_sec, 3600 - SLACK_SEC, 3600 + SLACK_SEC);
    }
}

static void skew_that_does_not_help_is_dropped_at_once(void **state)
{
    static const char body[] = "{\"__type\":\"RequestExpired\",\"message\":\"Request expired.\"}";
    char date[128];
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.status = 400, .headers = date, .body = body},
                                             {.status = 400, .body = body}, OK);
    struct outcome o;

    set_bench(server);
    date_header(10 * 365 * 24 * 3600, date, sizeof(date));
    o = call(&patient);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 3);
    assert_int_equal(b.n_skews, 2);
    assert_int_equal(b.skew_change, CLOCK_SKEW_DROPPED);
    for (unsigned k = 0; k < 3; k++) {
        CLEANUP(free) char *sent = test_server_header(server, k, "X-Amz-Date");
        int64_t wanted = k == 1 ? 10 * 365 * 24 * 3600 : 0;
        time_t t;

        assert_int_equal(aws_time_parse(sent, &t), 0);
        assert_true(llabs(t - time(NULL) - wanted) < CLOCK_SKEW_MIN_SEC);
    }
}

static void calls_side_by_side_all_profit_from_one_correction(void **state)
{
    static const char body[] = "{\"__type\":\"RequestTimeTooSkewed\"}";
    char date[128];
    struct test_reply bad = {.status = 403, .headers = date, .body = body, .is_held = true};
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(bad, bad, bad, bad, OK);
    struct outcome outcomes[4] = {};

    date_header(-2000, date, sizeof(date));
    set_bench(server);
    assert_int_equal(b.provider.n_fetches, 0);
    for (int i = 0; i < 4; i++)
        start(&outcomes[i], &patient);
    test_server_run_until_requests(server, b.event, 4);
    for (int i = 0; i < 4; i++)
        test_server_release(server);
    for (int i = 0; i < 4; i++) {
        run_until(b.event, &outcomes[i].n_done, 1);
        assert_true(outcomes[i].ok);
        assert_int_equal(outcomes[i].attempts, 2);
    }
    assert_int_equal(b.n_skews, 1);
    assert_int_equal(b.n_noted, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_refused_are_looked_up_once_more_at_once),
        TEST(keys_refused_twice_are_the_answer_or_repeated_slowly),
        TEST(keys_missing_are_the_answer_or_waited_for),
        TEST(keys_from_a_place_that_fails_are_told_apart_from_none),
        TEST(keys_not_there_yet_are_waited_for_and_then_missing),
        TEST(keys_that_cannot_be_asked_for_now_are_waited_for),
        TEST(keys_machine_is_short_are_waited_for_under_that_name),
        TEST(keys_kept_back_by_a_proxy_are_asked_for_slowly),
        TEST(keys_kept_back_on_the_way_to_the_metadata_are_asked_for_slowly),
        TEST(request_that_cannot_be_sent_is_told_at_once_or_waited_for),
        TEST(clock_is_corrected_by_the_replys_date),
        TEST(clock_is_corrected_by_the_errors_text),
        TEST(server_time_impossible_corrects_and_ends_nothing),
        TEST(clock_is_learnt_elsewhere_it_is_signed_with_and_reported_once),
        TEST(skew_that_does_not_help_is_dropped_at_once),
        TEST(calls_side_by_side_all_profit_from_one_correction),
    };

    return cmocka_run_group_tests_name("sqs-client-credentials", tests, NULL, NULL);
}
