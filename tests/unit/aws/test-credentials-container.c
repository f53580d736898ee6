/* SPDX-License-Identifier: MIT */
#include "aws/credentials-container.h"
#include "test-aws-home.h"
#include "test-server.h"

#define KEYS(id)                                                                                   \
    "{\"AccessKeyId\": \"" id "\", \"SecretAccessKey\": \"" SECRET                                 \
    "\", \"Token\": \"session\", \"Expiration\": \"2090-01-01T00:00:00Z\"}"

struct fixture {
    sd_event *event;
    struct http_client *http;
    struct credentials_provider *provider;
};

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){};
    aws_home_reset();
    if (sd_event_new(&f.event) < 0 ||
        http_client_new(f.event,
                        &(struct http_client_options){.user_agent = "test/1",
                                                      .connect_timeout_usec = TEST_PATIENCE_USEC},
                        &f.http) < 0 ||
        credentials_container_new(f.event, f.http, TEST_PATIENCE_USEC, &f.provider) < 0)
        return -1;
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    credentials_provider_free(f->provider);
    http_client_free(f->http);
    sd_event_unref(f->event);
    return 0;
}

/* With a query, which may hold a secret. */
static void set_uri(const struct test_server *server)
{
    char url[128];

    snprintf(url, sizeof(url), "%skeys?key=" SECRET, test_server_url(server));
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
}

static void set_token_file(const char *token)
{
    char path[160];

    aws_home_path("token", path, sizeof(path));
    aws_home_write("token", token);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path, 1);
}

static void assert_authorization(struct test_server *server, unsigned i, const char *wanted)
{
    CLEANUP(free) char *value = test_server_header(server, i, "Authorization");

    if (wanted)
        assert_string_equal(value ? value : "(none)", wanted);
    else
        assert_null(value);
}

static void keys_are_asked_for_with_the_token_as_it_is_at_each_fetch(void **state)
{
    struct fixture *f = *state;
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = KEYS("ASIA1")}, {.body = KEYS("ASIA2")});
    CLEANUP(answer_reset) struct answer a = {};

    set_uri(server);
    fetch_answer(f->event, f->provider, &a);
    assert_int_equal(a.outcome, CREDENTIALS_FOUND);
    assert_string_equal(a.credentials->access_key_id, "ASIA1");
    assert_string_equal(a.credentials->secret_access_key, SECRET);
    assert_string_equal(a.credentials->session_token, "session");
    assert_true(a.credentials->expiry_usec == 3786912000 * USEC_PER_SEC);
    assert_non_null(strstr(a.credentials->source, "container endpoint http://127.0.0.1:"));
    assert_null(strchr(a.credentials->source, '?'));
    assert_non_null(strstr(test_server_head(server, 0), "GET /keys?key=" SECRET " HTTP/1.1\r\n"));
    assert_authorization(server, 0, NULL);

    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Bearer " SECRET, 1);
    fetch_answer(f->event, f->provider, &a);
    assert_string_equal(a.credentials->access_key_id, "ASIA2");
    assert_authorization(server, 1, "Bearer " SECRET);

    set_token_file("from-file~");
    fetch_answer(f->event, f->provider, &a);
    assert_authorization(server, 2, "from-file~");
    set_token_file("newer");
    fetch_answer(f->event, f->provider, &a);
    assert_authorization(server, 3, "newer");
    assert_int_equal(test_server_requests(server), 4);
}

static void a_token_that_cannot_be_sent_is_told(void **state)
{
    static const struct {
        const char *token, *text;
    } cases[] = {
        {"", "token is empty"},
        {SECRET "\n", "has a line break in it: it must be the token alone"},
        {SECRET "\r", "has a line break in it"},
        {"\x1f" SECRET, "has a control character"},
        {SECRET "\x7f", "has a control character"},
        {SECRET "\xc3\xa4", "has a control character or a byte that is not ASCII in it"},
    };
    struct fixture *f = *state;
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.body = KEYS("ASIA1")});
    CLEANUP(answer_reset) struct answer a = {};

    set_uri(server);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        set_token_file(cases[i].token);
        fetch_answer(f->event, f->provider, &a);
        assert_int_equal(a.outcome, CREDENTIALS_FAILED);
        assert_text_has(&a, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE /");
        assert_text_has(&a, cases[i].text);
    }
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/dev/null/x", 1);
    fetch_answer(f->event, f->provider, &a);
    assert_int_equal(a.outcome, CREDENTIALS_FAILED);
    assert_text_has(&a, "/dev/null/x cannot be read: ");
    assert_int_equal(test_server_requests(server), 0);
}

