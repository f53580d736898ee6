/* SPDX-License-Identifier: MIT */
/* The start on a queue: which permissions it finds missing, how long it waits for them, and how it
 * ends. */
#include "daemon/queue.h"
#include "util/log.h"
#include "ahead-clock.h"
#include "test-loop.h"
#include "test-server.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define QUEUE_URL "https://sqs.eu-west-1.amazonaws.com/123456789012/test"
#define SEND PERMISSION_BIT(SQS_SEND_MESSAGE)
#define CONSUMER                                                                                   \
    (PERMISSION_BIT(SQS_RECEIVE_MESSAGE) | PERMISSION_BIT(SQS_DELETE_MESSAGE) |                    \
     PERMISSION_BIT(SQS_CHANGE_MESSAGE_VISIBILITY))

#define ATTRIBUTES                                                                                 \
    {                                                                                              \
        .body = "{\"Attributes\":{\"VisibilityTimeout\":\"30\"}}"                                  \
    }
#define REFUSED(status_, code)                                                                     \
    {                                                                                              \
        .status = (status_), .body = "{}",                                                         \
        .headers = "x-amzn-RequestId: 1\r\nx-amzn-query-error: " code ";Sender\r\n"                \
    }
#define DENIED REFUSED(403, "AccessDenied")
#define ALLOWED REFUSED(400, "AWS.SimpleQueueService.EmptyBatchRequest")
#define DONE                                                                                       \
    {                                                                                              \
        .body = "{\"MessageId\":\"1\"}"                                                            \
    }

/* What systemd was told last as the status. Overrides libsystemd's. */
static char status_text[1024];

int sd_notifyf(int unset, const char *format, ...)
{
    char text[sizeof(status_text)];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    if (strncmp(text, "STATUS=", strlen("STATUS=")) == 0)
        strcpy(status_text, text);
    return 0;
}

static struct bench {
    struct service *service;
    struct config *config;
    struct queue *queue;
    unsigned n_opened, n_done, n_left;
    struct sqs_call *call;
} b;

static void on_opened(void *userdata)
{
    b.n_opened++;
}

static void on_done(void *userdata, const struct sqs_result *result)
{
    b.call = NULL;
    b.n_done++;
}

static void on_stop(void *userdata)
{
}

static void on_cut_short(void *userdata)
{
    b.n_left++;
}

static void open_queue(struct test_server *server, unsigned permissions, bool keep_trying)
{
    CLEANUP(free) char *error = NULL;
    char text[512];

    b = (struct bench){};
    ahead_usec = slowed_by = 0;
    snprintf(text, sizeof(text),
             "aws: { queue_url = \"" QUEUE_URL
             "\"; endpoint_url = \"%s\"; region = \"eu-west-1\"; };",
             test_server_url(server));
    assert_int_equal(config_parse("test", text, strlen(text), &b.config, &error), 0);
    assert_int_equal(service_new(&b.service), 0);
    service_on_stop(b.service, &(struct service_stop){.timeout_usec = USEC_PER_SEC,
                                                      .begin = on_stop,
                                                      .cut_short = on_cut_short});
    assert_int_equal(queue_open(b.service, b.config,
                                &(struct queue_options){.name = "test",
                                                        .permissions = permissions,
                                                        .keep_trying = keep_trying,
                                                        .opened = on_opened},
                                &b.queue, &error),
                     0);
}

