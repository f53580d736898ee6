/* SPDX-License-Identifier: MIT */
#include "sts-fixture.h"

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

static void session_token_is_sent_and_signed(void **state)
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

static void failure_transient_is_tried_again(void **state)
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

static void failure_that_stays_ends_the_call_with_its_reason(void **state)
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
                                         .connect_timeout_usec = TEST_PATIENCE_USEC,
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

static void call_cancelled_is_silent(void **state)
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

static void endpoint_that_cannot_be_fails_each_call(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct sts_options options;
        const char *words;
    } rows[] = {
        {{.region = "eu-west-1", .endpoint_url = "ftp://127.0.0.1/"}, "ftp://127.0.0.1/"},
        {{.region = "eu-west-1", .endpoint_url = "http://127.0.0.1:9/", .use_fips = true},
         "use_fips_endpoint"},
        {{.region = "Eu West"}, "not the name of a region"},
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

static void call_needs_either_a_token_or_keys(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(assume_role_is_signed_and_gives_keys),
        TEST(session_token_is_sent_and_signed),
        TEST(web_identity_is_sent_without_a_signature),
        TEST(failure_transient_is_tried_again),
        TEST(failure_that_stays_ends_the_call_with_its_reason),
        TEST(call_proxy_refuses_is_intercepted_at_once),
        TEST(call_cancelled_is_silent),
        TEST(endpoint_that_cannot_be_fails_each_call),
        TEST(call_needs_either_a_token_or_keys),
    };

    return cmocka_run_group_tests_name("aws-sts", tests, NULL, NULL);
}
