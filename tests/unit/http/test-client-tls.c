/* SPDX-License-Identifier: MIT */
#include "http/client.h"
#include "ahead-clock.h"
#include "test-certificate.h"
#include "test-loop.h"
#include "test-server.h"

#include <signal.h>
#include <stdio.h>

static sd_event *event;

struct outcome {
    unsigned n_done;
    enum http_failure failure;
    int status;
    char text[512];
};

static void on_done(void *userdata, const struct http_reply *reply)
{
    struct outcome *o = userdata;

    o->n_done++;
    o->failure = reply->failure;
    o->status = reply->status;
    snprintf(o->text, sizeof(o->text), "%s", reply->failure_text);
}

static struct http_client *new_client(const char *ca_bundle)
{
    struct http_client *client;

    assert_int_equal(http_client_new(event,
                                     &(struct http_client_options){
                                         .user_agent = "test/1",
                                         .ca_bundle = ca_bundle,
                                         .connect_timeout_usec = TEST_PATIENCE_USEC,
                                     },
                                     &client),
                     0);
    return client;
}

static void submit(struct http_client *client, const char *url, uint64_t timeout_usec,
                   struct outcome *o)
{
    struct http_request request = {
        .method = "POST",
        .url = url,
        .body = "question",
        .body_bytes = 8,
        .timeout_usec = timeout_usec,
        .reply_max_bytes = 1000,
    };
    struct http_slot *slot;

    assert_int_equal(http_client_submit(client, &request, on_done, o, &slot), 0);
}

static struct outcome ask(struct http_client *client, const char *url)
{
    struct outcome o = {};

    submit(client, url, TEST_PATIENCE_USEC, &o);
    run_until(event, &o.n_done, 1);
    return o;
}

static struct test_server *tls_server(SSL_CTX *context)
{
    return test_server_new(&(struct test_reply){.body = "ok"}, 1, context);
}

static void certificate_of_the_bundle_is_trusted(void **state)
{
    CLEANUP(test_authority_free) struct test_authority *authority = test_authority_new();
    CLEANUP(test_context_free)
    SSL_CTX *context = test_authority_context(authority, "IP:127.0.0.1", 3600);
    CLEANUP(test_server_free) struct test_server *server = tls_server(context);
    CLEANUP(http_client_free)
    struct http_client *client = new_client(test_authority_path(authority));

    for (int i = 0; i < 5; i++) {
        struct outcome o = ask(client, test_server_url(server));

        assert_int_equal(o.failure, HTTP_FAILURE_NONE);
        assert_int_equal(o.status, 200);
    }
    assert_int_equal(test_server_connections(server), 1);
    assert_string_equal(test_server_body(server, 4), "question");
}

static void certificate_fault_is_told(void **state)
{
    CLEANUP(test_authority_free) struct test_authority *authority = test_authority_new();
    CLEANUP(test_authority_free) struct test_authority *other = test_authority_new();
    const struct {
        struct test_authority *signer;
        const char *name;
        long valid_sec;
        const char *bundle, *text;
    } cases[] = {
        {authority, "DNS:other.example", 3600, test_authority_path(authority), "127.0.0.1"},
        {authority, "IP:127.0.0.2", 3600, test_authority_path(authority), "127.0.0.1"},
        {authority, "IP:127.0.0.1", -60, test_authority_path(authority), "expired"},
        {other, "IP:127.0.0.1", 3600, test_authority_path(authority), "certificate"},
        {authority, "IP:127.0.0.1", 3600, NULL, "certificate"},
        {authority, "IP:127.0.0.1", 3600, "", "certificate"},
        {authority, "IP:127.0.0.1", 3600, "/nonexistent/bundle.pem", "/nonexistent/bundle.pem"},
        {authority, "IP:127.0.0.1", 3600, "/dev/null", "/dev/null"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(test_context_free)
        SSL_CTX *context =
            test_authority_context(cases[i].signer, cases[i].name, cases[i].valid_sec);
        CLEANUP(test_server_free) struct test_server *server = tls_server(context);
        CLEANUP(http_client_free) struct http_client *client = new_client(cases[i].bundle);
        struct outcome o = ask(client, test_server_url(server));

        if (o.failure != HTTP_FAILURE_TLS || !strstr(o.text, cases[i].text))
            fail_msg("case %zu: failure %d: %s", i, o.failure, o.text);
        assert_int_equal(test_server_requests(server), 0);
    }
}

static void tls_old_is_refused(void **state)
{
    CLEANUP(test_authority_free) struct test_authority *authority = test_authority_new();
    CLEANUP(test_context_free)
    SSL_CTX *context = test_authority_context(authority, "IP:127.0.0.1", 3600);
    struct test_server *server;
    CLEANUP(http_client_free)
    struct http_client *client = new_client(test_authority_path(authority));
    struct outcome o;

    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
    server = tls_server(context);
    o = ask(client, test_server_url(server));
    assert_int_equal(o.failure, HTTP_FAILURE_HANDSHAKE);
    assert_true(strlen(o.text) > 5);
    test_server_free(server);
}

static void https_to_a_plain_server_is_no_tls(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.body = "HTTP/1.1 400 Bad\r\n\r\n", .how = REPLY_RAW});
    CLEANUP(http_client_free) struct http_client *client = new_client(NULL);
    char url[64];
    struct outcome o = {};

    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", test_server_port(server));
    submit(client, url, TEST_PATIENCE_USEC / 2, &o);
    while (test_server_connections(server) == 0)
        assert_true(sd_event_run(event, 5 * USEC_PER_MSEC) >= 0);
    /* The server waits for the end of a request's head, which a TLS hello does not hold. */
    ahead_usec += TEST_PATIENCE_USEC / 2;
    run_until(event, &o.n_done, 1);
    assert_int_equal(o.failure, HTTP_FAILURE_TIMEOUT);
    assert_string_equal(o.text, "timed out in the TLS handshake");
}

static void requests_are_cancelled_in_the_handshake(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.how = REPLY_STALL});
    struct http_client *client = new_client(NULL);
    char url[64];
    struct outcome o = {};

    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", test_server_port(server));
    for (int i = 0; i < 4; i++) {
        struct http_request request = {
            .method = "GET", .url = url, .timeout_usec = USEC_INFINITY, .reply_max_bytes = 10};
        struct http_slot *slot;

        assert_int_equal(http_client_submit(client, &request, on_done, &o, &slot), 0);
        run_for(event, 20 * USEC_PER_MSEC);
        if (i < 2)
            http_slot_cancel(slot);
    }
    http_client_free(client);
    assert_int_equal(o.n_done, 0);
}

static int set_up(void **state)
{
    static const char *const unwanted[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                                           "AWS_CA_BUNDLE"};

    for (size_t i = 0; i < ARRAY_SIZE(unwanted); i++)
        unsetenv(unwanted[i]);
    /* As the daemons do. */
    signal(SIGPIPE, SIG_IGN);
    return sd_event_new(&event) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    sd_event_unref(event);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(certificate_of_the_bundle_is_trusted),
        TEST(certificate_fault_is_told),
        TEST(tls_old_is_refused),
        TEST(https_to_a_plain_server_is_no_tls),
        TEST(requests_are_cancelled_in_the_handshake),
    };

    return cmocka_run_group_tests_name("http-client-tls", tests, NULL, NULL);
}
