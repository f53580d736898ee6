/* SPDX-License-Identifier: MIT */
#include "sqs/permission.h"
#include "test.h"

#include <stdio.h>

#define CONSUMER                                                                                   \
    (PERMISSION_BIT(SQS_RECEIVE_MESSAGE) | PERMISSION_BIT(SQS_DELETE_MESSAGE) |                    \
     PERMISSION_BIT(SQS_CHANGE_MESSAGE_VISIBILITY))
#define START (1000 * USEC_PER_SEC)

static struct sqs_error error_of(int status, const char *query_error, const char *body)
{
    struct sqs_error error;

    sqs_error_parse(status, query_error, NULL, NULL, body, strlen(body), &error);
    return error;
}

static enum permission_answer answer_to(enum sqs_operation operation, int status, const char *code)
{
    char query_error[128];
    struct sqs_error error;

    snprintf(query_error, sizeof(query_error), "%s;Sender", code);
    error = error_of(status, query_error, "{}");
    return permission_answer_of(operation, &error);
}

static void error_about_the_probes_form_says_allowed(void **state)
{
    static const struct {
        enum sqs_operation operation;
        const char *code;
    } cases[] = {
        {SQS_SEND_MESSAGE, "AWS.SimpleQueueService.EmptyBatchRequest"},
        {SQS_SEND_MESSAGE_BATCH, "EmptyBatchRequest"},
        {SQS_RECEIVE_MESSAGE, "InvalidParameterValue"},
        {SQS_RECEIVE_MESSAGE, "ReadCountOutOfRange"},
        {SQS_DELETE_MESSAGE, "ReceiptHandleIsInvalid"},
        {SQS_DELETE_MESSAGE, "InvalidParameterValue"},
        {SQS_CHANGE_MESSAGE_VISIBILITY, "ReceiptHandleIsInvalid"},
        {SQS_CHANGE_MESSAGE_VISIBILITY, "InvalidParameterValue"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(answer_to(cases[i].operation, 400, cases[i].code), PERMISSION_ALLOWED);
    assert_int_equal(permission_answer_of(SQS_DELETE_MESSAGE, NULL), PERMISSION_ALLOWED);
}

static void access_denied_says_denied(void **state)
{
    struct sqs_error error =
        error_of(403, NULL, "{\"__type\":\"com.amazon.coral.service#AccessDeniedException\"}");

    for (unsigned i = 0; i < SQS_N_OPERATIONS; i++) {
        assert_int_equal(permission_answer_of(i, &error), PERMISSION_DENIED);
        assert_int_equal(answer_to(i, 403, "AccessDenied"), PERMISSION_DENIED);
    }
}

static void answer_of_neither_form_tells_nothing(void **state)
{
    static const char *const codes[] = {
        "RequestThrottled",
        "InternalError",
        "ExpiredToken",
        "KMS.AccessDeniedException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "SomethingNew",
    };
    struct sqs_error html = error_of(403, NULL, "<html>forbidden</html>");
    struct sqs_error silence = {.class = AWS_ERROR_TRANSIENT, .name = SQS_ERROR_NETWORK};
    struct sqs_error early = {.class = AWS_ERROR_TRANSIENT, .name = "AccessDeniedException"};

    for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
        assert_int_equal(answer_to(SQS_SEND_MESSAGE, 400, codes[i]), PERMISSION_UNKNOWN);
    assert_int_equal(permission_answer_of(SQS_SEND_MESSAGE, &html), PERMISSION_UNKNOWN);
    assert_int_equal(permission_answer_of(SQS_SEND_MESSAGE, &silence), PERMISSION_UNKNOWN);
    assert_int_equal(permission_answer_of(SQS_SEND_MESSAGE, &early), PERMISSION_UNKNOWN);
    /* The error of another probe's form. */
    assert_int_equal(answer_to(SQS_RECEIVE_MESSAGE, 400, "ReceiptHandleIsInvalid"),
                     PERMISSION_UNKNOWN);
    assert_int_equal(answer_to(SQS_GET_QUEUE_ATTRIBUTES, 400, "InvalidParameterValue"),
                     PERMISSION_UNKNOWN);
}

static void permission_not_needed_is_not_probed(void **state)
{
    struct permissions p;

    permissions_init(&p, CONSUMER);
    assert_false(permissions_needs_probe(&p, SQS_SEND_MESSAGE));
    assert_false(permissions_needs_probe(&p, SQS_GET_QUEUE_ATTRIBUTES));
    assert_true(permissions_needs_probe(&p, SQS_DELETE_MESSAGE));
    assert_true(permissions_is_denial_fatal(&p, SQS_DELETE_MESSAGE_BATCH));
    assert_false(permissions_denied(&p, SQS_SEND_MESSAGE, START));
    assert_false(permissions_denied(&p, SQS_SEND_MESSAGE, START + PERMISSION_DENIAL_USEC));
    assert_int_equal(permissions_count_denied(&p, START), 0);
    permissions_init(&p, 0);
    assert_false(permissions_needs_probe(&p, SQS_DELETE_MESSAGE));
}

static void denial_counts_after_30_s(void **state)
{
    struct permissions p;

    permissions_init(&p, CONSUMER);
    assert_false(permissions_probed(&p, SQS_DELETE_MESSAGE, PERMISSION_DENIED, START));
    assert_int_equal(permissions_count_denied(&p, START), 1);
    assert_true(permissions_needs_probe(&p, SQS_DELETE_MESSAGE));
    assert_false(permissions_probed(&p, SQS_DELETE_MESSAGE, PERMISSION_DENIED,
                                    START + PERMISSION_DENIAL_USEC - 1));
    assert_true(permissions_probed(&p, SQS_DELETE_MESSAGE, PERMISSION_DENIED,
                                   START + PERMISSION_DENIAL_USEC));
}

static void probe_that_tells_nothing_leaves_the_denial(void **state)
{
    struct permissions p;

    permissions_init(&p, CONSUMER);
    assert_false(permissions_probed(&p, SQS_DELETE_MESSAGE, PERMISSION_DENIED, START));
    assert_false(permissions_probed(&p, SQS_DELETE_MESSAGE, PERMISSION_UNKNOWN, START + 1));
    assert_int_equal(permissions_count_denied(&p, START), 1);
    assert_false(permissions_probed(&p, SQS_DELETE_MESSAGE, PERMISSION_UNKNOWN,
                                    START + 2 * PERMISSION_DENIAL_USEC));
    assert_true(permissions_probed(&p, SQS_DELETE_MESSAGE, PERMISSION_DENIED,
                                   START + 2 * PERMISSION_DENIAL_USEC));
}

static void permission_that_comes_ends_the_denial(void **state)
{
    struct permissions p;
    uint64_t later = START + PERMISSION_DENIAL_USEC;

    permissions_init(&p, CONSUMER);
    assert_false(permissions_probed(&p, SQS_DELETE_MESSAGE, PERMISSION_DENIED, START));
    assert_false(permissions_probed(&p, SQS_DELETE_MESSAGE, PERMISSION_ALLOWED, later - 1));
    assert_int_equal(permissions_count_denied(&p, START), 0);
    assert_false(permissions_needs_probe(&p, SQS_DELETE_MESSAGE));
    /* Where it comes and goes, the 30 s begin anew. */
    assert_false(permissions_denied(&p, SQS_DELETE_MESSAGE, later));
    assert_true(permissions_denied(&p, SQS_DELETE_MESSAGE, later + PERMISSION_DENIAL_USEC));
}

static void request_denied_counts_until_one_has_succeeded(void **state)
{
    struct permissions p;
    uint64_t late = START + PERMISSION_DENIAL_USEC;

    permissions_init(&p, CONSUMER);
    /* The probe may have told nothing: SQS may have looked at its form first. */
    assert_false(permissions_probed(&p, SQS_DELETE_MESSAGE, PERMISSION_ALLOWED, START));
    assert_false(permissions_denied(&p, SQS_DELETE_MESSAGE_BATCH, START));
    assert_true(permissions_denied(&p, SQS_DELETE_MESSAGE, late));

    permissions_proven(&p, SQS_DELETE_MESSAGE_BATCH);
    assert_false(permissions_is_denial_fatal(&p, SQS_DELETE_MESSAGE));
    assert_true(permissions_is_denial_fatal(&p, SQS_RECEIVE_MESSAGE));
    assert_int_equal(permissions_count_denied(&p, START), 0);
    assert_false(permissions_denied(&p, SQS_DELETE_MESSAGE, late));
    assert_false(permissions_denied(&p, SQS_DELETE_MESSAGE, 10 * late));
    assert_false(permissions_probed(&p, SQS_DELETE_MESSAGE, PERMISSION_DENIED, 10 * late));
}

/* Nothing asks again what a probe has found allowed: the next real request may be hours away. */
static void denial_that_passes_is_forgotten(void **state)
{
    struct permissions p;
    uint64_t hours_later = START + 7200 * USEC_PER_SEC;

    permissions_init(&p, CONSUMER);
    assert_false(permissions_probed(&p, SQS_DELETE_MESSAGE, PERMISSION_ALLOWED, START));
    assert_false(permissions_denied(&p, SQS_DELETE_MESSAGE, START));
    assert_false(permissions_denied(&p, SQS_DELETE_MESSAGE, hours_later));
    assert_false(
        permissions_denied(&p, SQS_DELETE_MESSAGE, hours_later + PERMISSION_DENIAL_USEC - 1));
    assert_true(permissions_denied(&p, SQS_DELETE_MESSAGE, hours_later + PERMISSION_DENIAL_USEC));
    /* Those of one failure need not follow closely. */
    permissions_init(&p, CONSUMER);
    assert_false(permissions_denied(&p, SQS_DELETE_MESSAGE, START));
    assert_true(permissions_denied(&p, SQS_DELETE_MESSAGE, START + PERMISSION_FORGET_USEC));
}

/* Only answers that tell nothing have come since, for example because SQS was not reached. */
static void denial_without_another_for_long_is_neither_counted_nor_asked_for(void **state)
{
    struct permissions p;
    uint64_t last = START + PERMISSION_FORGET_USEC;

    permissions_init(&p, CONSUMER);
    assert_false(permissions_probed(&p, SQS_DELETE_MESSAGE, PERMISSION_DENIED, START));
    assert_false(permissions_probed(&p, SQS_DELETE_MESSAGE, PERMISSION_UNKNOWN, last));
    assert_int_equal(permissions_count_denied(&p, last), 1);
    assert_int_equal(permissions_retry_usec(&p, last), PERMISSION_RETRY_SLOW_USEC);
    assert_int_equal(permissions_count_denied(&p, last + 1), 0);
    assert_true(permissions_retry_usec(&p, last + 1) == USEC_INFINITY);
}

static void permissions_denied_are_probed_soon_and_when_the_last_comes_to_count(void **state)
{
    struct permissions p;
    uint64_t now = START, delay = 0;

    permissions_init(&p, CONSUMER);
    assert_true(permissions_retry_usec(&p, now) == USEC_INFINITY);
    for (unsigned n = 0; now < START + PERMISSION_DENIAL_USEC; n++) {
        assert_in_range(n, 0, 12);
        assert_false(permissions_probed(&p, SQS_DELETE_MESSAGE, PERMISSION_DENIED, now));
        /* Its answer comes a little later each time. */
        assert_false(permissions_probed(&p, SQS_RECEIVE_MESSAGE, PERMISSION_DENIED, now + 7));
        delay = permissions_retry_usec(&p, now + 7);
        assert_in_range(delay, n == 0 ? USEC_PER_SEC : 1, PERMISSION_RETRY_MAX_USEC);
        now += 7 + delay;
    }
    assert_int_equal(now, START + 7 + PERMISSION_DENIAL_USEC);
    assert_true(permissions_probed(&p, SQS_DELETE_MESSAGE, PERMISSION_DENIED, now));
    assert_true(permissions_probed(&p, SQS_RECEIVE_MESSAGE, PERMISSION_DENIED, now));
    assert_int_equal(permissions_retry_usec(&p, now), PERMISSION_RETRY_SLOW_USEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_about_the_probes_form_says_allowed),
        cmocka_unit_test(access_denied_says_denied),
        cmocka_unit_test(answer_of_neither_form_tells_nothing),
        cmocka_unit_test(permission_not_needed_is_not_probed),
        cmocka_unit_test(denial_counts_after_30_s),
        cmocka_unit_test(probe_that_tells_nothing_leaves_the_denial),
        cmocka_unit_test(permission_that_comes_ends_the_denial),
        cmocka_unit_test(request_denied_counts_until_one_has_succeeded),
        cmocka_unit_test(denial_that_passes_is_forgotten),
        cmocka_unit_test(denial_without_another_for_long_is_neither_counted_nor_asked_for),
        cmocka_unit_test(permissions_denied_are_probed_soon_and_when_the_last_comes_to_count),
    };

    return cmocka_run_group_tests_name("sqs-permission", tests, NULL, NULL);
}
