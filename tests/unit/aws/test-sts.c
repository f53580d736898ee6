/* SPDX-License-Identifier: MIT */
#include "aws/sts.h"
#include "aws/sigv4-time.h"
#include "test-loop.h"
#include "test-server.h"

#include <stdio.h>
#include <time.h>

#define ROLE "arn:aws:iam::123456789012:role/reader"
#define REPLY(action, expiration)                                                                  \
    "<" action "Response><" action "Result><Credentials>"                                          \
    "<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey>"            \
    "<SessionToken>role-token</SessionToken><Expiration>" expiration "</Expiration>"               \
    "</Credentials></" action "Result></" action "Response>"
#define GOOD                                                                                       \
    {                                                                                              \
        .body = REPLY("AssumeRole", "2090-01-01T00:00:00Z")                                        \
    }
#define ERROR(code, message)                                                                       \
    "<ErrorResponse><Error><Type>Sender</Type><Code>" code "</Code><Message>" message              \
    "</Message></Error><RequestId>r</RequestId></ErrorResponse>"

struct fixture {
    sd_event *event;
    struct http_client *http;
    struct aws_credentials *keys, *keys_with_token;
};

/* A call's end, copied. */
struct outcome {
    unsigned n_done;
    enum credentials_outcome outcome;
    char error[2048];
    struct aws_credentials *credentials;
    struct sts_call *call;
};

static struct clock_skew skew;

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){};
    if (sd_event_new(&f.event) < 0 ||
        http_client_new(f.event,
                        &(struct http_client_options){.user_agent = "test/1",
                                                      .connect_timeout_usec = 5 * USEC_PER_SEC},
                        &f.http) < 0 ||
        aws_credentials_new("AKIDBASE", "base-secret", NULL, "test", USEC_INFINITY, &f.keys) < 0 ||
        aws_credentials_new("AKIDBASE", "base-secret", "base/token+=", "test", USEC_INFINITY,
                            &f.keys_with_token) < 0)
        return -1;
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    http_client_free(f->http);
    aws_credentials_unref(f->keys);
    aws_credentials_unref(f->keys_with_token);
    sd_event_unref(f->event);
    return 0;
}

static void on_done(void *userdata, enum credentials_outcome outcome,
                    struct aws_credentials *credentials, const char *error)
{
    struct outcome *o = userdata;

    o->n_done++;
    o->call = NULL;
    o->outcome = outcome;
    assert_int_equal(outcome == CREDENTIALS_FOUND, credentials != NULL);
    assert_true((credentials != NULL) != (error != NULL));
    if (credentials)
        o->credentials = aws_credentials_ref(credentials);
    else
        snprintf(o->error, sizeof(o->error), "%s", error);
}

static void outcome_done(struct outcome *o)
{
    aws_credentials_unref(o->credentials);
}

static inline void outcome_done_cleanup(struct outcome *o)
{
    outcome_done(o);
}

static struct sts *new_sts(struct fixture *f, const char *url)
{
    struct sts *sts = NULL;

    skew = (struct clock_skew){};
    assert_int_equal(
        sts_new(f->event, f->http,
                &(struct sts_options){.skew = &skew, .region = "eu-west-1", .endpoint_url = url},
                &sts),
        0);
    return sts;
}

static struct sts_request request_of(struct aws_credentials *keys)
{
    return (struct sts_request){
        .role_arn = ROLE,
        .role_session_name = "me@here",
        .credentials = keys,
        .source = "role reader",
    };
}

/* Starts the call and waits for its end. */
static void ask(struct fixture *f, struct sts *sts, const struct sts_request *request,
                struct outcome *o)
{
    assert_int_equal(sts_assume_role(sts, request, on_done, o, &o->call), 0);
    assert_int_equal(o->n_done, 0);
    run_until(f->event, &o->n_done, 1);
    assert_int_equal(o->n_done, 1);
}

static void assert_has(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("no \"%s\" in \"%s\"", words, text);
}

