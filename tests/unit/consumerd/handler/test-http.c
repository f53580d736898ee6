/* SPDX-License-Identifier: MIT */
/* What is posted, over which connection, and what the log says. */
#include "http-fixture.h"

#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

static void check_header(struct test_server *server, unsigned i, const char *name,
                         const char *expected)
{
    char *value = test_server_header(server, i, name);

    if (!value || !streq(value, expected))
        fail_msg("%s: %s, not %s", name, value ? value : "(none)", expected);
    free(value);
}

static void check_no_header(struct test_server *server, unsigned i, const char *name)
{
    char *value = test_server_header(server, i, name);

    if (value)
        fail_msg("%s: %s", name, value);
}

static void message_is_posted_as_by_aws_sqsd(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.status = 200});
    CLEANUP(handler_free) struct handler *handler = NULL;
    struct sqs_attribute attributes[] = {
        {"title", "String", "Gr\xc3\xbc\xc3\x9f Gott", 11, false},
        {"amount.eur", "Number", "12.50", 5, false},
        {"picture", "Binary", "\x00\r\n", 3, true},
        {"broken", "String", "1\r\nX-Injected: 2", 16, false},
    };
    struct sqs_received_message message = plain;
    char url[128];

    message.sender_id = "AIDAEXAMPLEEXAMPLE123";
    message.first_received_msec = UINT64_C(1531055306987);
    message.sent_msec = UINT64_C(1531055305001);
    message.receive_count = 6;
    message.attributes = attributes;
    message.n_attributes = ARRAY_SIZE(attributes);
    snprintf(url, sizeof(url), "%sin/box", test_server_url(server));
    handler = new_handler(url);
    assert_int_equal(handle(handler, &message).outcome, HANDLER_DONE);

    assert_memory_equal(test_server_head(server, 0), "POST /in/box HTTP/1.1\r\n", 23);
    assert_string_equal(test_server_body(server, 0), "question");
    check_header(server, 0, "User-Agent", "aws-sqsd/1.1 sqs-consumerd/" PROJECT_VERSION);
    check_header(server, 0, "Content-Type", CONTENT_TYPE);
    check_header(server, 0, "Content-Length", "8");
    check_header(server, 0, "X-Aws-Sqsd-Msgid", plain.message_id);
    check_header(server, 0, "X-Aws-Sqsd-Queue", "jobs.fifo");
    check_header(server, 0, "X-Aws-Sqsd-First-Received-At", "2018-07-08T13:08:26Z");
    check_header(server, 0, "X-Aws-Sqsd-Receive-Count", "6");
    check_header(server, 0, "X-Aws-Sqsd-Attr-title", "Gr\xc3\xbc\xc3\x9f Gott");
    check_header(server, 0, "X-Aws-Sqsd-Attr-amount.eur", "12.50");
    check_header(server, 0, "X-Aws-Sqsd-Sender-Id", "AIDAEXAMPLEEXAMPLE123");
    check_header(server, 0, "X-Aws-Sqsd-Sent-At", "2018-07-08T13:08:25Z");
    check_header(server, 0, "X-Aws-Sqsd-Path", "/in/box");
    check_no_header(server, 0, "X-Aws-Sqsd-Attr-picture");
    check_no_header(server, 0, "X-Aws-Sqsd-Attr-broken");
    check_no_header(server, 0, "X-Injected");
    check_no_header(server, 0, "Expect");
    check_no_header(server, 0, "Transfer-Encoding");
    check_no_header(server, 0, "X-Aws-Sqsd-Taskname");
    check_no_header(server, 0, "X-Aws-Sqsd-Scheduled-At");
    check_no_header(server, 0, "Authorization");

    /* The one that is no Binary one is missed. */
    assert_int_equal(n_entries, 1);
    assert_int_equal(entries[0].priority, LOG_WARNING);
    assert_string_equal(entries[0].message_id, plain.message_id);
    assert_non_null(strstr(entries[0].text, "without 1 of its attributes"));
    assert_non_null(strstr(entries[0].text, "\"broken\""));

    /* Nothing of it stays for the next message. */
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_DONE);
    check_no_header(server, 1, "X-Aws-Sqsd-Attr-title");
    check_no_header(server, 1, "X-Aws-Sqsd-Sender-Id");
    check_header(server, 1, "X-Aws-Sqsd-Receive-Count", "1");
    assert_int_equal(test_server_connections(server), 1);
}