static int set_up(void **state)
{
    unsetenv("http_proxy");
    unsetenv("NOTIFY_SOCKET");
    unsetenv("AWS_CA_BUNDLE");
    setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    setenv("AWS_CONFIG_FILE", "/dev/null", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
    log_open("test", LOG_TARGET_STDERR, LOG_EMERG, LOG_COLOUR_GREEN);
    return 0;
}

static int tear_down(void **state)
{
    sqs_call_cancel(b.call);
    queue_free(b.queue);
    service_free(b.service);
    config_free(b.config);
    return 0;
}

static sd_event *event(void)
{
    return service_event(b.service);
}

static bool has_ended(void)
{
    int status;

    return sd_event_get_exit_code(event(), &status) >= 0;
}

static void run_until_ended(int status)
{
    uint64_t end = boot_clock_usec() + TEST_PATIENCE_USEC;
    int found = -1;

    while (!has_ended()) {
        assert_true(sd_event_run(event(), 100 * USEC_PER_MSEC) >= 0);
        assert_true(boot_clock_usec() < end);
    }
    assert_true(sd_event_get_exit_code(event(), &found) >= 0);
    assert_int_equal(found, status);
}

/* Runs until the server has answered so many requests, and what follows is done. */
static void run_requests(struct test_server *server, unsigned n)
{
    test_server_run_until_replies(server, event(), n);
}

static void pass(uint64_t usec)
{
    ahead_usec += usec;
    assert_true(sd_event_run(event(), USEC_PER_MSEC) >= 0);
}

static void allowed_start_probes_once(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(ATTRIBUTES, ALLOWED);

    open_queue(server, SEND, false);
    run_until(event(), &b.n_opened, 1);
    assert_int_equal(test_server_requests(server), 2);
    assert_int_equal(test_server_connections(server), 1);
    assert_string_equal(test_server_body(server, 1),
                        "{\"QueueUrl\":\"" QUEUE_URL "\",\"Entries\":[]}");
    pass(2 * PERMISSION_DENIAL_USEC);
    run_for(event(), 20 * USEC_PER_MSEC);
    assert_int_equal(test_server_requests(server), 2);
    assert_int_equal(b.n_opened, 1);
}

static void denial_ends_the_start_after_30_s(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(ATTRIBUTES, DENIED);

    open_queue(server, SEND, false);
    slow_clocks(8);
    run_requests(server, 2);
    assert_false(has_ended());
    pass(PERMISSION_DENIAL_USEC - 2 * USEC_PER_SEC);
    run_requests(server, 3);
    assert_false(has_ended());
    pass(3 * USEC_PER_SEC);
    run_until_ended(EX_NOPERM);
    assert_int_equal(b.n_opened, 0);
}

static void each_permission_of_many_is_probed(void **state)
{
    static const char *const expected[] = {
        "\"MaxNumberOfMessages\":11",
        "DeleteMessage\r\n",
        "ChangeMessageVisibility\r\n",
        "ReceiveMessage\r\n",
    };
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(ATTRIBUTES, DENIED);

    open_queue(server, CONSUMER, false);
    run_requests(server, 4);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        bool found = false;

        for (unsigned n = 1; n < 4; n++)
            found = found || strstr(test_server_body(server, n), expected[i]) ||
                    strstr(test_server_head(server, n), expected[i]);
        assert_true(found);
    }
    pass(PERMISSION_DENIAL_USEC);
    run_until_ended(EX_NOPERM);
    assert_int_equal(b.n_opened, 0);
}

static void permission_that_comes_in_time_begins_the_work(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(ATTRIBUTES, DENIED, DENIED, ALLOWED);

    open_queue(server, SEND, false);
    run_requests(server, 2);
    pass(2 * USEC_PER_SEC);
    run_requests(server, 3);
    assert_int_equal(b.n_opened, 0);
    pass(PERMISSION_DENIAL_USEC);
    run_until(event(), &b.n_opened, 1);
    assert_false(has_ended());
}

static void answer_of_neither_form_does_not_hold_the_start(void **state)
{
    static const struct test_reply answers[] = {
        REFUSED(400, "SomethingNew"),
        REFUSED(403, "RequestThrottled"),
        {.status = 500},
        {.status = 403, .body = "<html>"},
        {.how = REPLY_CLOSE},
        REFUSED(403, "ExpiredToken"),
    };

    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        CLEANUP(test_server_free)
        struct test_server *server = TEST_SERVER(ATTRIBUTES, answers[i]);

        open_queue(server, SEND, false);
        run_until(event(), &b.n_opened, 1);
        assert_false(has_ended());
        if (i + 1 < ARRAY_SIZE(answers))
            tear_down(state);
    }
}

static void probe_that_is_not_answered_does_not_hold_the_start(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(ATTRIBUTES, {.how = REPLY_STALL});

    open_queue(server, SEND, false);
    run_requests(server, 2);
    assert_int_equal(b.n_opened, 0);
    pass(15 * USEC_PER_SEC);
    run_until(event(), &b.n_opened, 1);
    assert_false(has_ended());
}

static void denied_attributes_are_done_without(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(DENIED, ALLOWED);

    open_queue(server, SEND, false);
    run_until(event(), &b.n_opened, 1);
    assert_int_equal(queue_attributes(b.queue)->visibility_timeout_sec, 30);
    assert_int_equal(test_server_requests(server), 2);
}

static void send_one(void)
{
    const struct sqs_message message = {.body = "x", .body_bytes = 1, .delay_sec = -1};
    struct sqs_request *request = NULL;

    assert_int_equal(sqs_request_send_message(QUEUE_URL, &message, &request), 0);
    request->has_md5 = false;
    assert_int_equal(
        queue_call(b.queue, request, &(struct sqs_call_options){}, on_done, NULL, &b.call), 0);
}

