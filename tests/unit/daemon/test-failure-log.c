/* SPDX-License-Identifier: MIT */
#include "daemon/failure-log.h"
#include "test.h"

#define SEC USEC_PER_SEC

static const struct sqs_error denied = {.class = AWS_ERROR_PERMANENT,
                                        .name = "AccessDeniedException"};
static const struct sqs_error away = {.class = AWS_ERROR_TRANSIENT, .name = "NetworkFailure"};

static void failure_of_a_kind_is_logged_first_and_then_once_a_minute(void **state)
{
    struct operation_failures t = {};
    struct failure_log ended;

    assert_true(operation_failures_add(&t, SQS_SEND_MESSAGE, &away, "x", 100 * SEC));
    for (unsigned i = 1; i < 60; i++)
        assert_false(operation_failures_add(&t, SQS_SEND_MESSAGE, &away, "x", (100 + i) * SEC));
    assert_true(operation_failures_add(&t, SQS_SEND_MESSAGE, &away, "x", 160 * SEC));
    assert_true(operation_failures_add(&t, SQS_SEND_MESSAGE, &denied, "x", 161 * SEC));
    assert_false(operation_failures_add(&t, SQS_SEND_MESSAGE, &denied, "x", 162 * SEC));
    assert_true(operation_failures_end(&t, SQS_SEND_MESSAGE, &ended));
    assert_int_equal(ended.failures, 63);
    assert_int_equal(ended.since_usec, 100 * SEC);
    assert_false(operation_failures_end(&t, SQS_SEND_MESSAGE, &ended));
}

static void operation_that_works_does_not_end_the_failure_of_another(void **state)
{
    struct operation_failures t = {};
    struct failure_log ended;
    unsigned n_lines = 0;

    for (unsigned i = 0; i < 100; i++) {
        n_lines += operation_failures_add(&t, SQS_DELETE_MESSAGE, &denied, "denied", i * SEC);
        assert_false(operation_failures_end(&t, SQS_RECEIVE_MESSAGE, &ended));
        assert_string_equal(operation_failures_text(&t), "denied");
    }
    assert_int_equal(n_lines, 2);
}

static void operation_that_fails_now_and_then_has_a_line_a_minute(void **state)
{
    struct operation_failures t = {};
    struct failure_log ended;
    unsigned n_lines = 0, n_ends = 0;

    for (unsigned i = 0; i < 150; i++) {
        n_lines += operation_failures_add(&t, SQS_SEND_MESSAGE, &away, "x", i * SEC);
        n_ends += operation_failures_end(&t, SQS_SEND_MESSAGE, &ended);
        assert_null(operation_failures_text(&t));
    }
    assert_int_equal(n_lines, 3);
    assert_int_equal(n_ends, 3);
}

static void text_is_that_of_the_last_failure_under_way(void **state)
{
    struct operation_failures t = {};
    struct failure_log ended;
    char longer[2 * FAILURE_LOG_TEXT_MAX_BYTES];

    assert_null(operation_failures_text(&t));
    operation_failures_add(&t, SQS_DELETE_MESSAGE, &denied, "denied", SEC);
    operation_failures_add(&t, SQS_RECEIVE_MESSAGE, &away, "away", 2 * SEC);
    assert_string_equal(operation_failures_text(&t), "away");
    operation_failures_end(&t, SQS_RECEIVE_MESSAGE, &ended);
    assert_string_equal(operation_failures_text(&t), "denied");
    operation_failures_end(&t, SQS_DELETE_MESSAGE, &ended);
    assert_null(operation_failures_text(&t));

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    operation_failures_add(&t, SQS_GET_QUEUE_ATTRIBUTES, &away, longer, SEC);
    assert_int_equal(strlen(operation_failures_text(&t)), FAILURE_LOG_TEXT_MAX_BYTES - 1);
}

static void failure_log_alone_needs_no_operation(void **state)
{
    struct failure_log t = {}, ended;
    char long_kind[2 * LOG_RATE_LIMIT_KIND_SIZE];

    memset(long_kind, 'k', sizeof(long_kind) - 1);
    long_kind[sizeof(long_kind) - 1] = '\0';
    assert_false(failure_log_end(&t, &ended));
    assert_true(failure_log_add(&t, long_kind, "first", 10 * SEC));
    assert_false(failure_log_add(&t, long_kind, "second", 69 * SEC));
    assert_true(failure_log_add(&t, long_kind, "third", 70 * SEC));
    assert_true(failure_log_end(&t, &ended));
    assert_int_equal(ended.failures, 3);
    assert_string_equal(ended.text, "third");
    assert_false(failure_log_end(&t, &ended));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failure_of_a_kind_is_logged_first_and_then_once_a_minute),
        cmocka_unit_test(operation_that_works_does_not_end_the_failure_of_another),
        cmocka_unit_test(operation_that_fails_now_and_then_has_a_line_a_minute),
        cmocka_unit_test(text_is_that_of_the_last_failure_under_way),
        cmocka_unit_test(failure_log_alone_needs_no_operation),
    };

    return cmocka_run_group_tests_name("daemon-failure-log", tests, NULL, NULL);
}