static void attribute_of_spaces_is_a_header_without_value(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.status = 200});
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));
    struct sqs_attribute attribute = {"blank", "String", "  ", 2, false};
    struct sqs_received_message message = plain;

    message.attributes = &attribute;
    message.n_attributes = 1;
    assert_int_equal(handle(handler, &message).outcome, HANDLER_DONE);
    check_header(server, 0, "X-Aws-Sqsd-Attr-blank", "");
}

static void largest_body_and_headers_go_out_whole(void **state)
{
    static char body[SQS_MESSAGE_MAX_BYTES + 1], value[40000];
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.status = 200});
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));
    struct sqs_attribute attribute = {"large", "String", value, sizeof(value) - 1, false};
    struct sqs_received_message message = plain;

    memset(body, 'b', sizeof(body) - 1);
    memset(value, 'v', sizeof(value) - 1);
    message.body = body;
    message.body_bytes = sizeof(body) - 1;
    message.attributes = &attribute;
    message.n_attributes = 1;
    assert_int_equal(handle(handler, &message).outcome, HANDLER_DONE);
    assert_string_equal(test_server_body(server, 0), body);
    check_header(server, 0, "Content-Length", "1048576");
    check_header(server, 0, "X-Aws-Sqsd-Attr-large", value);
}

static void unix_socket_is_posted_to(void **state)
{
    static const struct test_reply reply = {.status = 200};
    char folder[] = "/tmp/handler-http-XXXXXX", path[64], url[128];
    struct test_server *server;
    struct handler *handler;

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/socket", folder);
    server = test_server_new_unix(&reply, 1, path);

    snprintf(url, sizeof(url), "unix:%s", path);
    handler = new_handler(url);
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_DONE);
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_DONE);
    handler_free(handler);
    assert_memory_equal(test_server_head(server, 0), "POST / HTTP/1.1\r\n", 17);
    check_header(server, 0, "Host", "localhost");
    check_header(server, 0, "X-Aws-Sqsd-Path", "/");
    check_header(server, 0, "X-Aws-Sqsd-Msgid", plain.message_id);
    assert_string_equal(test_server_body(server, 0), "question");
    assert_int_equal(test_server_connections(server), 1);

    snprintf(url, sizeof(url), "unix:%s:/in/box?secret=1", path);
    handler = new_handler(url);
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_DONE);
    assert_memory_equal(test_server_head(server, 2), "POST /in/box?secret=1 HTTP/1.1\r\n", 32);
    check_header(server, 2, "X-Aws-Sqsd-Path", "/in/box");

    test_server_free(server);
    unlink(path);
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_NOT_REACHED);
    assert_int_equal(n_entries, 0);
    assert_non_null(strstr(handler->ops->why_not_reached(handler), "No such file or directory"));
    assert_non_null(strstr(handler->ops->why_not_reached(handler), path));
    assert_null(strstr(handler->ops->why_not_reached(handler), "secret"));
    handler_free(handler);
    rmdir(folder);
}

static void loopback_needs_no_proxy_and_others_may(void **state)
{
    CLEANUP(test_server_free) struct test_server *proxy = TEST_SERVER({.status = 200});
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.status = 200});
    CLEANUP(handler_free) struct handler *here = NULL, *there = NULL;

    setenv("http_proxy", test_server_url(proxy), 1);
    here = new_handler(test_server_url(server));
    there = new_handler("http://worker.invalid/in");
    assert_int_equal(handle(here, &plain).outcome, HANDLER_DONE);
    assert_int_equal(test_server_requests(proxy), 0);
    assert_int_equal(handle(there, &plain).outcome, HANDLER_DONE);
    assert_int_equal(test_server_requests(proxy), 1);
    unsetenv("http_proxy");
}

