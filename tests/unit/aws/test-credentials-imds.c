/* SPDX-License-Identifier: MIT */
#include "aws/credentials-imds.h"
#include "test-aws-home.h"
#include "test-server.h"

#define ROLES "/latest/meta-data/iam/security-credentials/"
#define KEYS(expiration)                                                                           \
    "{\"Code\": \"Success\", \"AccessKeyId\": \"ASIAROLE\", \"SecretAccessKey\": \"" SECRET        \
    "\", \"Token\": \"session\", \"Expiration\": \"" expiration "\"}"
#define OLD "2020-01-01T00:00:00Z"
#define LATE "2090-01-01T00:00:00Z"
#define LATE_USEC (3786912000 * USEC_PER_SEC)

struct fixture {
    sd_event *event;
    struct http_client *http;
};

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){};
    aws_home_reset();
    unsetenv("AWS_EC2_METADATA_DISABLED");
    if (sd_event_new(&f.event) < 0 ||
        http_client_new(f.event,
                        &(struct http_client_options){.user_agent = "test/1",
                                                      .connect_timeout_usec = TEST_PATIENCE_USEC},
                        &f.http) < 0)
        return -1;
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    http_client_free(f->http);
    sd_event_unref(f->event);
    return 0;
}

static struct credentials_provider *new_provider(struct fixture *f, struct test_server *server,
                                                 bool is_named)
{
    struct credentials_provider *p = NULL;

    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT",
           server ? test_server_url(server) : "http://127.0.0.1:1/", 1);
    setenv("AWS_METADATA_SERVICE_TIMEOUT", "50", 1);
    assert_int_equal(credentials_imds_new(f->event, f->http, NULL, is_named, &p), 0);
    return p;
}

static void keys_of_the_role_are_read_anew_at_each_fetch(void **state)
{
    struct fixture *f = *state;
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.body = "token1"}, {.body = "a+role@x \r\nother"}, {.body = KEYS(LATE)},
                    {.body = "token2"}, {.body = "b"}, {.body = KEYS(LATE)});
    CLEANUP(credentials_provider_free)
    struct credentials_provider *p = new_provider(f, server, false);
    CLEANUP(answer_reset) struct answer a = {};

    fetch_answer(f->event, p, &a);
    assert_int_equal(a.outcome, CREDENTIALS_FOUND);
    assert_string_equal(a.credentials->access_key_id, "ASIAROLE");
    assert_string_equal(a.credentials->secret_access_key, SECRET);
    assert_string_equal(a.credentials->session_token, "session");
    assert_string_equal(a.credentials->source, "instance metadata service, role a+role@x");
    assert_true(a.credentials->expiry_usec == LATE_USEC);
    assert_non_null(strstr(test_server_head(server, 1), "GET " ROLES " "));
    assert_non_null(strstr(test_server_head(server, 2), "GET " ROLES "a+role@x "));
    assert_non_null(strstr(test_server_head(server, 2), "X-aws-ec2-metadata-token: token1\r\n"));
    fetch_answer(f->event, p, &a);
    assert_string_equal(a.credentials->source, "instance metadata service, role b");
    assert_non_null(strstr(test_server_head(server, 5), "X-aws-ec2-metadata-token: token2\r\n"));
    assert_int_equal(test_server_requests(server), 6);
}

/* The service hands out old keys while it has none newer, and AWS goes on to honour them. */
static void keys_that_have_expired_are_handed_out(void **state)
{
    struct fixture *f = *state;
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.body = "token"}, {.body = "role"}, {.body = KEYS(OLD)});
    CLEANUP(credentials_provider_free)
    struct credentials_provider *p = new_provider(f, server, false);
    CLEANUP(answer_reset) struct answer a = {};

    fetch_answer(f->event, p, &a);
    assert_int_equal(a.outcome, CREDENTIALS_FOUND);
    assert_string_equal(a.credentials->access_key_id, "ASIAROLE");
}