static void assume_role_is_signed_and_gives_keys(void **state)
{
    struct fixture *f = *state;
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(GOOD);
    CLEANUP(sts_free) struct sts *sts = new_sts(f, test_server_url(server));
    CLEANUP(outcome_done) struct outcome o = {};
    CLEANUP(free) char *authorization = NULL, *type = NULL;
    struct sts_request request = request_of(f->keys);

    request.external_id = "a/b:c=d e";
    request.duration_sec = 900;
    ask(f, sts, &request, &o);
    assert_string_equal(o.error, "");
    assert_string_equal(o.credentials->access_key_id, "ASIAROLE");
    assert_string_equal(o.credentials->secret_access_key, "role-secret");
    assert_string_equal(o.credentials->session_token, "role-token");
    assert_string_equal(o.credentials->source, "role reader");
    assert_int_equal(o.credentials->expiry_usec, UINT64_C(3786912000) * USEC_PER_SEC);

    assert_int_equal(test_server_requests(server), 1);
    assert_string_equal(test_server_body(server, 0),
                        "Action=AssumeRole&Version=2011-06-15"
                        "&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Freader"
                        "&RoleSessionName=me%40here&ExternalId=a%2Fb%3Ac%3Dd%20e"
                        "&DurationSeconds=900");
    assert_has(test_server_head(server, 0), "POST / HTTP/1.1");
    type = test_server_header(server, 0, "Content-Type");
    assert_string_equal(type, "application/x-www-form-urlencoded; charset=utf-8");
    authorization = test_server_header(server, 0, "Authorization");
    assert_has(authorization, "AWS4-HMAC-SHA256 Credential=AKIDBASE/");
    assert_has(authorization,
               "/eu-west-1/sts/aws4_request, SignedHeaders=content-type;host;x-amz-date, ");
}

static void a_session_token_is_sent_and_signed(void **state)
{
    struct fixture *f = *state;
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(GOOD);
    CLEANUP(sts_free) struct sts *sts = new_sts(f, test_server_url(server));
    CLEANUP(outcome_done) struct outcome o = {};
    CLEANUP(free) char *authorization = NULL, *token = NULL;
    struct sts_request request = request_of(f->keys_with_token);

    ask(f, sts, &request, &o);
    assert_non_null(o.credentials);
    authorization = test_server_header(server, 0, "Authorization");
    assert_has(authorization, "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, ");
    token = test_server_header(server, 0, "X-Amz-Security-Token");
    assert_string_equal(token, "base/token+=");
}

static void web_identity_is_sent_without_a_signature(void **state)
{
    struct fixture *f = *state;
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.body = REPLY("AssumeRoleWithWebIdentity", "2090-01-01T00:00:00Z")});
    CLEANUP(sts_free) struct sts *sts = new_sts(f, test_server_url(server));
    CLEANUP(outcome_done) struct outcome o = {};
    struct sts_request request = request_of(NULL);

    request.web_identity_token = "eyJ.a+b/c";
    ask(f, sts, &request, &o);
    assert_string_equal(o.error, "");
    assert_string_equal(o.credentials->access_key_id, "ASIAROLE");
    assert_string_equal(test_server_body(server, 0),
                        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
                        "&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Freader"
                        "&RoleSessionName=me%40here&WebIdentityToken=eyJ.a%2Bb%2Fc");
    assert_null(test_server_header(server, 0, "Authorization"));
    assert_null(test_server_header(server, 0, "X-Amz-Date"));
}

static void a_transient_failure_is_tried_again(void **state)
{
    static const struct test_reply failures[] = {
        {.status = 503, .body = "<html>down</html>"},
        {.status = 500},
        {.status = 400, .body = ERROR("IDPCommunicationError", "the provider sleeps")},
        {.status = 400, .body = ERROR("Throttling", "Rate exceeded")},
        {.body = "garbage"},
        {.body = ""},
        {.body = "<AssumeRoleResponse/>"},
        {.how = REPLY_CLOSE},
        {.body = "<AssumeRole", .how = REPLY_CUT_OFF},
        {.filler_bytes = 70000},
    };

    for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
        struct fixture *f = *state;
        CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(failures[i], GOOD);
        CLEANUP(sts_free) struct sts *sts = new_sts(f, test_server_url(server));
        CLEANUP(outcome_done) struct outcome o = {};
        struct sts_request request = request_of(f->keys);

        ask(f, sts, &request, &o);
        if (!o.credentials)
            fail_msg("row %zu: %s", i, o.error);
        assert_int_equal(test_server_requests(server), 2);
    }
}

