/* SPDX-License-Identifier: MIT */
#include "producerd/verdict.h"
#include "test.h"

#include <stdio.h>

static struct verdict verdict_of_entry(const char *code, bool sender_fault)
{
    struct sqs_reply reply = {
        .operation = SQS_SEND_MESSAGE_BATCH,
        .n_entries = 2,
        .entries = {{.ok = true, .message_id = "other"},
                    {.sender_fault = sender_fault, .code = code, .message = "why"}},
    };
    struct verdict ret = {};

    verdict_of(&(struct sqs_result){.reply = &reply, .http_status = 200}, 2, 1, &ret);
    return ret;
}

static struct verdict verdict_of_error(enum aws_error_class class, const char *name,
                                       int http_status, size_t n)
{
    static struct sqs_error error; /* the verdict borrows its texts */
    struct verdict ret = {};

    error = (struct sqs_error){.class = class, .http_status = http_status, .message = "why"};
    snprintf(error.name, sizeof(error.name), "%s", name);
    snprintf(error.code, sizeof(error.code), "%s", name);
    verdict_of(&(struct sqs_result){.error = &error, .http_status = http_status}, n, n - 1, &ret);
    return ret;
}

static void single_message_is_sent(void **state)
{
    struct sqs_reply reply = {
        .operation = SQS_SEND_MESSAGE, .message_id = "m", .sequence_number = "5"};
    struct verdict o = {};

    verdict_of(&(struct sqs_result){.reply = &reply, .http_status = 200}, 1, 0, &o);
    assert_int_equal(o.kind, VERDICT_SENT);
    assert_string_equal(o.message_id, "m");
    assert_string_equal(o.sequence_number, "5");
}

static void batch_entries_each_have_a_verdict(void **state)
{
    struct sqs_reply reply = {
        .operation = SQS_SEND_MESSAGE_BATCH,
        .n_entries = 2,
        .entries = {{.ok = true, .message_id = "a", .sequence_number = "1"},
                    {.ok = true, .message_id = "b"}},
    };
    struct verdict o = {};

    verdict_of(&(struct sqs_result){.reply = &reply}, 2, 1, &o);
    assert_int_equal(o.kind, VERDICT_SENT);
    assert_string_equal(o.message_id, "b");
    assert_null(o.sequence_number);
    verdict_of(&(struct sqs_result){.reply = &reply}, 2, 0, &o);
    assert_string_equal(o.message_id, "a");
    assert_string_equal(o.sequence_number, "1");
}