static void each_answer_has_its_outcome(void **state)
{
    static const char long_role[] =
        "a23456789012345678901234567890123456789012345678901234567890ABCD"; /* IAM's bound */
    static const struct {
        struct test_reply token, role, keys;
        bool is_named;
        enum credentials_outcome outcome;
        const char *text; /* of CREDENTIALS_FOUND, the source's */
    } cases[] = {
        {{.status = 400}, {}, {}, false, CREDENTIALS_NOT_SET_UP, "HTTP status 400"},
        {{.status = 400}, {}, {}, true, CREDENTIALS_UNREACHABLE, "HTTP status 400"},
        {{.status = 418}, {}, {}, false, CREDENTIALS_FAILED, "HTTP status 418"},
        {{.status = 500}, {}, {}, false, CREDENTIALS_UNREACHABLE, "HTTP status 500"},
        {{.status = 302}, {}, {}, false, CREDENTIALS_METADATA_INTERCEPTED, "HTTP status 302"},
        {{.body = "t"}, {.status = 404}, {}, false, CREDENTIALS_NOT_SET_UP, ": this instance has"},
        {{.body = "t"}, {.body = ""}, {}, false, CREDENTIALS_NOT_SET_UP, "has no IAM role"},
        {{.body = "t"}, {.body = "\nx"}, {}, false, CREDENTIALS_FAILED, "not a role's name"},
        {{.body = "t"}, {.body = "a/b"}, {}, false, CREDENTIALS_FAILED, "not a role's name"},
        {{.body = "t"}, {.body = "a b"}, {}, false, CREDENTIALS_FAILED, "not a role's name"},
        {{.body = "t"}, {.body = "."}, {}, false, CREDENTIALS_FAILED, "not a role's name"},
        {{.body = "t"}, {.body = ".."}, {}, false, CREDENTIALS_FAILED, "not a role's name"},
        {{.body = "t"}, {.filler_bytes = 65}, {}, false, CREDENTIALS_FAILED, "not a role's name"},
        {{.body = "t"},
         {.body = "azAZ09+=,.@_-"},
         {.body = KEYS(LATE)},
         false,
         CREDENTIALS_FOUND,
         "role azAZ09+=,.@_-"},
        {{.body = "t"},
         {.body = long_role},
         {.body = KEYS(LATE)},
         false,
         CREDENTIALS_FOUND,
         long_role},
        {{.body = "t"},
         {.body = "r"},
         {.status = 404},
         false,
         CREDENTIALS_FAILED,
         "HTTP status 404"},
        {{.body = "t"},
         {.body = "r"},
         {.status = 500},
         false,
         CREDENTIALS_UNREACHABLE,
         "HTTP status 500"},
        {{.body = "t"},
         {.body = "r"},
         {.status = 302},
         false,
         CREDENTIALS_METADATA_INTERCEPTED,
         "HTTP status 302"},
        {{.body = "t"},
         {.body = "r"},
         {.body = "x", .how = REPLY_CUT_OFF},
         false,
         CREDENTIALS_UNREACHABLE,
         "/r: "},
        {{.body = "t"},
         {.body = "r"},
         {.body = "{}"},
         false,
         CREDENTIALS_FAILED,
         "the answer for role r "},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture *f = *state;
        CLEANUP(test_server_free)
        struct test_server *server = TEST_SERVER(cases[i].token, cases[i].role, cases[i].keys);
        CLEANUP(credentials_provider_free)
        struct credentials_provider *p = new_provider(f, server, cases[i].is_named);
        CLEANUP(answer_reset) struct answer a = {};

        fetch_answer(f->event, p, &a);
        if (a.outcome != cases[i].outcome)
            fail_msg("case %zu: outcome %d: %s", i, a.outcome, a.text);
        if (a.credentials)
            assert_non_null(strstr(a.credentials->source, cases[i].text));
        else
            assert_text_has(&a, cases[i].text);
    }
}

static void where_nobody_listens_it_is_not_reached(void **state)
{
    static const enum credentials_outcome outcomes[] = {CREDENTIALS_NO_ANSWER_YET,
                                                        CREDENTIALS_UNREACHABLE};

    for (int is_named = 0; is_named < 2; is_named++) {
        struct fixture *f = *state;
        CLEANUP(credentials_provider_free)
        struct credentials_provider *p = new_provider(f, NULL, is_named);
        CLEANUP(answer_reset) struct answer a = {};

        fetch_answer(f->event, p, &a);
        assert_int_equal(a.outcome, outcomes[is_named]);
    }
}

static void settings_count_at_each_fetch(void **state)
{
    struct fixture *f = *state;
    CLEANUP(credentials_provider_free) struct credentials_provider *p = NULL;
    CLEANUP(answer_reset) struct answer a = {};

    aws_home_write(".aws/config", "[profile p]\nmetadata_service_timeout = x\n");
    assert_int_equal(credentials_imds_new(f->event, f->http, "p", false, &p), 0);
    fetch_answer(f->event, p, &a);
    assert_int_equal(a.outcome, CREDENTIALS_FAILED);
    assert_text_has(&a, "metadata_service_timeout");
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    fetch_answer(f->event, p, &a);
    assert_int_equal(a.outcome, CREDENTIALS_NOT_SET_UP);
    assert_text_has(&a, "switched off");
}

static void a_fetch_under_way_ends_with_its_provider(void **state)
{
    struct fixture *f = *state;
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "t", .is_held = true});
    struct credentials_provider *p = new_provider(f, server, false);
    struct answer a = {};

    credentials_provider_fetch(p, on_answer, &a);
    test_server_run_until_requests(server, f->event, 1);
    credentials_provider_free(p);
    test_server_release(server);
    run_for(f->event, 50 * USEC_PER_MSEC);
    assert_int_equal(a.n, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_of_the_role_are_read_anew_at_each_fetch),
        TEST(keys_that_have_expired_are_handed_out),
        TEST(each_answer_has_its_outcome),
        TEST(where_nobody_listens_it_is_not_reached),
        TEST(settings_count_at_each_fetch),
        TEST(a_fetch_under_way_ends_with_its_provider),
    };

    return cmocka_run_group_tests(tests, aws_home_make, aws_home_remove);
}