static void a_failure_that_stays_ends_the_call_with_its_reason(void **state)
{
    static const struct {
        struct test_reply reply;
        unsigned requests;
        enum credentials_outcome outcome;
        const char *words;
    } rows[] = {
        {{.status = 503}, 3, CREDENTIALS_UNREACHABLE, "failed 3 times: HTTP status 503"},
        {{.body = "garbage"},
         3,
         CREDENTIALS_UNREACHABLE,
         "failed 3 times: a damaged reply: line 1: not XML"},
        {{.how = REPLY_CLOSE}, 3, CREDENTIALS_UNREACHABLE, "failed 3 times: "},
        {{.status = 400, .body = ERROR("IDPCommunicationError", "asleep")},
         3,
         CREDENTIALS_UNREACHABLE,
         "IDPCommunicationError: asleep"},
        /* What AWS says no to is said once. */
        {{.status = 403, .body = ERROR("AccessDenied", "User: x is not authorized")},
         1,
         CREDENTIALS_FAILED,
         "failed: AccessDenied: User: x is not authorized"},
        {{.status = 400, .body = ERROR("ExpiredTokenException", "Token expired")},
         1,
         CREDENTIALS_FAILED,
         "ExpiredTokenException: Token expired"},
        {{.status = 403, .body = ERROR("InvalidClientTokenId", "The token is invalid")},
         1,
         CREDENTIALS_FAILED,
         "InvalidClientTokenId"},
        {{.status = 400, .body = ERROR("NewError", "two\nlines")},
         1,
         CREDENTIALS_FAILED,
         "failed: NewError: two"},
        {{.status = 404, .body = "<html>no</html>"},
         1,
         CREDENTIALS_INTERCEPTED,
         "failed: HTTP status 404"},
        {{.status = 302, .headers = "Location: http://127.0.0.1:9/\r\n"},
         1,
         CREDENTIALS_INTERCEPTED,
         "HTTP status 302"},
        {{.status = 511, .body = "<html>sign in</html>"},
         1,
         CREDENTIALS_INTERCEPTED,
         "HTTP status 511"},
        {{.body = "\n<!DOCTYPE html><html>sign in</html>"},
         1,
         CREDENTIALS_INTERCEPTED,
         "a damaged reply"},
        {{.status = 502, .body = "<html>bad gateway</html>"},
         3,
         CREDENTIALS_UNREACHABLE,
         "failed 3 times: HTTP status 502"},
        {{.body = ERROR("AccessDenied", "no")}, 1, CREDENTIALS_FAILED, "AccessDenied: no"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct fixture *f = *state;
        CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(rows[i].reply);
        CLEANUP(sts_free) struct sts *sts = new_sts(f, test_server_url(server));
        CLEANUP(outcome_done) struct outcome o = {};
        struct sts_request request = request_of(f->keys);

        ask(f, sts, &request, &o);
        assert_null(o.credentials);
        assert_int_equal(o.outcome, rows[i].outcome);
        assert_has(o.error, rows[i].words);
        assert_has(o.error, "AssumeRole of " ROLE " at 127.0.0.1:");
        assert_null(strstr(o.error, "base-secret"));
        assert_int_equal(test_server_requests(server), rows[i].requests);
    }
}

/* A wrong password sent again and again locks an account. */
static void call_proxy_refuses_is_intercepted_at_once(void **state)
{
    struct fixture *f = *state;
    struct test_reply refusal = {.status = 407,
                                 .headers = "Proxy-Authenticate: Basic realm=\"x\"\r\n"};
    CLEANUP(test_server_free) struct test_server *proxy = TEST_SERVER(refusal, refusal, refusal);
    CLEANUP(sts_free) struct sts *sts = NULL;
    CLEANUP(outcome_done) struct outcome o = {};
    struct sts_request request = request_of(f->keys);

    http_client_free(f->http);
    setenv("https_proxy", test_server_url(proxy), 1);
    assert_int_equal(http_client_new(f->event,
                                     &(struct http_client_options){
                                         .user_agent = "test/1",
                                         .connect_timeout_usec = 5 * USEC_PER_SEC,
                                     },
                                     &f->http),
                     0);
    sts = new_sts(f, "https://sts.test/");
    ask(f, sts, &request, &o);
    unsetenv("https_proxy");
    assert_int_equal(o.outcome, CREDENTIALS_INTERCEPTED);
    assert_has(o.error, "the proxy refuses to connect: it answers 407 to CONNECT");
    assert_int_equal(test_server_requests(proxy), 1);
}

static void a_wrong_clock_is_learnt_from_the_text_where_there_is_no_date(void **state)
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
    assert_true(llabs(t - time(NULL) - 3600) <= 5);
}

