/* SPDX-License-Identifier: MIT */
/* Calls of STS while this machine's clock is wrong, and when the keys expire. */
#include "sts-fixture.h"
#include "aws/sigv4-time.h"

#include <time.h>

/* A slow machine takes its time between the request and the look at it. */
enum { SLACK_SEC = 60 };

/* "Date: ..." of now plus so many seconds. */
static void format_date(char *ret, size_t size, int64_t offset_sec)
{
    time_t t = time(NULL) + offset_sec;
    struct tm tm;

    strftime(ret, size, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime_r(&t, &tm));
}

static void clock_wrong_without_a_date_is_learnt_from_the_text(void **state)
{
    struct fixture *f = *state;
    char theirs[AWS_TIME_SIZE], body[512];
    struct test_reply replies[] = {{.status = 403, .body = body}, GOOD};
    CLEANUP(test_server_free) struct test_server *server = NULL;
    CLEANUP(sts_free) struct sts *sts = NULL;
    CLEANUP(outcome_done) struct outcome o = {};
    CLEANUP(free) char *date = NULL;
    struct sts_request request = request_of(f->keys);
    time_t t;

    aws_time_format(time(NULL) + 3600, theirs);
    snprintf(body, sizeof(body),
             ERROR("SignatureDoesNotMatch", "Signature expired: 20300101T000000Z is now earlier "
                                            "than 20300101T000000Z (%s - 15 min.)"),
             theirs);
    server = test_server_new(replies, ARRAY_SIZE(replies), NULL);
    sts = new_sts(f, test_server_url(server));
    ask(f, sts, &request, &o);
    assert_string_equal(o.error, "");
    date = test_server_header(server, 1, "X-Amz-Date");
    assert_int_equal(aws_time_parse(date, &t), 0);
    assert_true(llabs(t - time(NULL) - 3600) <= SLACK_SEC);
}

static void clock_wrong_is_learnt_from_the_refusal(void **state)
{
    static const int64_t offsets[] = {3600, -3600};

    for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
        struct fixture *f = *state;
        char date_header[64];
        struct test_reply replies[] = {
            {.status = 403,
             .headers = date_header,
             .body = ERROR("SignatureDoesNotMatch", "Signature expired")},
            GOOD,
        };
        CLEANUP(test_server_free) struct test_server *server = NULL;
        CLEANUP(sts_free) struct sts *sts = NULL;
        CLEANUP(outcome_done) struct outcome first = {}, second = {};
        struct sts_request request = request_of(f->keys);

        format_date(date_header, sizeof(date_header), offsets[i]);
        server = test_server_new(replies, ARRAY_SIZE(replies), NULL);
        sts = new_sts(f, test_server_url(server));
        ask(f, sts, &request, &first);
        assert_string_equal(first.error, "");
        ask(f, sts, &request, &second);
        assert_non_null(second.credentials);

        assert_int_equal(test_server_requests(server), 3);
        for (unsigned k = 0; k < 3; k++) {
            CLEANUP(free) char *date = test_server_header(server, k, "X-Amz-Date");
            int64_t wanted = k == 0 ? 0 : offsets[i];
            time_t t;

            assert_int_equal(aws_time_parse(date, &t), 0);
            assert_true(llabs(t - time(NULL) - wanted) <= SLACK_SEC);
        }
    }
}

