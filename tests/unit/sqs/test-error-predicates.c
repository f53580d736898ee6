/* SPDX-License-Identifier: MIT */
/* What callers ask about an error: the functions sqs_error_is_…. */
#include "error-fixture.h"

/* Nothing of it says that a message is bad. */
static void error_a_person_must_mend_is_not_the_requests_fault(void **state)
{
    static const struct {
        int http_status;
        const char *body;
        bool is_of_queue;
    } cases[] = {
        {404, "{\"__type\":\"com.amazon.coral.service#UnknownOperationException\"}", true},
        {400, "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\"}", true},
        {403, "{\"__type\":\"AccessDenied\"}", true},
        {400, "{\"__type\":\"com.amazonaws.sqs#InvalidMessageContents\"}", false},
        {400, "{\"__type\":\"RequestAbortedException\"}", false},
        {404, "", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct sqs_error error = parse(cases[i].http_status, NULL, NULL, cases[i].body);

        assert_int_equal(sqs_error_is_about_setup(&error), cases[i].is_of_queue);
    }
}

/* Whoever sends it again must know. */
static void request_aborted_may_have_taken_effect(void **state)
{
    struct sqs_error error = parse(400, NULL, NULL, "{\"__type\":\"RequestAbortedException\"}");

    assert_true(sqs_error_is_outcome_unknown(&error));
    error.was_not_sent = true;
    assert_false(sqs_error_is_outcome_unknown(&error));
    error = parse(403, NULL, NULL, "{\"__type\":\"RequestThrottled\"}");
    assert_false(sqs_error_is_outcome_unknown(&error));
}

/* KMS denies the key, which another permission allows. */
static void denial_is_only_sqs_own_under_either_name(void **state)
{
    struct sqs_error error = parse(403, NULL, NULL, "{\"__type\":\"AccessDenied\"}");

    assert_true(sqs_error_is_denial(&error));
    error = parse(400, NULL, NULL, "{\"__type\":\"AccessDeniedException\"}");
    assert_true(sqs_error_is_denial(&error));
    error = parse(400, NULL, NULL, "{\"__type\":\"KMS.AccessDeniedException\"}");
    assert_false(sqs_error_is_denial(&error));
    error = parse(403, NULL, NULL, "");
    assert_false(sqs_error_is_denial(&error));
}

static void credentials_missing_are_told_from_those_that_fail(void **state)
{
    static const struct {
        const char *name;
        bool is_without;
    } cases[] = {
        {SQS_ERROR_NO_CREDENTIALS, true},
        {SQS_ERROR_NO_CREDENTIALS_YET, true},
        {SQS_ERROR_CREDENTIALS_FAILED, false},
        {SQS_ERROR_CREDENTIALS_UNREACHABLE, false},
        {"", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct sqs_error error;

        sqs_error_set(&error, AWS_ERROR_CREDENTIALS, cases[i].name, "");
        assert_int_equal(sqs_error_is_without_credentials(&error), cases[i].is_without);
    }
}

/* Only the text tells an expired handle from another bad parameter. */
static void lease_lost_is_known_by_each_of_sqs_answers(void **state)
{
    static const struct {
        const char *code, *text;
        bool is_lost;
    } cases[] = {
        {"ReceiptHandleIsInvalid", "", true},
        {"MessageNotInflight", "", true},
        {"AWS.SimpleQueueService.MessageNotInflight", "", true},
        {"InvalidParameterValue", "Reason: The receipt handle has expired.", true},
        {"InvalidParameterValueException",
         "Message does not exist or is not available for visibility timeout change.", true},
        {"InvalidParameterValue", "Reason: Must be between 0 and 43200.", false},
        {"InternalError", "The receipt handle has expired.", false},
        {"", "", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(sqs_error_is_lease_lost(cases[i].code, cases[i].text), cases[i].is_lost);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_a_person_must_mend_is_not_the_requests_fault),
        cmocka_unit_test(request_aborted_may_have_taken_effect),
        cmocka_unit_test(denial_is_only_sqs_own_under_either_name),
        cmocka_unit_test(credentials_missing_are_told_from_those_that_fail),
        cmocka_unit_test(lease_lost_is_known_by_each_of_sqs_answers),
    };

    return cmocka_run_group_tests_name("sqs-error-predicates", tests, NULL, NULL);
}