/* "Date: ..." of now plus so many seconds. */
static void format_date(char *ret, size_t size, int64_t offset_sec)
{
    time_t t = time(NULL) + offset_sec;
    struct tm tm;

    strftime(ret, size, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime_r(&t, &tm));
}

static void a_wrong_clock_is_learnt_from_the_refusal(void **state)
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
            assert_true(llabs(t - time(NULL) - wanted) <= 5);
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

static void impossible_server_time_is_no_answer_of_sts(void **state)
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
        assert_true(llabs(t - time(NULL)) <= 5);
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
        assert_true(llabs(t - time(NULL) - (k == 1 ? 36000 : 0)) <= 5);
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
            assert_true(llabs(t - time(NULL) - wanted) <= 5);
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

static void a_wrong_secret_is_not_taken_for_a_wrong_clock(void **state)
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

static void a_cancelled_call_is_silent(void **state)
{
    struct fixture *f = *state;
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.how = REPLY_STALL});
    CLEANUP(sts_free) struct sts *sts = new_sts(f, test_server_url(server));
    CLEANUP(outcome_done) struct outcome before = {}, during = {}, left = {};
    struct sts_request request = request_of(f->keys);

    assert_int_equal(sts_assume_role(sts, &request, on_done, &before, &before.call), 0);
    assert_null(sts_call_cancel(before.call));
    assert_int_equal(sts_assume_role(sts, &request, on_done, &during, &during.call), 0);
    assert_int_equal(sts_assume_role(sts, &request, on_done, &left, &left.call), 0);
    run_for(f->event, 100 * USEC_PER_MSEC);
    sts_call_cancel(during.call);
    run_for(f->event, 50 * USEC_PER_MSEC);
    assert_null(sts_call_cancel(NULL));
    assert_int_equal(before.n_done + during.n_done + left.n_done, 0);
    /* `left` is ended by sts_free. */
}

static void an_endpoint_that_cannot_be_fails_each_call(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct sts_options options;
        const char *words;
    } rows[] = {
        {{.region = "eu-west-1", .endpoint_url = "ftp://127.0.0.1/"}, "ftp://127.0.0.1/"},
        {{.region = "eu-west-1", .endpoint_url = "http://127.0.0.1:9/", .use_fips = true},
         "use_fips_endpoint"},
        {{.region = "Eu West"}, "no region's name"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(sts_free) struct sts *sts = NULL;
        CLEANUP(outcome_done) struct outcome o = {};
        struct sts_request request = request_of(f->keys);

        assert_int_equal(sts_new(f->event, f->http, &rows[i].options, &sts), 0);
        ask(f, sts, &request, &o);
        assert_has(o.error, rows[i].words);
        assert_has(o.error, "AssumeRole of " ROLE " failed: ");
    }
}

static void a_call_needs_either_a_token_or_keys(void **state)
{
    struct fixture *f = *state;
    CLEANUP(sts_free) struct sts *sts = new_sts(f, "http://127.0.0.1:9/");
    struct sts_request neither = request_of(NULL), both = request_of(f->keys);
    struct sts_call *call = NULL;

    both.web_identity_token = "token";
    assert_int_equal(sts_assume_role(sts, &neither, on_done, NULL, &call), -EINVAL);
    assert_int_equal(sts_assume_role(sts, &both, on_done, NULL, &call), -EINVAL);
    assert_null(call);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(assume_role_is_signed_and_gives_keys),
        TEST(a_session_token_is_sent_and_signed),
        TEST(web_identity_is_sent_without_a_signature),
        TEST(a_transient_failure_is_tried_again),
        TEST(a_failure_that_stays_ends_the_call_with_its_reason),
        TEST(call_proxy_refuses_is_intercepted_at_once),
        TEST(a_wrong_clock_is_learnt_from_the_refusal),
        TEST(a_wrong_clock_is_learnt_from_the_text_where_there_is_no_date),
        TEST(clock_is_learnt_the_shared_estimate_has_it_unreported),
        TEST(impossible_server_time_is_no_answer_of_sts),
        TEST(skew_that_does_not_help_is_dropped_at_once),
        TEST(skew_sts_refuses_by_its_text_is_replaced_at_once),
        TEST(clock_nothing_corrects_is_named),
        TEST(a_wrong_secret_is_not_taken_for_a_wrong_clock),
        TEST(expiry_is_the_one_sts_tells),
        TEST(a_cancelled_call_is_silent),
        TEST(an_endpoint_that_cannot_be_fails_each_call),
        TEST(a_call_needs_either_a_token_or_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
