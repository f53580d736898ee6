/* SPDX-License-Identifier: MIT */
#include "sqs/attributes-refresher.h"
#include "ahead-clock.h"
#include "test-loop.h"
#include "test-server.h"

#include <unistd.h>

#define QUEUE_URL "https://eu-west-1.queue.amazonaws.com/123456789012/test.fifo"
#define SIZE(bytes)                                                                                \
    {                                                                                              \
        .body = "{\"Attributes\":{\"MaximumMessageSize\":\"" bytes "\"}}"                          \
    }

static int start(struct credentials_provider *provider)
{
    CLEANUP(aws_credentials_unref) struct aws_credentials *c = NULL;

    assert_int_equal(aws_credentials_new("AKIA", "SECRET", NULL, "fake", USEC_INFINITY, &c), 0);
    credentials_provider_found(provider, c);
    return 0;
}

static struct bench {
    sd_event *event;
    struct credentials *credentials;
    struct http_client *http;
    struct endpoint endpoint;
    struct sqs_client *client;
    struct attributes_refresher *refresher;
    unsigned n_refreshed, n_without;
    size_t bytes;
} b;

static void on_refreshed(void *userdata, const struct sqs_queue_attributes *attributes)
{
    b.n_refreshed++;
    if (attributes)
        b.bytes = attributes->maximum_message_bytes;
    else
        b.n_without++;
}

static void set_bench(struct test_server *server)
{
    static const struct credentials_provider_ops ops = {.start = start};
    struct credentials_provider *provider = NULL;
    static char path[] = "/", region[] = "eu-west-1", host[] = "127.0.0.1";

    unsetenv("http_proxy");
    b = (struct bench){};
    ahead_usec = 0;
    slow_clocks(32); /* what is seconds old stays so on a slow machine */
    assert_true(sd_event_new(&b.event) >= 0);
    assert_int_equal(credentials_provider_new(sizeof(*provider), &ops, "fake", NULL, &provider), 0);
    assert_int_equal(credentials_new(b.event, provider, &b.credentials), 0);
    assert_int_equal(
        http_client_new(b.event,
                        &(struct http_client_options){.user_agent = "test/1",
                                                      .connect_timeout_usec = TEST_PATIENCE_USEC},
                        &b.http),
        0);
    b.endpoint.url = strdup(test_server_url(server));
    b.endpoint.host = host;
    b.endpoint.path = path;
    b.endpoint.region = region;
    assert_int_equal(sqs_client_new(b.event, b.http, b.credentials, &b.endpoint, TEST_PATIENCE_USEC,
                                    NULL, &b.client),
                     0);
    assert_int_equal(
        attributes_refresher_new(b.event, b.client, QUEUE_URL, on_refreshed, NULL, &b.refresher),
        0);
}

static int tear_down(void **state)
{
    attributes_refresher_free(b.refresher);
    sqs_client_free(b.client);
    http_client_free(b.http);
    credentials_free(b.credentials);
    free(b.endpoint.url);
    sd_event_unref(b.event);
    return 0;
}

/* The loop sees the time in its next turn. */
static void pass(uint64_t usec)
{
    ahead_usec += usec;
    assert_true(sd_event_run(b.event, USEC_PER_MSEC) >= 0);
}

static void attributes_seconds_old_are_not_asked_for_again(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(SIZE("2048"), SIZE("4096"));

    set_bench(server);
    assert_false(attributes_refresher_ask(b.refresher));
    pass(ATTRIBUTES_REFRESH_AGE_MIN_USEC);
    assert_true(attributes_refresher_ask(b.refresher));
    assert_true(attributes_refresher_ask(b.refresher)); /* it is under way */
    assert_int_equal(b.n_refreshed, 0);
    run_until(b.event, &b.n_refreshed, 1);
    assert_int_equal(b.bytes, 2048);
    assert_false(attributes_refresher_ask(b.refresher));
    pass(ATTRIBUTES_REFRESH_AGE_MIN_USEC);
    assert_true(attributes_refresher_ask(b.refresher));
    run_until(b.event, &b.n_refreshed, 2);
    assert_int_equal(b.bytes, 4096);
    assert_int_equal(test_server_requests(server), 2);
}