static void proxy_refuses_handler_is_not_reached_and_the_retry_waits(void **state)
{
    CLEANUP(test_server_free) struct test_server *proxy = TEST_SERVER({.status = 407});
    CLEANUP(handler_free) struct handler *handler = NULL;
    struct outcome o;

    setenv("https_proxy", test_server_url(proxy), 1);
    handler = new_handler("https://worker.invalid/in");
    o = handle(handler, &plain);
    unsetenv("https_proxy");
    assert_int_equal(o.outcome, HANDLER_NOT_REACHED);
    assert_int_equal(o.delay_usec, 60 * USEC_PER_SEC);
    assert_non_null(strstr(handler->ops->why_not_reached(handler), "407"));
}

static void messages_at_once_share_as_many_connections(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.delay_msec = 5});
    struct config config = config_for(test_server_url(server));
    CLEANUP(handler_free) struct handler *handler = NULL;
    struct outcome outcomes[40];

    config.consumer.concurrency = 4;
    assert_int_equal(handler_http_new(event, &config, &handler, NULL), 0);
    n_all_done = 0;
    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
        begin(handler, &plain, &outcomes[i]);
    run_until(event, &n_all_done, ARRAY_SIZE(outcomes));
    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
        assert_int_equal(outcomes[i].outcome, HANDLER_DONE);
    assert_in_range(test_server_connections(server), 1, 4);
    assert_int_equal(test_server_requests(server), ARRAY_SIZE(outcomes));
}

static void message_abandoned_is_silent_and_its_connection_ends(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.how = REPLY_STALL}, {.status = 200});
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));
    struct outcome under_way, before_it_went, after;

    begin(handler, &plain, &under_way);
    test_server_run_until_requests(server, event, 1);
    handler->ops->abandon(under_way.run);
    begin(handler, &plain, &before_it_went);
    handler->ops->abandon(before_it_went.run);

    after = handle(handler, &plain);
    assert_int_equal(after.outcome, HANDLER_DONE);
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(under_way.n_done + before_it_went.n_done, 0);
    assert_int_equal(test_server_requests(server), 2);
    assert_int_equal(test_server_connections(server), 2);
    assert_int_equal(n_entries, 0);
}

static void message_cancelled_is_answered_at_once(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.is_held = true}, {});
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));
    struct outcome under_way, after;

    begin(handler, &plain, &under_way);
    test_server_run_until_requests(server, event, 1);
    handler->ops->cancel(under_way.run, TEST_PATIENCE_USEC);
    assert_int_equal(under_way.n_done, 1);
    assert_int_equal(under_way.outcome, HANDLER_RETRY);
    assert_true(under_way.delay_usec == HANDLER_DELAY_DEFAULT);

    test_server_release(server);
    run_for(event, 20 * USEC_PER_MSEC); /* nobody minds its answer */
    after = handle(handler, &plain);
    assert_int_equal(after.outcome, HANDLER_DONE);
    assert_int_equal(under_way.n_done, 1);
    assert_int_equal(test_server_connections(server), 2);
    assert_int_equal(n_entries, 0);
}

static void message_reaches_the_application_only_with_a_connection(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.is_held = true}, {});
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));
    struct outcome unreached, reached;

    begin(handler, &plain, &unreached);
    assert_true(handler->ops->cancel_unreached(unreached.run));
    begin(handler, &plain, &reached);
    test_server_run_until_requests(server, event, 1);
    assert_false(handler->ops->cancel_unreached(reached.run));
    test_server_release(server);
    run_until(event, &reached.n_done, 1);
    assert_int_equal(unreached.n_done, 0);
}

