/* SPDX-License-Identifier: MIT */
/* The attributes of a queue, and the values that SQS allows for each. */
#include "queue-settings.h"
#include "test.h"

static void settings_are_held_to_their_ranges(void **state)
{
    static const struct {
        const char *name, *value;
        bool is_fifo;
        int result;
    } cases[] = {
        {"VisibilityTimeout", "0", false, 0},
        {"VisibilityTimeout", "43200", false, 0},
        {"VisibilityTimeout", "43201", false, QUEUE_SETTINGS_E_VALUE},
        {"VisibilityTimeout", "-1", false, QUEUE_SETTINGS_E_VALUE},
        {"VisibilityTimeout", "", false, QUEUE_SETTINGS_E_VALUE},
        {"VisibilityTimeout", "99999999999999999999", false, QUEUE_SETTINGS_E_VALUE},
        {"MessageRetentionPeriod", "59", false, QUEUE_SETTINGS_E_VALUE},
        {"MaximumMessageSize", "1023", false, QUEUE_SETTINGS_E_VALUE},
        {"MaximumMessageSize", "1048577", false, QUEUE_SETTINGS_E_VALUE},
        {"ReceiveMessageWaitTimeSeconds", "21", false, QUEUE_SETTINGS_E_VALUE},
        {"DelaySeconds", "901", true, QUEUE_SETTINGS_E_VALUE},
        {"ContentBasedDeduplication", "yes", true, QUEUE_SETTINGS_E_VALUE},
        {"ContentBasedDeduplication", "true", false, QUEUE_SETTINGS_E_NAME},
        {"ContentBasedDeduplication", "True", true, 0},
        {"ContentBasedDeduplication", "False", true, 0},
        {"ContentBasedDeduplication", "TRUE", true, QUEUE_SETTINGS_E_VALUE},
        {"DeduplicationScope", "queue", false, QUEUE_SETTINGS_E_FIFO_ONLY},
        {"FifoThroughputLimit", "perQueue", false, QUEUE_SETTINGS_E_FIFO_ONLY},
        {"Policy", "{}", false, QUEUE_SETTINGS_E_VALUE},
        {"RedriveAllowPolicy", "{}", false, QUEUE_SETTINGS_E_FORMAT},
        {"RedriveAllowPolicy", "{\"redrivePermission\":\"byQueue\"}", false,
         QUEUE_SETTINGS_E_POLICY},
        {"FifoQueue", "true", true, 0},
        {"FifoQueue", "True", true, 0},
        {"FifoQueue", "false", true, QUEUE_SETTINGS_E_VALUE},
        {"FifoQueue", "true", false, QUEUE_SETTINGS_E_NAME},
        {"QueueArn", "x", false, QUEUE_SETTINGS_E_NAME},
        {"DeduplicationScope", "messageGroup", true, 0},
        {"DeduplicationScope", "group", true, QUEUE_SETTINGS_E_VALUE},
        {"RedrivePolicy", "", false, 0},
        {"RedrivePolicy", "[", false, QUEUE_SETTINGS_E_POLICY},
        {"RedrivePolicy", "[]", false, QUEUE_SETTINGS_E_POLICY},
        {"RedrivePolicy", "{\"maxReceiveCount\":1}", false, QUEUE_SETTINGS_E_POLICY},
        {"RedrivePolicy", "{\"deadLetterTargetArn\":\"dummy\",\"maxReceiveCount\":42}", false,
         QUEUE_SETTINGS_E_POLICY},
        {"RedrivePolicy", "{\"deadLetterTargetArn\":\"arn:aws:sqs:r:1:q\",\"maxReceiveCount\":0}",
         false, QUEUE_SETTINGS_E_POLICY},
        {"RedrivePolicy", "{\"deadLetterTargetArn\":\"arn:aws:sqs:r:1:q\",\"maxReceiveCount\":5}",
         false, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(queue_settings_done) struct queue_settings s;
        struct policy_reason reason = {};

        queue_settings_init(&s, cases[i].is_fifo);
        assert_int_equal(queue_settings_set(&s, cases[i].name, cases[i].value, true, &reason),
                         cases[i].result);
        assert_int_equal(reason.text[0] != '\0', cases[i].result == QUEUE_SETTINGS_E_POLICY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_held_to_their_ranges),
    };

    return cmocka_run_group_tests_name("sqs-local-model-queue-settings", tests, NULL, NULL);
}
