/* SPDX-License-Identifier: MIT */
/* Replies that are damaged, and those that only look so. */
#include "reply-fixture.h"
#include "util/buffer.h"

static void damage_is_named_by_its_place(void **state)
{
    static const struct {
        enum sqs_operation operation;
        const char *body;
        const char *says;
    } rows[] = {
        {SQS_SEND_MESSAGE, "[]", "no JSON object"},
        {SQS_SEND_MESSAGE, "null ", "no JSON object"},
        {SQS_SEND_MESSAGE, "\"MessageId\"", "no JSON object"},
        {SQS_SEND_MESSAGE, "{\"MessageId\":null}", "MessageId is missing"},
        {SQS_SEND_MESSAGE, "{\"MessageId\":[\"m\"]}", "MessageId is of the wrong type"},
        {SQS_SEND_MESSAGE, "{\"MessageId\":\"a\\u0000b\"}", "MessageId is of the wrong type"},
        {SQS_SEND_MESSAGE, "{\"MessageId\":\"m\"}}", "damaged: "},
        {SQS_SEND_MESSAGE, "{\"MessageId\":\"m\"} trailing", "damaged: "},
        {SQS_SEND_MESSAGE, "{\"MessageId\":\"\xff\"}", "not UTF-8"},
        {SQS_SEND_MESSAGE, "<html></html>", "not JSON"},
        {SQS_SEND_MESSAGE, "{}", "MessageId is missing"},
        {SQS_SEND_MESSAGE, "{\"MessageId\":17}", "MessageId is of the wrong type"},
        {SQS_SEND_MESSAGE, "{\"MessageId\":\"\"}", "MessageId is empty"},
        {SQS_SEND_MESSAGE, "{\"MessageId\":\"m\",\"SequenceNumber\":1}", "SequenceNumber is of"},
        {SQS_SEND_MESSAGE, "{\"MessageId\":\"m\",\"MD5OfMessageBody\":1}",
         "MD5OfMessageBody is of"},
        {SQS_SEND_MESSAGE, "{\"MessageId\":\"m\",\"MD5OfMessageAttributes\":{}}",
         "MD5OfMessageAttributes is of"},

        {SQS_SEND_MESSAGE_BATCH, "{\"Successful\":{}}", "Successful is of the wrong type"},
        {SQS_SEND_MESSAGE_BATCH, "{\"Failed\":\"\"}", "Failed is of the wrong type"},
        {SQS_SEND_MESSAGE_BATCH, "{\"Successful\":[null]}", "Successful[0] is of the wrong type"},
        {SQS_SEND_MESSAGE_BATCH, "{\"Successful\":[[]]}", "Successful[0] is of the wrong type"},
        {SQS_SEND_MESSAGE_BATCH, "{\"Successful\":[{}]}", "Successful[0].Id is missing"},
        {SQS_SEND_MESSAGE_BATCH, "{\"Successful\":[{\"Id\":0}]}", "Successful[0].Id is of"},
        {SQS_SEND_MESSAGE_BATCH, "{\"Successful\":[{\"Id\":\"0\"}]}", "[0].MessageId is missing"},
        {SQS_SEND_MESSAGE_BATCH, "{\"Failed\":[{\"Id\":\"0\"}]}", "Failed[0].Code is missing"},
        {SQS_SEND_MESSAGE_BATCH, "{\"Failed\":[{\"Id\":\"0\",\"Code\":\"\"}]}", "Code is empty"},
        {SQS_SEND_MESSAGE_BATCH,
         "{\"Failed\":[{\"Id\":\"0\",\"Code\":\"c\",\"SenderFault\":\"true\"}]}",
         "Failed[0].SenderFault is of the wrong type"},
        {SQS_SEND_MESSAGE_BATCH, "{\"Failed\":[{\"Id\":\"0\",\"Code\":\"c\",\"Message\":7}]}",
         "Failed[0].Message is of the wrong type"},
        {SQS_SEND_MESSAGE_BATCH,
         "{\"Successful\":[{\"Id\":\"0\",\"MessageId\":\"m\",\"MD5OfMessageBody\":[]}]}",
         "Successful[0].MD5OfMessageBody is of the wrong type"},
        {SQS_DELETE_MESSAGE_BATCH, "{\"Successful\":[{\"Id\":\"3\"}]}", "Id is not one of"},
        {SQS_DELETE_MESSAGE_BATCH, "{\"Successful\":[{\"Id\":\"00\"}]}", "Id is not one of"},
        {SQS_DELETE_MESSAGE_BATCH, "{\"Successful\":[{\"Id\":\"-1\"}]}", "Id is not one of"},
        {SQS_DELETE_MESSAGE_BATCH, "{\"Successful\":[{\"Id\":\"/\"}]}", "Id is not one of"},
        {SQS_DELETE_MESSAGE_BATCH, "{\"Successful\":[{\"Id\":\"\xc3\xa4\"}]}", "Id is not one of"},
        {SQS_DELETE_MESSAGE_BATCH, "{\"Successful\":[{\"Id\":\"\"}]}", "Id is empty"},
        {SQS_DELETE_MESSAGE_BATCH, "{\"Successful\":[{\"Id\":\"1\"},{\"Id\":\"1\"}]}",
         "Successful[1].Id is named twice"},
        {SQS_DELETE_MESSAGE_BATCH,
         "{\"Successful\":[{\"Id\":\"1\"}],\"Failed\":[{\"Id\":\"1\",\"Code\":\"c\"}]}",
         "Failed[0].Id is named twice"},

        {SQS_RECEIVE_MESSAGE, "{\"Messages\":{}}", "Messages is of the wrong type"},
        {SQS_RECEIVE_MESSAGE, "{\"Messages\":[null]}", "Messages[0] is of the wrong type"},
        {SQS_RECEIVE_MESSAGE, "{\"Messages\":[\"m\"]}", "Messages[0] is of the wrong type"},
        {SQS_RECEIVE_MESSAGE, "{\"Messages\":[{" MESSAGE "},7]}", "Messages[1] is of"},
        {SQS_RECEIVE_MESSAGE, "{\"Messages\":[{\"ReceiptHandle\":\"r\",\"Body\":\"b\"}]}",
         "Messages[0].MessageId is missing"},
        {SQS_RECEIVE_MESSAGE, "{\"Messages\":[{\"MessageId\":\"m\",\"Body\":\"b\"}]}",
         "Messages[0].ReceiptHandle is missing"},
        {SQS_RECEIVE_MESSAGE,
         "{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"\",\"Body\":\"b\"}]}",
         "Messages[0].ReceiptHandle is empty"},
        {SQS_RECEIVE_MESSAGE, "{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"r\"}]}",
         "Messages[0].Body is missing"},
        {SQS_RECEIVE_MESSAGE,
         "{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"r\",\"Body\":{}}]}",
         "Messages[0].Body is of the wrong type"},
        {SQS_RECEIVE_MESSAGE, "{\"Messages\":[{" MESSAGE ",\"MD5OfBody\":\"" OTHER_MD5 "\"}]}",
         "Messages[0].MD5OfBody is not that of Body"},
        {SQS_RECEIVE_MESSAGE, "{\"Messages\":[{" MESSAGE ",\"MD5OfBody\":5}]}", "MD5OfBody is of"},
        /* A lone surrogate becomes U+FFFD: the MD5 tells. */
        {SQS_RECEIVE_MESSAGE,
         "{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"r\",\"Body\":\"hello\\ud800\","
         "\"MD5OfBody\":\"" HELLO_MD5 "\"}]}",
         "Messages[0].MD5OfBody is not that of Body"},
        {SQS_RECEIVE_MESSAGE, "{\"Messages\":[{" MESSAGE ",\"Attributes\":[]}]}",
         "Attributes is of"},
        {SQS_RECEIVE_MESSAGE,
         "{\"Messages\":[{" MESSAGE ",\"Attributes\":{\"MessageGroupId\":1}}]}",
         "MessageGroupId is of"},
        {SQS_RECEIVE_MESSAGE,
         "{\"Messages\":[{" MESSAGE ",\"Attributes\":{\"SequenceNumber\":1}}]}",
         "SequenceNumber is of"},
        {SQS_RECEIVE_MESSAGE, "{\"Messages\":[{" MESSAGE ",\"Attributes\":{\"SentTimestamp\":1}}]}",
         "SentTimestamp is of"},
        {SQS_RECEIVE_MESSAGE,
         "{\"Messages\":[{" MESSAGE ",\"Attributes\":{\"SentTimestamp\":\"-1\"}}]}",
         "SentTimestamp is not a number"},
        {SQS_RECEIVE_MESSAGE,
         "{\"Messages\":[{" MESSAGE ",\"Attributes\":{\"SentTimestamp\":\"\"}}]}",
         "SentTimestamp is not a number"},
        {SQS_RECEIVE_MESSAGE,
         "{\"Messages\":[{" MESSAGE
         ",\"Attributes\":{\"SentTimestamp\":\"18446744073709551616\"}}]}",
         "SentTimestamp is too large"},
        {SQS_RECEIVE_MESSAGE,
         "{\"Messages\":[{" MESSAGE
         ",\"Attributes\":{\"ApproximateReceiveCount\":\"4294967296\"}}]}",
         "ApproximateReceiveCount is too large"},
        {SQS_RECEIVE_MESSAGE, "{\"Messages\":[{" MESSAGE ",\"MessageAttributes\":[]}]}",
         "MessageAttributes is of"},
        {SQS_RECEIVE_MESSAGE, "{\"Messages\":[{" MESSAGE ",\"MessageAttributes\":{\"a\":null}}]}",
         "Messages[0].MessageAttributes[0] is of"},
        {SQS_RECEIVE_MESSAGE, "{\"Messages\":[{" MESSAGE ",\"MessageAttributes\":{\"a\":{}}}]}",
         "MessageAttributes[0].DataType is missing"},
        {SQS_RECEIVE_MESSAGE,
         "{\"Messages\":[{" MESSAGE
         ",\"MessageAttributes\":{\"a\":{\"DataType\":\"String\",\"BinaryValue\":\"YQ==\"}}}]}",
         "MessageAttributes[0].StringValue is missing"},
        {SQS_RECEIVE_MESSAGE,
         "{\"Messages\":[{" MESSAGE
         ",\"MessageAttributes\":{\"a\":{\"DataType\":\"Binary.x\",\"StringValue\":\"YQ==\"}}}]}",
         "MessageAttributes[0].BinaryValue is missing"},
        {SQS_RECEIVE_MESSAGE,
         "{\"Messages\":[{" MESSAGE
         ",\"MessageAttributes\":{\"a\":{\"DataType\":\"Binary\",\"BinaryValue\":\"YQ=\"}}}]}",
         "MessageAttributes[0].BinaryValue is not base64"},
        {SQS_RECEIVE_MESSAGE,
         "{\"Messages\":[{" MESSAGE "," THREE_ATTRIBUTES ",\"MD5OfMessageAttributes\":1}]}",
         "Messages[0].MD5OfMessageAttributes is of the wrong type"},

        {SQS_GET_QUEUE_ATTRIBUTES, "{\"Attributes\":\"\"}", "Attributes is of the wrong type"},
        {SQS_GET_QUEUE_ATTRIBUTES, "{\"Attributes\":{\"VisibilityTimeout\":30}}",
         "VisibilityTimeout is of"},
        {SQS_GET_QUEUE_ATTRIBUTES, "{\"Attributes\":{\"VisibilityTimeout\":\"4294967296\"}}",
         "VisibilityTimeout is too large"},
        {SQS_GET_QUEUE_ATTRIBUTES, "{\"Attributes\":{\"VisibilityTimeout\":\"30s\"}}",
         "VisibilityTimeout is not a number"},
        {SQS_GET_QUEUE_ATTRIBUTES,
         "{\"Attributes\":{\"MaximumMessageSize\":\"99999999999999999999\"}}",
         "MaximumMessageSize is too large"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_damaged(rows[i].operation, rows[i].body, rows[i].says);
}

static void numbers_may_be_as_large_as_their_type(void **state)
{
    CLEANUP(sqs_reply_unref)
    struct sqs_reply *reply = parse_good(
        SQS_RECEIVE_MESSAGE,
        "{\"Messages\":[{" MESSAGE ",\"Attributes\":{\"SentTimestamp\":\"18446744073709551615\","
        "\"ApproximateReceiveCount\":\"4294967295\"}}]}");

    assert_true(reply->messages[0].sent_msec == UINT64_MAX);
    assert_true(reply->messages[0].receive_count == UINT32_MAX);
}

static void members_unknown_may_hold_anything(void **state)
{
    CLEANUP(sqs_reply_unref)
    struct sqs_reply *reply =
        parse_good(SQS_SEND_MESSAGE,
                   "{\"a\":1e999,\"b\":-123456789012345678901234567890,\"c\":[[[[[[[[]]]]]]]],"
                   "\"MessageId\":\"m\",\"d\":\"\\ud800\\u0000\",\"e\":false}");

    assert_string_equal(reply->message_id, "m");
}

static void replies_too_deep_or_too_large_are_refused(void **state)
{
    CLEANUP(buffer_done) struct buffer deep = BUFFER_INIT(1 << 20);
    CLEANUP(free) char *large = NULL;

    buffer_append_string(&deep, "{\"a\":");
    for (size_t i = 0; i < 100000; i++)
        buffer_append_char(&deep, '[');
    assert_damaged(SQS_SEND_MESSAGE, buffer_string(&deep), "too deep");

    large = malloc((size_t)SQS_REPLY_MAX_BYTES + 1);
    assert_non_null(large);
    memset(large, ' ', (size_t)SQS_REPLY_MAX_BYTES + 1);
    assert_damaged_bytes(SQS_SEND_MESSAGE, large, (size_t)SQS_REPLY_MAX_BYTES + 1,
                         "at most 63963136 are allowed");
}

/* Each part is a copy of its own, so that the address sanitizer sees a read past it. */
static void reply_cut_off_anywhere_is_damaged(void **state)
{
    static const char whole[] =
        "{\"Messages\":[{" MESSAGE ",\"MD5OfBody\":\"" HELLO_MD5 "\",\"Attributes\":"
        "{\"SentTimestamp\":\"1440938160123\"}," THREE_ATTRIBUTES
        ",\"MD5OfMessageAttributes\":\"" ATTRIBUTES_MD5 "\",\"n\":[1.5e3,true,null]}]}";
    static const char with_nul[] = "{\"MessageId\":\"m\"}\0";

    sqs_reply_unref(parse_good(SQS_RECEIVE_MESSAGE, whole));
    for (size_t size = 0; size < sizeof(whole) - 1; size++) {
        CLEANUP(free) char *part = malloc(MAX(size, (size_t)1));

        assert_non_null(part);
        memcpy(part, whole, size);
        assert_damaged_bytes(SQS_RECEIVE_MESSAGE, part, size, size > 0 ? "cut off" : "empty");
    }
    assert_damaged_bytes(SQS_SEND_MESSAGE, with_nul, sizeof(with_nul) - 1, "followed by more");
}

/* Each byte of a good reply in turn, changed in several ways: no crash, and never another body. */
static void byte_flipped_never_changes_a_body_unseen(void **state)
{
    static const char whole[] = "{\"Messages\":[{\"MD5OfBody\":\"" HELLO_MD5 "\"," MESSAGE "}]}";
    static const char changes[] = "\"{}[],:\\0a\x01\x80\xff";
    CLEANUP(sqs_request_free) struct sqs_request *request = request_of(SQS_RECEIVE_MESSAGE);

    for (size_t at = 0; at < sizeof(whole) - 1; at++)
        for (size_t k = 0; k < sizeof(changes); k++) { /* with the NUL */
            CLEANUP(sqs_reply_unref) struct sqs_reply *reply = NULL;
            char changed[sizeof(whole)];

            memcpy(changed, whole, sizeof(whole));
            changed[at] = changes[k];
            if (sqs_reply_parse(request, changed, sizeof(whole) - 1, &reply, NULL) != 0)
                continue;
            /* Left: changes to the ids, and to the names of members that may be absent. */
            for (size_t i = 0; i < reply->n_messages; i++)
                if (memcmp(changed + 14, "\"MD5OfBody\":", 12) == 0)
                    assert_string_equal(reply->messages[i].body, "hello");
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_is_named_by_its_place),
        cmocka_unit_test(numbers_may_be_as_large_as_their_type),
        cmocka_unit_test(members_unknown_may_hold_anything),
        cmocka_unit_test(replies_too_deep_or_too_large_are_refused),
        cmocka_unit_test(reply_cut_off_anywhere_is_damaged),
        cmocka_unit_test(byte_flipped_never_changes_a_body_unseen),
    };

    return cmocka_run_group_tests_name("sqs-reply-damage", tests, NULL, NULL);
}