static void application_down_does_not_flood_the_log(void **state)
{
    struct test_reply replies[61];
    CLEANUP(test_server_free) struct test_server *server = NULL;
    CLEANUP(handler_free) struct handler *handler = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(replies); i++)
        replies[i] = (struct test_reply){.status = i % 2 ? 501 : 500};
    replies[60].status = 200;
    server = test_server_new(replies, ARRAY_SIZE(replies), NULL);
    handler = new_handler(test_server_url(server));
    for (size_t i = 0; i < 60; i++)
        assert_int_equal(handle(handler, &plain).outcome, HANDLER_RETRY);
    assert_int_equal(n_entries, 1);
    assert_int_equal(entries[0].priority, LOG_WARNING);

    assert_int_equal(handle(handler, &plain).outcome, HANDLER_DONE);
    assert_int_equal(n_entries, 2);
    assert_int_equal(entries[1].priority, LOG_NOTICE);
    assert_non_null(strstr(entries[1].text, "handles messages again; 60 failed within"));
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_DONE);
    assert_int_equal(n_entries, 2);
}

static void failure_of_each_kind_is_logged_and_a_bad_message_is_no_outage(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.status = 500}, {.status = 404}, {.body = "half", .how = REPLY_CUT_OFF},
                    {.status = 404}, {.status = 200}, {.status = 404}, {.status = 200});
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));

    for (unsigned i = 0; i < 4; i++)
        handle(handler, &plain);
    assert_int_equal(n_entries, 3);
    assert_string_equal(entries[0].status, "500");
    assert_string_equal(entries[1].status, "404");
    assert_string_equal(entries[2].status, "");
    handle(handler, &plain);
    assert_int_equal(n_entries, 4);
    assert_non_null(strstr(entries[3].text, "handles messages again; 2 failed"));
    handle(handler, &plain);
    handle(handler, &plain);
    assert_int_equal(n_entries, 4);
}

static void failures_within_a_minute_are_logged_at_debug(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.status = 500});
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));

    log_open("test", LOG_TARGET_JOURNAL, LOG_DEBUG, LOG_COLOUR_NONE);
    for (unsigned i = 0; i < 3; i++)
        handle(handler, &plain);
    assert_int_equal(n_entries, 3);
    assert_int_equal(entries[2].priority, LOG_DEBUG);
    assert_string_equal(entries[2].status, "500");
}

static void settings_without_target_are_refused(void **state)
{
    static const char *const bad[] = {"", "nonsense", "http://127.0.0.1:99999/",
                                      "unix:/run/app.socket:/a b"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct config config = config_for(bad[i]);
        struct handler *handler = NULL;
        char *error = NULL;

        if (handler_http_new(event, &config, &handler, &error) != HANDLER_E_CONFIG)
            fail_msg("accepted: %s", bad[i]);
        assert_null(handler);
        assert_memory_equal(error, "consumer.url", 12);
        assert_null(strchr(error, '\n'));
        free(error);
    }
}

static void handler_without_a_run_is_freed(void **state)
{
    handler_free(new_handler("https://worker.example.com/in"));
    handler_free(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(message_is_posted_as_by_aws_sqsd),
        TEST(attribute_of_spaces_is_a_header_without_value),
        TEST(largest_body_and_headers_go_out_whole),
        TEST(unix_socket_is_posted_to),
        TEST(loopback_needs_no_proxy_and_others_may),
        TEST(proxy_refuses_handler_is_not_reached_and_the_retry_waits),
        TEST(messages_at_once_share_as_many_connections),
        TEST(message_abandoned_is_silent_and_its_connection_ends),
        TEST(message_cancelled_is_answered_at_once),
        TEST(message_reaches_the_application_only_with_a_connection),
        TEST(application_down_does_not_flood_the_log),
        TEST(failure_of_each_kind_is_logged_and_a_bad_message_is_no_outage),
        TEST(failures_within_a_minute_are_logged_at_debug),
        TEST(settings_without_target_are_refused),
        TEST(handler_without_a_run_is_freed),
    };

    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
