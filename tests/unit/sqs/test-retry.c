/* SPDX-License-Identifier: MIT */
#include "sqs/retry.h"
#include "test.h"

static struct sqs_error error_of(enum aws_error_class class, const char *name)
{
    struct sqs_error error;

    sqs_error_set(&error, class, name, "");
    return error;
}

static void error_ends_or_is_retried_by_the_callers_rules(void **state)
{
    static const struct {
        enum aws_error_class class;
        const char *name;
        struct sqs_retry_rules rules;
        enum sqs_next next;
        bool is_slow;
    } rows[] = {
        {AWS_ERROR_TRANSIENT, "InternalError", {}, SQS_NEXT_AFTER, false},
        {AWS_ERROR_TRANSIENT, "InternalError", {.is_last = true}, SQS_NEXT_FINISH, false},
        {AWS_ERROR_THROTTLED, "RequestThrottled", {}, SQS_NEXT_AFTER, false},
        {AWS_ERROR_CLOCK, "RequestExpired", {}, SQS_NEXT_FINISH, false},
        {AWS_ERROR_CLOCK, "RequestExpired", {.keep_trying = true}, SQS_NEXT_AFTER, true},
        {AWS_ERROR_PERMANENT, "InvalidMessageContents", {}, SQS_NEXT_FINISH, false},
        {AWS_ERROR_PERMANENT,
         "InvalidMessageContents",
         {.keep_trying = true},
         SQS_NEXT_FINISH,
         false},
        {AWS_ERROR_PERMANENT, "QueueDoesNotExist", {}, SQS_NEXT_FINISH, false},
        {AWS_ERROR_PERMANENT, "QueueDoesNotExist", {.keep_trying = true}, SQS_NEXT_AFTER, true},
        {AWS_ERROR_PERMANENT, "AccessDeniedException", {.keep_trying = true}, SQS_NEXT_AFTER, true},
        {AWS_ERROR_PERMANENT,
         "AccessDeniedException",
         {.keep_trying = true, .is_denial_final = true},
         SQS_NEXT_FINISH,
         false},
        {AWS_ERROR_PERMANENT, "", {}, SQS_NEXT_FINISH, false},
        {AWS_ERROR_PERMANENT, "", {.keep_trying = true}, SQS_NEXT_AFTER, true},
        {AWS_ERROR_PERMANENT, SQS_ERROR_NOT_FROM_SQS, {}, SQS_NEXT_AFTER, true},
        {AWS_ERROR_PERMANENT, SQS_ERROR_NOT_FROM_SQS, {.is_last = true}, SQS_NEXT_FINISH, false},
        {AWS_ERROR_TRANSIENT, SQS_ERROR_CREDENTIALS_INTERCEPTED, {}, SQS_NEXT_AFTER, true},
        {AWS_ERROR_CREDENTIALS, SQS_ERROR_NO_CREDENTIALS, {}, SQS_NEXT_FINISH, false},
        {AWS_ERROR_CREDENTIALS,
         SQS_ERROR_NO_CREDENTIALS,
         {.keep_trying = true},
         SQS_NEXT_AFTER,
         true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct sqs_error error = error_of(rows[i].class, rows[i].name);
        struct retry_quota quota = RETRY_QUOTA_INIT;
        struct sqs_retry retry = {};
        struct sqs_retry_step step = sqs_retry_next(&retry, &quota, &error, &rows[i].rules, 1);

        if (step.next != rows[i].next || step.is_slow != rows[i].is_slow)
            fail_msg("row %zu: %s: next %d, slow %d", i, rows[i].name, step.next, step.is_slow);
    }
}

static void keys_refused_are_looked_up_anew_once(void **state)
{
    static const struct sqs_retry_rules rules = {.had_credentials = true, .keep_trying = true};
    struct sqs_error error = error_of(AWS_ERROR_CREDENTIALS, "ExpiredTokenException");
    struct retry_quota quota = RETRY_QUOTA_INIT;
    struct sqs_retry retry = {};

    assert_int_equal(sqs_retry_next(&retry, &quota, &error, &rules, 1).next, SQS_NEXT_NOW);
    assert_int_equal(sqs_retry_next(&retry, &quota, &error, &rules, 1).next, SQS_NEXT_AFTER);
}

static void delay_grows_with_failures_of_one_kind_alone(void **state)
{
    struct sqs_error transient = error_of(AWS_ERROR_TRANSIENT, "InternalError");
    struct sqs_error throttled = error_of(AWS_ERROR_THROTTLED, "RequestThrottled");
    struct retry_quota quota = RETRY_QUOTA_INIT;
    static const struct sqs_retry_rules rules = {};
    struct sqs_retry retry = {};

    for (unsigned n = 1; n <= 4; n++) {
        struct sqs_retry_step step = sqs_retry_next(&retry, &quota, &transient, &rules, UINT64_MAX);

        assert_int_equal(retry.failures, n);
        assert_int_equal(step.delay_usec,
                         backoff_delay_usec(BACKOFF_TRANSIENT, n, true, USEC_INFINITY, UINT64_MAX));
    }
    sqs_retry_next(&retry, &quota, &throttled, &rules, 1);
    assert_int_equal(retry.failures, 1);
}

static void call_without_tokens_sleeps_until_another_is_answered(void **state)
{
    struct sqs_error error = error_of(AWS_ERROR_TRANSIENT, "InternalError");
    struct retry_quota quota = {.n_trials = {RETRY_TRIALS_MAX, RETRY_TRIALS_MAX}};
    static const struct sqs_retry_rules rules = {};
    struct sqs_retry retry = {};
    struct sqs_retry_step step = sqs_retry_next(&retry, &quota, &error, &rules, 0);

    assert_true(step.is_wakeable);
    assert_true(step.delay_usec >= BACKOFF_CAP_USEC);

    error.retry_after_usec = USEC_PER_SEC;
    step = sqs_retry_next(&retry, &quota, &error, &rules, 0);
    assert_false(step.is_wakeable);
    assert_true(step.delay_usec < BACKOFF_CAP_USEC);
}

static void denial_is_asked_about_again_within_the_callers_bound(void **state)
{
    static const struct sqs_retry_rules rules = {.keep_trying = true,
                                                 .denial_delay_max_usec = USEC_PER_SEC};
    struct sqs_error denial = error_of(AWS_ERROR_PERMANENT, "AccessDeniedException");
    struct sqs_error missing = error_of(AWS_ERROR_PERMANENT, "QueueDoesNotExist");
    struct retry_quota quota = RETRY_QUOTA_INIT;
    struct sqs_retry retry = {};

    assert_int_equal(sqs_retry_next(&retry, &quota, &denial, &rules, UINT64_MAX).delay_usec,
                     USEC_PER_SEC);
    assert_true(sqs_retry_next(&retry, &quota, &missing, &rules, UINT64_MAX).delay_usec >
                USEC_PER_SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_ends_or_is_retried_by_the_callers_rules),
        cmocka_unit_test(keys_refused_are_looked_up_anew_once),
        cmocka_unit_test(delay_grows_with_failures_of_one_kind_alone),
        cmocka_unit_test(call_without_tokens_sleeps_until_another_is_answered),
        cmocka_unit_test(denial_is_asked_about_again_within_the_callers_bound),
    };

    return cmocka_run_group_tests_name("sqs-retry", tests, NULL, NULL);
}