/* The estimate is shared: SQS signs with it, and reports it, since STS cannot. */
static void clock_is_learnt_the_shared_estimate_has_it_unreported(void **state)
{
    struct fixture *f = *state;
    char date[64];
    struct test_reply replies[] = {
        {.status = 403, .headers = date, .body = ERROR("RequestExpired", "Request has expired.")},
        GOOD,
    };
    CLEANUP(test_server_free) struct test_server *server = NULL;
    CLEANUP(sts_free) struct sts *sts = NULL;
    CLEANUP(outcome_done) struct outcome o = {};
    struct sts_request request = request_of(f->keys);
    time_t ahead = time(NULL) + 3600;

    strftime(date, sizeof(date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime(&ahead));
    server = test_server_new(replies, ARRAY_SIZE(replies), NULL);
    sts = new_sts(f, test_server_url(server));
    ask(f, sts, &request, &o);
    assert_string_equal(o.error, "");
    assert_true(skew.is_known);
    assert_true(skew.is_confirmed);
    assert_int_equal(clock_skew_take_change(&skew), CLOCK_SKEW_LEARNT);
    assert_int_equal(clock_skew_take_change(&skew), CLOCK_SKEW_UNCHANGED);
}

static void server_time_impossible_is_no_answer_of_sts(void **state)
{
    struct fixture *f = *state;
    struct test_reply reply = {
        .status = 400,
        .headers = "Date: Fri, 31 Dec 9999 23:59:59 GMT\r\n",
        .body = ERROR("RequestExpired", "Request has expired."),
    };
    struct test_reply replies[] = {reply, GOOD};
    CLEANUP(test_server_free) struct test_server *server = NULL;
    CLEANUP(sts_free) struct sts *sts = NULL;
    CLEANUP(outcome_done) struct outcome o = {}, other = {};
    struct sts_request request = request_of(f->keys);

    server = test_server_new(replies, ARRAY_SIZE(replies), NULL);
    sts = new_sts(f, test_server_url(server));
    ask(f, sts, &request, &o);
    assert_string_equal(o.error, "");
    for (unsigned k = 0; k < 2; k++) {
        CLEANUP(free) char *date = test_server_header(server, k, "X-Amz-Date");
        time_t t;

        assert_int_equal(aws_time_parse(date, &t), 0);
        assert_true(llabs(t - time(NULL)) <= SLACK_SEC);
    }

    /* Nor is it when it goes on: a later try may succeed. */
    server = test_server_free(server);
    sts = sts_free(sts);
    server = test_server_new(&reply, 1, NULL);
    sts = new_sts(f, test_server_url(server));
    ask(f, sts, &request, &other);
    assert_int_equal(other.outcome, CREDENTIALS_UNREACHABLE);
}

static void skew_that_does_not_help_is_dropped_at_once(void **state)
{
    struct fixture *f = *state;
    char date_header[64];
    struct test_reply replies[] = {
        {.status = 400, .headers = date_header, .body = ERROR("RequestExpired", "expired")},
        {.status = 400, .body = ERROR("RequestExpired", "expired")},
        GOOD,
    };
    CLEANUP(test_server_free) struct test_server *server = NULL;
    CLEANUP(sts_free) struct sts *sts = NULL;
    CLEANUP(outcome_done) struct outcome o = {};
    struct sts_request request = request_of(f->keys);

    format_date(date_header, sizeof(date_header), 36000);
    server = test_server_new(replies, ARRAY_SIZE(replies), NULL);
    sts = new_sts(f, test_server_url(server));
    ask(f, sts, &request, &o);
    assert_string_equal(o.error, "");
    for (unsigned k = 0; k < 3; k++) {
        CLEANUP(free) char *date = test_server_header(server, k, "X-Amz-Date");
        time_t t;

        assert_int_equal(aws_time_parse(date, &t), 0);
        assert_true(llabs(t - time(NULL) - (k == 1 ? 36000 : 0)) <= SLACK_SEC);
    }
}

/* STS refuses a signature's time under the code of a wrong key. That a request signed with the
 * estimate was once accepted does not keep it then. */
static void skew_sts_refuses_by_its_text_is_replaced_at_once(void **state)
{
    static const struct {
        const char *text;
        bool has_date; /* of the right time: ours */
    } rows[] = {
        {"Signature not yet current: 20300101T000000Z is still later than 20290101T000000Z", false},
        {"Signature expired: 20200101T000000Z is now earlier than 20210101T000000Z", false},
        {"Signature expired", true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct fixture *f = *state;
        char ahead[64], right[64], body[512];
        struct test_reply replies[] = {
            {.status = 400, .headers = ahead, .body = ERROR("RequestExpired", "expired")},
            GOOD,
            {.status = 403, .headers = rows[i].has_date ? right : NULL, .body = body},
            GOOD,
        };
        CLEANUP(test_server_free) struct test_server *server = NULL;
        CLEANUP(sts_free) struct sts *sts = NULL;
        CLEANUP(outcome_done) struct outcome first = {}, second = {};
        struct sts_request request = request_of(f->keys);

        format_date(ahead, sizeof(ahead), 36000);
        format_date(right, sizeof(right), 0);
        snprintf(body, sizeof(body), ERROR("SignatureDoesNotMatch", "%s"), rows[i].text);
        server = test_server_new(replies, ARRAY_SIZE(replies), NULL);
        sts = new_sts(f, test_server_url(server));
        ask(f, sts, &request, &first);
        ask(f, sts, &request, &second);
        assert_string_equal(first.error, "");
        assert_string_equal(second.error, "");
        assert_int_equal(test_server_requests(server), 4);
        for (unsigned k = 0; k < 4; k++) {
            CLEANUP(free) char *date = test_server_header(server, k, "X-Amz-Date");
            int64_t wanted = k == 1 || k == 2 ? 36000 : 0;
            time_t t;

            assert_int_equal(aws_time_parse(date, &t), 0);
            assert_true(llabs(t - time(NULL) - wanted) <= SLACK_SEC);
        }
    }
}

static void clock_nothing_corrects_is_named(void **state)
{
    struct fixture *f = *state;
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(
        {.status = 403, .body = ERROR("SignatureDoesNotMatch", "Signature expired: long ago")});
    CLEANUP(sts_free) struct sts *sts = new_sts(f, test_server_url(server));
    CLEANUP(outcome_done) struct outcome o = {};
    struct sts_request request = request_of(f->keys);

    ask(f, sts, &request, &o);
    assert_int_equal(o.outcome, CREDENTIALS_FAILED);
    assert_has(o.error, "Signature expired: long ago (set this machine's clock: timedatectl)");
    assert_int_equal(test_server_requests(server), 1);
}

static void secret_wrong_is_not_taken_for_a_wrong_clock(void **state)
{
    struct fixture *f = *state;
    char date_header[64];
    struct test_reply reply = {
        .status = 403,
        .headers = date_header,
        .body = ERROR("SignatureDoesNotMatch", "The request signature does not match"),
    };
    CLEANUP(test_server_free) struct test_server *server = NULL;
    CLEANUP(sts_free) struct sts *sts = NULL;
    CLEANUP(outcome_done) struct outcome o = {}, other = {};
    struct sts_request request = request_of(f->keys);

    format_date(date_header, sizeof(date_header), 60);
    server = test_server_new(&reply, 1, NULL);
    sts = new_sts(f, test_server_url(server));
    ask(f, sts, &request, &o);
    assert_has(o.error, "failed: SignatureDoesNotMatch");
    assert_int_equal(test_server_requests(server), 1);

    /* Even by a server that is an hour off: one more attempt, no endless loop. */
    format_date(date_header, sizeof(date_header), 3600);
    ask(f, sts, &request, &other);
    assert_has(other.error, "failed 2 times: SignatureDoesNotMatch");
    assert_int_equal(test_server_requests(server), 3);
}

/* Whatever this machine's clock and the reply's Date say: AWS judges whether keys have expired. */
static void expiry_is_the_one_sts_tells(void **state)
{
    static const struct {
        const char *body;
        uint64_t sec;
    } rows[] = {
        {REPLY("AssumeRole", "2090-01-01T00:00:00Z"), UINT64_C(3786912000)},
        {REPLY("AssumeRole", "2001-01-01T00:00:00Z"), UINT64_C(978307200)},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct fixture *f = *state;
        char date_header[64];
        struct test_reply reply = {.headers = date_header, .body = rows[i].body};
        CLEANUP(test_server_free) struct test_server *server = NULL;
        CLEANUP(sts_free) struct sts *sts = NULL;
        CLEANUP(outcome_done) struct outcome o = {};
        struct sts_request request = request_of(f->keys);

        format_date(date_header, sizeof(date_header), 3600);
        server = test_server_new(&reply, 1, NULL);
        sts = new_sts(f, test_server_url(server));
        ask(f, sts, &request, &o);
        assert_string_equal(o.error, "");
        assert_true(o.credentials->expiry_usec == rows[i].sec * USEC_PER_SEC);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(clock_wrong_is_learnt_from_the_refusal),
        TEST(clock_wrong_without_a_date_is_learnt_from_the_text),
        TEST(clock_is_learnt_the_shared_estimate_has_it_unreported),
        TEST(server_time_impossible_is_no_answer_of_sts),
        TEST(skew_that_does_not_help_is_dropped_at_once),
        TEST(skew_sts_refuses_by_its_text_is_replaced_at_once),
        TEST(clock_nothing_corrects_is_named),
        TEST(secret_wrong_is_not_taken_for_a_wrong_clock),
        TEST(expiry_is_the_one_sts_tells),
    };

    return cmocka_run_group_tests_name("aws-sts-clock", tests, NULL, NULL);
}