/* As an extension that nobody wants any more: its messages were settled meanwhile. */
static void failure_of_what_is_given_up_ends(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(ATTRIBUTES, ALLOWED, {.how = REPLY_STALL});
    const struct sqs_visibility_change change = {.receipt_handle = "handle", .visibility_sec = 30};
    struct sqs_request *request = NULL;

    open_queue(server, SEND, false);
    run_until(event(), &b.n_opened, 1);
    assert_int_equal(sqs_request_change_visibility(QUEUE_URL, &change, &request), 0);
    assert_int_equal(
        queue_call(b.queue, request, &(struct sqs_call_options){}, on_done, NULL, &b.call), 0);
    run_requests(server, 3);
    for (unsigned n = 0; test_server_requests(server) < 4 && n < 1000; n++) {
        pass(1 * USEC_PER_SEC);
        run_for(event(), 10 * USEC_PER_MSEC);
    }
    assert_int_equal(test_server_requests(server), 4);
    pass(5 * USEC_PER_SEC); /* a status may have to wait for its time */
    run_for(event(), 20 * USEC_PER_MSEC);
    assert_non_null(
        strstr(status_text, "Waiting for the queue (trying again within a minute): timed out"));
    sqs_call_cancel(b.call);
    b.call = NULL;
    pass(5 * USEC_PER_SEC);
    run_for(event(), 20 * USEC_PER_MSEC);
    assert_string_equal(status_text, "STATUS=");
}

/* The first attempt of a send fails before the probe's answer has come, and the second is not
 * answered. */
static void allowed_probe_does_not_end_a_failure_of_real_requests(void **state)
{
    struct test_reply slow_allowed = ALLOWED;
    CLEANUP(test_server_free) struct test_server *server = NULL;

    slow_allowed.how = REPLY_DRIP;
    server = TEST_SERVER(ATTRIBUTES, slow_allowed, {.status = 500}, {.how = REPLY_STALL});
    open_queue(server, SEND, true);
    run_until(event(), &b.n_opened, 1);
    run_requests(server, 2); /* the probe comes first, on a connection of its own */
    send_one();
    run_requests(server, 4);
    run_for(event(), USEC_PER_SEC); /* the probe's answer has come */
    pass(5 * USEC_PER_SEC);         /* a status may have to wait for its time */
    run_for(event(), 20 * USEC_PER_MSEC);
    assert_non_null(strstr(status_text, "Waiting for the queue (trying again within a minute): "));
}

/* Where SQS looks at the form first, the probe has told nothing. */
static void first_real_request_ends_the_daemon_as_a_probe_does(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(ATTRIBUTES, ALLOWED, DENIED);

    open_queue(server, SEND, false);
    run_until(event(), &b.n_opened, 1);
    send_one();
    run_requests(server, 3);
    assert_false(has_ended());
    /* Though what only a person can mend is otherwise tried again after up to a minute. */
    for (unsigned n = 4; n < 9; n++) {
        pass(PERMISSION_RETRY_MAX_USEC);
        run_requests(server, n);
        assert_false(has_ended());
    }
    pass(PERMISSION_RETRY_MAX_USEC + USEC_PER_SEC);
    run_until_ended(EX_NOPERM);
    assert_int_equal(b.n_left, 1);
    assert_int_equal(b.n_done, 0);
}

static void denial_after_a_success_ends_nothing(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(ATTRIBUTES, ALLOWED, DONE, DENIED);

    open_queue(server, SEND, false);
    run_until(event(), &b.n_opened, 1);
    send_one();
    run_until(event(), &b.n_done, 1);
    send_one();
    run_requests(server, 4);
    for (unsigned n = 5; n < 8; n++) {
        pass(2 * 60 * USEC_PER_SEC);
        run_requests(server, n);
    }
    assert_false(has_ended());
    assert_int_equal(b.n_done, 1);
}

static void daemon_that_keeps_trying_begins_at_once_and_is_never_ended(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(ATTRIBUTES, DENIED);

    open_queue(server, SEND, true);
    run_until(event(), &b.n_opened, 1);
    run_requests(server, 2);
    for (unsigned n = 3; n < 6; n++) {
        pass(PERMISSION_RETRY_SLOW_USEC + USEC_PER_SEC);
        run_requests(server, n);
    }
    send_one();
    run_requests(server, 6);
    pass(2 * PERMISSION_RETRY_SLOW_USEC);
    run_requests(server, 7);
    assert_false(has_ended());
    assert_int_equal(b.n_opened, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(allowed_start_probes_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(denial_ends_the_start_after_30_s, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_permission_of_many_is_probed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(permission_that_comes_in_time_begins_the_work, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(answer_of_neither_form_does_not_hold_the_start, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(probe_that_is_not_answered_does_not_hold_the_start, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(denied_attributes_are_done_without, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failure_of_what_is_given_up_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(allowed_probe_does_not_end_a_failure_of_real_requests,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(first_real_request_ends_the_daemon_as_a_probe_does, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(denial_after_a_success_ends_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(daemon_that_keeps_trying_begins_at_once_and_is_never_ended,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