/* Asked at once, from servers of their own: each is asked three times, a second apart. */
static void each_failure_has_its_outcome_after_three_attempts(void **state)
{
    static const struct {
        struct test_reply reply;
        enum credentials_outcome outcome;
        const char *text;
    } cases[] = {
        {{.status = 403}, CREDENTIALS_FAILED, "HTTP status 403 (no token was sent: "},
        {{.status = 404, .body = "{\"code\": \"C\", \"message\": \"not here\"}"},
         CREDENTIALS_FAILED,
         "HTTP status 404, "},
        {{.status = 500}, CREDENTIALS_UNREACHABLE, "HTTP status 500"},
        {{.status = 302}, CREDENTIALS_METADATA_INTERCEPTED, "does not give keys: HTTP status 302"},
        {{.body = "<html>"}, CREDENTIALS_METADATA_INTERCEPTED, "HTTP status 200 with HTML"},
        {{.body = "{}"}, CREDENTIALS_FAILED, "its answer "},
        {{.how = REPLY_CLOSE}, CREDENTIALS_UNREACHABLE, "container endpoint "},
        {{.filler_bytes = 1 << 20}, CREDENTIALS_FAILED, "larger than allowed"},
    };
    struct fixture *f = *state;
    struct {
        struct test_server *server;
        struct credentials_provider *provider;
        struct answer answer;
    } all[ARRAY_SIZE(cases)] = {};
    uint64_t start = boot_clock_usec();

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        all[i].server = test_server_new(&cases[i].reply, 1, NULL);
        set_uri(all[i].server);
        assert_int_equal(
            credentials_container_new(f->event, f->http, TEST_PATIENCE_USEC, &all[i].provider), 0);
        credentials_provider_fetch(all[i].provider, on_answer, &all[i].answer);
    }
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct answer *a = &all[i].answer;

        run_until(f->event, &a->n, 1);
        if (a->outcome != cases[i].outcome)
            fail_msg("case %zu: outcome %d: %s", i, a->outcome, a->text);
        assert_text_has(a, cases[i].text);
        assert_int_equal(test_server_requests(all[i].server), CREDENTIALS_CONTAINER_ATTEMPTS);
        credentials_provider_free(all[i].provider);
        test_server_free(all[i].server);
    }
    assert_true(boot_clock_usec() - start >= 2 * CREDENTIALS_CONTAINER_PAUSE_USEC);
}

static void what_fails_once_is_asked_again(void **state)
{
    struct fixture *f = *state;
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.status = 403}, {.body = KEYS("ASIA1")});
    CLEANUP(answer_reset) struct answer a = {};

    set_uri(server);
    fetch_answer(f->event, f->provider, &a);
    assert_int_equal(a.outcome, CREDENTIALS_FOUND);
    assert_int_equal(test_server_requests(server), 2);
}

static void without_a_uri_it_is_not_set_up(void **state)
{
    struct fixture *f = *state;
    CLEANUP(answer_reset) struct answer a = {};

    fetch_answer(f->event, f->provider, &a);
    assert_int_equal(a.outcome, CREDENTIALS_NOT_SET_UP);
    assert_text_has(&a, "AWS_CONTAINER_CREDENTIALS_FULL_URI is set");
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/", 1);
    fetch_answer(f->event, f->provider, &a);
    assert_int_equal(a.outcome, CREDENTIALS_FAILED);
    assert_text_has(&a, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
}

static void a_fetch_under_way_ends_with_its_provider(void **state)
{
    struct fixture *f = *state;
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = KEYS("ASIA1"), .is_held = true});
    struct credentials_provider *p = NULL;
    struct answer a = {};

    set_uri(server);
    assert_int_equal(credentials_container_new(f->event, f->http, TEST_PATIENCE_USEC, &p), 0);
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
        TEST(keys_are_asked_for_with_the_token_as_it_is_at_each_fetch),
        TEST(a_token_that_cannot_be_sent_is_told),
        TEST(each_failure_has_its_outcome_after_three_attempts),
        TEST(what_fails_once_is_asked_again),
        TEST(without_a_uri_it_is_not_set_up),
        TEST(a_fetch_under_way_ends_with_its_provider),
    };

    return cmocka_run_group_tests(tests, aws_home_make, aws_home_remove);
}