static void answer_slow_is_as_fresh_as_a_quick_one(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(SIZE("2048"));

    set_bench(server);
    pass(ATTRIBUTES_REFRESH_AGE_MIN_USEC);
    assert_true(attributes_refresher_ask(b.refresher));
    ahead_usec += ATTRIBUTES_REFRESH_AGE_MIN_USEC + USEC_PER_SEC;
    run_until(b.event, &b.n_refreshed, 1);
    assert_int_equal(b.n_without, 0);
    assert_false(attributes_refresher_ask(b.refresher));
    assert_int_equal(test_server_requests(server), 1);
}

static void attributes_are_asked_for_every_ten_minutes(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(SIZE("2048"));

    set_bench(server);
    for (unsigned n = 1; n <= 3; n++) {
        pass(ATTRIBUTES_REFRESH_INTERVAL_USEC - ATTRIBUTES_REFRESH_JITTER_USEC - 20 * USEC_PER_SEC);
        run_for(b.event, 5 * USEC_PER_MSEC);
        assert_int_equal(test_server_requests(server), n - 1);
        pass(2 * ATTRIBUTES_REFRESH_JITTER_USEC + 30 * USEC_PER_SEC);
        run_until(b.event, &b.n_refreshed, n);
    }
    assert_int_equal(b.n_without, 0);
}

static void interval_has_its_jitter(void **state)
{
    assert_int_equal(attributes_refresh_interval_usec(0),
                     ATTRIBUTES_REFRESH_INTERVAL_USEC - ATTRIBUTES_REFRESH_JITTER_USEC);
    for (uint64_t random = 1; random > 0; random *= 3)
        if (random > UINT64_MAX / 3)
            break;
        else
            assert_in_range(attributes_refresh_interval_usec(random),
                            ATTRIBUTES_REFRESH_INTERVAL_USEC - ATTRIBUTES_REFRESH_JITTER_USEC,
                            ATTRIBUTES_REFRESH_INTERVAL_USEC + ATTRIBUTES_REFRESH_JITTER_USEC);
}

static void answer_that_does_not_come_is_waited_for_only_so_long(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.how = REPLY_STALL}, {.status = 500}, SIZE("1024"));

    set_bench(server);
    pass(ATTRIBUTES_REFRESH_AGE_MIN_USEC);
    assert_true(attributes_refresher_ask(b.refresher));
    test_server_run_until_requests(server, b.event, 1);
    assert_int_equal(b.n_refreshed, 0);
    pass(ATTRIBUTES_REFRESH_TIMEOUT_USEC + USEC_PER_SEC);
    run_until(b.event, &b.n_without, 1);
    /* Who has waited for it must not wait again. */
    assert_false(attributes_refresher_ask(b.refresher));
    pass(ATTRIBUTES_REFRESH_AGE_MIN_USEC);
    /* Nor is a failure repeated before its time. */
    assert_true(attributes_refresher_ask(b.refresher));
    run_until(b.event, &b.n_without, 2);
    assert_int_equal(test_server_requests(server), 2);
    pass(ATTRIBUTES_REFRESH_INTERVAL_USEC + ATTRIBUTES_REFRESH_JITTER_USEC + 2 * USEC_PER_SEC);
    run_until(b.event, &b.n_refreshed, 3);
    assert_int_equal(b.bytes, 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(attributes_seconds_old_are_not_asked_for_again, tear_down),
        cmocka_unit_test_teardown(answer_slow_is_as_fresh_as_a_quick_one, tear_down),
        cmocka_unit_test_teardown(attributes_are_asked_for_every_ten_minutes, tear_down),
        cmocka_unit_test(interval_has_its_jitter),
        cmocka_unit_test_teardown(answer_that_does_not_come_is_waited_for_only_so_long, tear_down),
    };

    return cmocka_run_group_tests_name("sqs-attributes-refresher", tests, NULL, NULL);
}
