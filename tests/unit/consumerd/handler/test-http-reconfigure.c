/* SPDX-License-Identifier: MIT */
/* Other settings for handler "http" while messages are with it. */
#include "ahead-clock.h"
#include "http-fixture.h"

#include <stdio.h>

static int prepare(struct handler *handler, const char *url, const char *type,
                   uint64_t timeout_usec, char **error)
{
    static char texts[2][256];
    struct config next = config_for(url);
    int r;

    snprintf(texts[0], sizeof(texts[0]), "%s", url);
    snprintf(texts[1], sizeof(texts[1]), "%s", type);
    next.consumer.url = texts[0];
    next.consumer.content_type = texts[1];
    next.consumer.timeout_usec = timeout_usec;
    r = handler->ops->prepare(handler, &next, error);
    memset(texts, 'x', sizeof(texts) - 1); /* nothing is borrowed */
    return r;
}

static void message_with_the_old_url_is_handled_there(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *old = TEST_SERVER({.status = 500, .body = "old", .is_held = true});
    CLEANUP(test_server_free) struct test_server *new = TEST_SERVER({.body = "ok"});
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(old));
    CLEANUP(free) char *error = NULL, *type = NULL;
    char old_url[64];
    struct outcome first = {}, second;

    snprintf(old_url, sizeof(old_url), "%s", test_server_url(old));
    begin(handler, &plain, &first);
    test_server_run_until_requests(old, event, 1);
    assert_int_equal(prepare(handler, test_server_url(new), "text/new", 20 * USEC_PER_SEC, &error),
                     0);
    handler->ops->reconfigure(handler);
    assert_string_equal(handler->target, test_server_url(new));
    second = handle(handler, &plain);
    assert_int_equal(second.outcome, HANDLER_DONE);
    type = test_server_header(new, 0, "Content-Type");
    assert_string_equal(type, "text/new");

    assert_int_equal(first.n_done, 0);
    test_server_release(old);
    run_until(event, &first.n_done, 1);
    assert_int_equal(first.outcome, HANDLER_RETRY);
    assert_int_equal(test_server_requests(old), 1);
    assert_int_equal(n_entries, 1);
    assert_non_null(strstr(entries[0].text, old_url));
}

static void other_timeout_holds_for_the_next_message(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.is_held = true}, {.how = REPLY_STALL});
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));
    CLEANUP(free) char *error = NULL;
    struct outcome first = {}, second = {};

    begin(handler, &plain, &first);
    test_server_run_until_requests(server, event, 1);
    assert_int_equal(
        prepare(handler, test_server_url(server), CONTENT_TYPE, TIMEOUT_USEC / 4, &error), 0);
    handler->ops->reconfigure(handler);
    begin(handler, &plain, &second);
    test_server_run_until_requests(server, event, 2);
    ahead_usec += TIMEOUT_USEC / 4;
    run_until(event, &second.n_done, 1);
    assert_int_equal(second.outcome, HANDLER_UNANSWERED);
    assert_int_equal(first.n_done, 0);
    test_server_release(server);
    run_until(event, &first.n_done, 1);
    assert_int_equal(first.outcome, HANDLER_DONE);
}

static void url_that_is_not_set_changes_nothing(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.body = "ok"});
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));
    CLEANUP(free) char *error = NULL;

    assert_int_equal(prepare(handler, "", CONTENT_TYPE, USEC_PER_SEC, &error), HANDLER_E_CONFIG);
    assert_non_null(strstr(error, "consumer.url is not set"));
    handler->ops->reconfigure(handler);
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_DONE);
    /* What was prepared and not used is freed with the handler. */
    assert_int_equal(prepare(handler, "http://h/", CONTENT_TYPE, USEC_PER_SEC, &error), 0);
    assert_int_equal(prepare(handler, "http://h/", CONTENT_TYPE, USEC_PER_SEC, &error), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(message_with_the_old_url_is_handled_there),
        TEST(other_timeout_holds_for_the_next_message),
        TEST(url_that_is_not_set_changes_nothing),
    };

    return cmocka_run_group_tests_name("consumerd-handler-http-reconfigure", tests, NULL, NULL);
}