static void entry_code_decides_between_retry_and_rejection(void **state)
{
    static const struct {
        const char *code;
        bool sender_fault;
        enum verdict_kind kind;
        enum backoff_kind backoff;
        bool is_unknown;
    } cases[] = {
        {"InternalError", false, VERDICT_RETRY, BACKOFF_TRANSIENT, true},
        {"NoResult", false, VERDICT_RETRY, BACKOFF_TRANSIENT, true},
        {"WrongMD5", false, VERDICT_RETRY, BACKOFF_TRANSIENT, true},
        {"SomethingNew", false, VERDICT_RETRY, BACKOFF_TRANSIENT, true},
        {"SomethingNew", true, VERDICT_REJECTED, 0, false},
        {"InvalidMessageContents", true, VERDICT_REJECTED, 0, false},
        {"InvalidMessageContents", false, VERDICT_REJECTED, 0, false},
        {"InvalidParameterValue", true, VERDICT_REJECTED, 0, false},
        {"AWS.SimpleQueueService.UnsupportedOperation", true, VERDICT_REJECTED, 0, false},
        /* SQS's own, though it says that the sender is at fault. */
        {"RequestThrottled", true, VERDICT_RETRY, BACKOFF_THROTTLED, false},
        {"ThrottlingException", true, VERDICT_RETRY, BACKOFF_THROTTLED, false},
        {"KMS.ThrottlingException", true, VERDICT_RETRY, BACKOFF_THROTTLED, false},
        /* What a person must mend. */
        {"KMS.DisabledException", true, VERDICT_RETRY, BACKOFF_SLOW, false},
        {"AccessDenied", true, VERDICT_RETRY, BACKOFF_SLOW, false},
        {"AWS.SimpleQueueService.NonExistentQueue", true, VERDICT_RETRY, BACKOFF_SLOW, false},
        {"ExpiredToken", true, VERDICT_RETRY, BACKOFF_SLOW, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct verdict o = verdict_of_entry(cases[i].code, cases[i].sender_fault);

        if (o.kind != cases[i].kind)
            print_error("%s\n", cases[i].code);
        assert_int_equal(o.kind, cases[i].kind);
        assert_string_equal(o.code, cases[i].code);
        assert_string_equal(o.name, aws_error_canonical_name(cases[i].code));
        assert_string_equal(o.text, "why");
        if (o.kind == VERDICT_RETRY) {
            assert_int_equal(o.backoff, cases[i].backoff);
            assert_int_equal(o.is_unknown, cases[i].is_unknown);
        }
    }
}

static void batch_refused_as_a_whole_is_split(void **state)
{
    static const char *const names[] = {"BatchRequestTooLong", "MissingRequiredParameterException",
                                        "SomethingNew"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        assert_int_equal(verdict_of_error(AWS_ERROR_PERMANENT, names[i], 400, 10).kind,
                         VERDICT_SPLIT);
        assert_int_equal(verdict_of_error(AWS_ERROR_PERMANENT, names[i], 400, 1).kind,
                         VERDICT_REJECTED);
    }
    assert_string_equal(verdict_of_error(AWS_ERROR_PERMANENT, names[0], 400, 10).name, names[0]);
}

static void message_is_not_rejected_for_faults_of_others(void **state)
{
    for (size_t n = 1; n <= 10; n += 9) {
        struct verdict o = verdict_of_error(AWS_ERROR_TRANSIENT, "", 0, n);

        assert_int_equal(o.kind, VERDICT_RETRY);
        assert_int_equal(o.backoff, BACKOFF_TRANSIENT);
        assert_true(o.is_unknown);
        /* Below HTTP: of this machine. */
        o = verdict_of_error(AWS_ERROR_PERMANENT, "", 0, n);
        assert_int_equal(o.kind, VERDICT_RETRY);
        assert_int_equal(o.backoff, BACKOFF_SLOW);
        assert_false(o.is_unknown);
        o = verdict_of_error(AWS_ERROR_PERMANENT, "QueueDoesNotExist", 400, n);
        assert_int_equal(o.kind, VERDICT_RETRY);
        assert_int_equal(o.backoff, BACKOFF_SLOW);
        /* Of the account, under names that may be new. */
        o = verdict_of_error(AWS_ERROR_PERMANENT, "OptInRequired", 403, n);
        assert_int_equal(o.kind, VERDICT_RETRY);
        assert_int_equal(o.backoff, BACKOFF_SLOW);
        o = verdict_of_error(AWS_ERROR_PERMANENT, "NotAuthorized", 401, n);
        assert_int_equal(o.kind, VERDICT_RETRY);
        for (int status = 401; status <= 403; status += 2) {
            o = verdict_of_error(AWS_ERROR_PERMANENT, "SomethingNew", status, n);
            assert_int_equal(o.kind, VERDICT_RETRY);
            assert_int_equal(o.backoff, BACKOFF_SLOW);
        }
        o = verdict_of_error(AWS_ERROR_THROTTLED, "RequestThrottled", 403, n);
        assert_int_equal(o.kind, VERDICT_RETRY);
        assert_int_equal(o.backoff, BACKOFF_THROTTLED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_message_is_sent),
        cmocka_unit_test(batch_entries_each_have_a_verdict),
        cmocka_unit_test(entry_code_decides_between_retry_and_rejection),
        cmocka_unit_test(batch_refused_as_a_whole_is_split),
        cmocka_unit_test(message_is_not_rejected_for_faults_of_others),
    };

    return cmocka_run_group_tests_name("producerd-verdict", tests, NULL, NULL);
}
