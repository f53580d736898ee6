/* SPDX-License-Identifier: MIT */
#include "daemon/failure.h"
#include "fake-log.h"
#include "test.h"

static void assert_described(const struct sqs_error *error, const char *wanted)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(1024);

    failure_describe(&b, SQS_SEND_MESSAGE_BATCH, error);
    assert_string_equal(buffer_string(&b), wanted);
}

static void each_kind_of_error_is_described(void **state)
{
    static const struct {
        struct sqs_error error;
        const char *text;
    } cases[] = {
        {{.name = SQS_ERROR_NO_CREDENTIALS, .message = "a list"}, "no AWS credentials were found"},
        {{.name = SQS_ERROR_NO_CREDENTIALS_YET},
         "no AWS credentials were found, and the instance metadata service does not answer (yet)"},
        {{.name = SQS_ERROR_CREDENTIALS_FAILED, .message = "the place: why"}, "the place: why"},
        {{.name = "AccessDeniedException", .code = "AccessDenied", .message = "No."},
         "sqs:SendMessage is denied: AccessDeniedException: No."},
        {{.name = "QueueDoesNotExist", .code = "c", .http_status = 400}, "QueueDoesNotExist"},
        {{.http_status = 407}, "HTTP status 407 (the proxy wants a user name and password)"},
        {{.http_status = 418, .message = "teapot"}, "HTTP status 418: teapot"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_described(&cases[i].error, cases[i].text);
}

/* The list of places is long: all else goes before it. */
static void line_says_what_to_do_and_where_keys_were_looked_for(void **state)
{
    struct sqs_error error = {.name = SQS_ERROR_NO_CREDENTIALS, .message = "here; there"};

    unsetenv("INVOCATION_ID");
    fake_n_lines = 0;
    failure_write(LOG_ERR, SQS_SEND_MESSAGE, &error, "", "Cannot send", " (again)");
    assert_string_equal(fake_lines[0],
                        "Cannot send: no AWS credentials were found; to correct it: run `aws "
                        "configure`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (keys in "
                        "/etc/credstore are for the systemd services). Looked at here; there "
                        "(again) [SQS_OPERATION=SendMessage]");
    error = (struct sqs_error){
        .name = "QueueDoesNotExist", .code = "NonExistentQueue", .message = "There is none."};
    failure_write(LOG_ERR, SQS_SEND_MESSAGE, &error, "id", "Cannot send", "");
    assert_string_equal(fake_lines[1],
                        "Cannot send: QueueDoesNotExist: There is none; to correct it: check "
                        "aws.queue_url and aws.region in the configuration, or create the queue "
                        "[SQS_ERROR_CODE=NonExistentQueue] [SQS_REQUEST_ID=id] "
                        "[SQS_OPERATION=SendMessage]");
}

static void reply_that_stalls_may_hold_messages(void **state)
{
    static const char lost[] = "; SQS may have sent messages that did not arrive";
    struct sqs_error error = {.name = SQS_ERROR_STALLED, .message = "timed out"};

    fake_n_lines = 0;
    error.stall = SQS_STALL_WAIT;
    failure_write(LOG_ERR, SQS_SEND_MESSAGE, &error, "", "Lead", "");
    assert_int_equal(fake_count_lines(lost), 0);
    failure_write(LOG_ERR, SQS_RECEIVE_MESSAGE, &error, "", "Lead", "");
    assert_int_equal(fake_count_lines(lost), 1);
    error.stall = SQS_STALL_NONE;
    failure_write(LOG_ERR, SQS_RECEIVE_MESSAGE, &error, "", "Lead", "");
    assert_int_equal(fake_count_lines(lost), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_error_is_described),
        cmocka_unit_test(line_says_what_to_do_and_where_keys_were_looked_for),
        cmocka_unit_test(reply_that_stalls_may_hold_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
