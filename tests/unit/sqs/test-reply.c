/* SPDX-License-Identifier: MIT */
#include "reply-fixture.h"
#include "util/buffer.h"

static void message_sent_has_its_id_and_number(void **state)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *fifo = NULL, *standard = NULL, *bare = NULL;

    fifo = parse_good(SQS_SEND_MESSAGE,
                      "{\"MessageId\":\"m-1\",\"MD5OfMessageBody\":\"" HELLO_MD5 "\","
                      "\"MD5OfMessageAttributes\":\"" ATTRIBUTES_MD5 "\",\"New\":[{}],"
                      "\"SequenceNumber\":\"18849496460467696128000000000000000000\"}");
    assert_string_equal(fifo->message_id, "m-1");
    assert_string_equal(fifo->sequence_number, "18849496460467696128000000000000000000");
    standard = parse_good(SQS_SEND_MESSAGE, "{\"MessageId\":\"m-1\",\"SequenceNumber\":null}");
    assert_null(standard->sequence_number);
    bare = parse_good(
        SQS_SEND_MESSAGE,
        "{\"MessageId\":\"m\",\"MD5OfMessageBody\":\"5D41402ABC4B2A76B9719D911017C592\"}");
    assert_string_equal(bare->message_id, "m");
}

static void message_sent_with_another_md5_is_damage(void **state)
{
    assert_damaged(SQS_SEND_MESSAGE, "{\"MessageId\":\"m\",\"MD5OfMessageBody\":\"" OTHER_MD5 "\"}",
                   "MD5OfMessageBody is not that of the message sent");
    assert_damaged(SQS_SEND_MESSAGE,
                   "{\"MessageId\":\"m\",\"MD5OfMessageBody\":\"" HELLO_MD5 "\","
                   "\"MD5OfMessageAttributes\":\"" HELLO_MD5 "\"}",
                   "MD5OfMessageAttributes is not that of the message sent");
    assert_damaged(SQS_SEND_MESSAGE, "{\"MessageId\":\"m\",\"MD5OfMessageBody\":\"\"}", "MD5");
}

static void md5_of_theirs_without_ours_is_not_looked_at(void **state)
{
    static const char body[] = "{\"MessageId\":\"m\",\"MD5OfMessageBody\":\"" OTHER_MD5 "\"}";
    CLEANUP(sqs_request_free) struct sqs_request *request = request_of(SQS_SEND_MESSAGE);
    CLEANUP(sqs_reply_unref) struct sqs_reply *reply = NULL;

    request->has_md5 = false;
    assert_int_equal(sqs_reply_parse(request, body, strlen(body), &reply, NULL), 0);
}

static void assert_not_ok(const struct sqs_entry_result *entry, const char *code,
                          const char *message, bool sender_fault)
{
    assert_false(entry->ok);
    assert_string_equal(entry->code, code);
    if (message)
        assert_string_equal(entry->message, message);
    assert_non_null(entry->message);
    assert_int_equal(entry->sender_fault, sender_fault);
    assert_null(entry->message_id);
    assert_null(entry->sequence_number);
}

static void results_come_in_the_requests_order(void **state)
{
    CLEANUP(sqs_reply_unref)
    struct sqs_reply *reply = parse_good(
        SQS_SEND_MESSAGE_BATCH,
        "{\"Failed\":[{\"Id\":\"1\",\"SenderFault\":true,\"Code\":\"InvalidMessageContents\","
        "\"Message\":\"No.\"}],\"Successful\":[{\"Id\":\"2\",\"MessageId\":\"m2\","
        "\"MD5OfMessageBody\":\"" HELLO_MD5 "\",\"MD5OfMessageAttributes\":\"" ATTRIBUTES_MD5 "\","
        "\"SequenceNumber\":\"7\"},{\"Id\":\"0\",\"MessageId\":\"m0\","
        "\"MD5OfMessageBody\":\"" HELLO_MD5 "\"}]}");

    assert_int_equal(reply->n_entries, 3);
    assert_true(reply->entries[0].ok);
    assert_string_equal(reply->entries[0].message_id, "m0");
    assert_null(reply->entries[0].sequence_number);
    assert_not_ok(&reply->entries[1], "InvalidMessageContents", "No.", true);
    assert_true(reply->entries[2].ok);
    assert_string_equal(reply->entries[2].message_id, "m2");
    assert_string_equal(reply->entries[2].sequence_number, "7");
}

static void entries_without_a_result_are_not_ok(void **state)
{
    static const char *const bodies[] = {
        "{}",
        "{\"Successful\":null,\"Failed\":null}",
        "{\"Successful\":[],\"Failed\":[]}",
    };
    static const enum sqs_operation batches[] = {SQS_SEND_MESSAGE_BATCH, SQS_DELETE_MESSAGE_BATCH,
                                                 SQS_CHANGE_MESSAGE_VISIBILITY_BATCH};

    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
        for (size_t k = 0; k < ARRAY_SIZE(batches); k++) {
            CLEANUP(sqs_reply_unref) struct sqs_reply *reply = parse_good(batches[k], bodies[i]);

            assert_int_equal(reply->n_entries, 3);
            for (size_t n = 0; n < 3; n++)
                assert_not_ok(&reply->entries[n], "NoResult", NULL, false);
        }
}

static void entry_with_another_md5_is_not_ok(void **state)
{
    CLEANUP(sqs_reply_unref)
    struct sqs_reply *reply =
        parse_good(SQS_SEND_MESSAGE_BATCH,
                   "{\"Successful\":[{\"Id\":\"0\",\"MessageId\":\"m0\",\"SequenceNumber\":\"1\","
                   "\"MD5OfMessageBody\":\"" OTHER_MD5 "\"},{\"Id\":\"1\",\"MessageId\":\"m1\"},"
                   "{\"Id\":\"2\",\"MessageId\":\"m2\",\"MD5OfMessageBody\":\"" HELLO_MD5 "\","
                   "\"MD5OfMessageAttributes\":\"" OTHER_MD5 "\"}]}");

    assert_not_ok(&reply->entries[0], "WrongMD5", NULL, false);
    assert_true(reply->entries[1].ok);
    assert_not_ok(&reply->entries[2], "WrongMD5", NULL, false);
}

static void deletes_and_changes_in_batches_need_no_message_id(void **state)
{
    static const enum sqs_operation batches[] = {SQS_DELETE_MESSAGE_BATCH,
                                                 SQS_CHANGE_MESSAGE_VISIBILITY_BATCH};

    for (size_t k = 0; k < ARRAY_SIZE(batches); k++) {
        CLEANUP(sqs_reply_unref)
        struct sqs_reply *reply =
            parse_good(batches[k], "{\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"2\"}],\"Failed\":["
                                   "{\"Id\":\"1\",\"Code\":\"ReceiptHandleIsInvalid\"}]}");

        assert_true(reply->entries[0].ok);
        assert_null(reply->entries[0].message_id);
        assert_not_ok(&reply->entries[1], "ReceiptHandleIsInvalid", "", false);
        assert_true(reply->entries[2].ok);
    }
}

static void message_received_has_all_that_came(void **state)
{
    CLEANUP(sqs_reply_unref)
    struct sqs_reply *reply = parse_good(
        SQS_RECEIVE_MESSAGE,
        "{\"Messages\":[{\"MessageId\":\"m-1\",\"ReceiptHandle\":\"r+/=\",\"Body\":\"hello\","
        "\"MD5OfBody\":\"" HELLO_MD5 "\",\"Attributes\":{\"SenderId\":\"AIDA\",\"SentTimestamp\":"
        "\"1440938160123\",\"ApproximateReceiveCount\":\"3\",\"ApproximateFirstReceiveTimestamp\":"
        "\"1440938160456\",\"SequenceNumber\":\"18849496460467696128\",\"MessageGroupId\":\"g\","
        "\"MessageDeduplicationId\":\"d\",\"AWSTraceHeader\":\"Root=1\"}," THREE_ATTRIBUTES
        ",\"MD5OfMessageAttributes\":\"" ATTRIBUTES_MD5 "\"},{" MESSAGE "}]}");
    const struct sqs_received_message *message = &reply->messages[0];

    assert_int_equal(reply->n_messages, 2);
    assert_string_equal(message->message_id, "m-1");
    assert_string_equal(message->receipt_handle, "r+/=");
    assert_string_equal(message->body, "hello");
    assert_int_equal(message->body_bytes, 5);
    assert_string_equal(message->group_id, "g");
    assert_string_equal(message->deduplication_id, "d");
    assert_string_equal(message->sequence_number, "18849496460467696128");
    assert_string_equal(message->sender_id, "AIDA");
    assert_int_equal(message->sent_msec, UINT64_C(1440938160123));
    assert_int_equal(message->first_received_msec, UINT64_C(1440938160456));
    assert_int_equal(message->receive_count, 3);
    assert_int_equal(message->n_attributes, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(message->attributes[i].name, attributes[i].name);
        assert_string_equal(message->attributes[i].data_type, attributes[i].data_type);
        assert_int_equal(message->attributes[i].is_binary, attributes[i].is_binary);
        assert_int_equal(message->attributes[i].value_bytes, attributes[i].value_bytes);
        assert_memory_equal(message->attributes[i].value, attributes[i].value,
                            attributes[i].value_bytes);
    }
    message = &reply->messages[1];
    assert_string_equal(message->message_id, "m");
    assert_null(message->group_id);
    assert_null(message->deduplication_id);
    assert_null(message->sequence_number);
    assert_null(message->sender_id);
    assert_int_equal(message->sent_msec, 0);
    assert_int_equal(message->receive_count, 0);
    assert_int_equal(message->n_attributes, 0);
}

static void attributes_of_another_md5_are_marked_and_handed_on(void **state)
{
    CLEANUP(sqs_reply_unref)
    struct sqs_reply *reply = parse_good(
        SQS_RECEIVE_MESSAGE,
        "{\"Messages\":[{" MESSAGE "," THREE_ATTRIBUTES ",\"MD5OfMessageAttributes\":\"" OTHER_MD5
        "\"},{" MESSAGE "," THREE_ATTRIBUTES ",\"MD5OfMessageAttributes\":\"" ATTRIBUTES_MD5
        "\"},{" MESSAGE "," THREE_ATTRIBUTES "},{" MESSAGE "}]}");

    assert_int_equal(reply->n_messages, 4);
    assert_int_equal(reply->messages[0].n_attributes, 3);
    assert_true(reply->messages[0].attributes_unverified);
    for (size_t i = 1; i < 4; i++)
        assert_false(reply->messages[i].attributes_unverified);
}

static void bodies_hold_any_character(void **state)
{
    CLEANUP(sqs_reply_unref)
    struct sqs_reply *reply = parse_good(
        SQS_RECEIVE_MESSAGE,
        "{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"r\",\"Body\":"
        "\"a\\u0000b\\ud83d\\ude00\\/\xc3\xa4\"},{\"MessageId\":\"m\",\"ReceiptHandle\":\"r\","
        "\"Body\":\"\"}]}");

    assert_int_equal(reply->messages[0].body_bytes, 10);
    assert_memory_equal(reply->messages[0].body, "a\0b\xf0\x9f\x98\x80/\xc3\xa4", 10);
    assert_int_equal(reply->messages[1].body_bytes, 0);
}

static void receive_without_messages_is_no_error(void **state)
{
    static const char *const bodies[] = {"{}", " {} ", "{\"Messages\":[]}", "{\"Messages\":null}",
                                         "{\"New\":[1,{}]}"};

    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        CLEANUP(sqs_reply_unref)
        struct sqs_reply *reply = parse_good(SQS_RECEIVE_MESSAGE, bodies[i]);

        assert_int_equal(reply->n_messages, 0);
    }
}

static void receive_gives_ten_messages_and_no_more(void **state)
{
    CLEANUP(buffer_done) struct buffer body = BUFFER_INIT(10000);
    CLEANUP(sqs_reply_unref) struct sqs_reply *reply = NULL;

    buffer_append_string(&body, "{\"Messages\":[{" MESSAGE "}");
    for (size_t i = 1; i < 10; i++)
        buffer_append_string(&body, ",{" MESSAGE "}");
    buffer_append_string(&body, "]}");
    reply = parse_good(SQS_RECEIVE_MESSAGE, buffer_string(&body));
    assert_int_equal(reply->n_messages, 10);
    body.data[body.size - 2] = ',';
    body.data[body.size - 1] = '{';
    buffer_append_string(&body, MESSAGE "}]}");
    assert_damaged(SQS_RECEIVE_MESSAGE, buffer_string(&body), "Messages holds 11");
}

static void operations_without_output_need_no_body(void **state)
{
    static const enum sqs_operation silent[] = {SQS_DELETE_MESSAGE, SQS_CHANGE_MESSAGE_VISIBILITY};
    static const char *const bodies[] = {"", "{}", "{\"New\":1}"};

    for (int i = 0; i < SQS_N_OPERATIONS; i++)
        if (i != SQS_DELETE_MESSAGE && i != SQS_CHANGE_MESSAGE_VISIBILITY)
            assert_damaged((enum sqs_operation)i, "", "empty");
    for (size_t i = 0; i < ARRAY_SIZE(silent); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(bodies); k++)
            sqs_reply_unref(parse_good(silent[i], bodies[k]));
        assert_damaged(silent[i], "OK", "not JSON");
    }
}

static void queue_attributes_have_defaults(void **state)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *full = NULL, *bare = NULL, *none = NULL;

    full = parse_good(SQS_GET_QUEUE_ATTRIBUTES,
                      "{\"Attributes\":{\"VisibilityTimeout\":\"43200\",\"MaximumMessageSize\":"
                      "\"262144\",\"ApproximateNumberOfMessages\":\"7\",\"FifoQueue\":true,"
                      "\"RedrivePolicy\":{},\"QueueArn\":\"arn\",\"New\":{}}}");
    assert_true(full->attributes.is_known);
    assert_int_equal(full->attributes.visibility_timeout_sec, 43200);
    assert_int_equal(full->attributes.maximum_message_bytes, 262144);
    assert_int_equal(full->attributes.visible_messages, 7);
    none = parse_good(SQS_GET_QUEUE_ATTRIBUTES, "{}");
    bare = parse_good(SQS_GET_QUEUE_ATTRIBUTES, "{\"Attributes\":{\"FifoQueue\":\"false\"}}");
    for (int i = 0; i < 2; i++) {
        const struct sqs_queue_attributes *found = i ? &bare->attributes : &none->attributes;

        assert_int_equal(found->is_known, i);
        assert_int_equal(found->visibility_timeout_sec, 30);
        assert_int_equal(found->maximum_message_bytes, 1048576);
        assert_int_equal(found->visible_messages, UINT64_MAX);
    }
}

static void reply_lives_as_long_as_its_last_reference(void **state)
{
    struct sqs_reply *reply = parse_good(SQS_RECEIVE_MESSAGE, "{\"Messages\":[{" MESSAGE "}]}");
    struct sqs_reply *kept = sqs_reply_ref(reply);

    assert_ptr_equal(kept, reply);
    assert_null(sqs_reply_unref(reply));
    assert_string_equal(kept->messages[0].body, "hello");
    assert_null(sqs_reply_unref(kept));
    assert_null(sqs_reply_unref(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_sent_has_its_id_and_number),
        cmocka_unit_test(message_sent_with_another_md5_is_damage),
        cmocka_unit_test(md5_of_theirs_without_ours_is_not_looked_at),
        cmocka_unit_test(results_come_in_the_requests_order),
        cmocka_unit_test(entries_without_a_result_are_not_ok),
        cmocka_unit_test(entry_with_another_md5_is_not_ok),
        cmocka_unit_test(deletes_and_changes_in_batches_need_no_message_id),
        cmocka_unit_test(message_received_has_all_that_came),
        cmocka_unit_test(attributes_of_another_md5_are_marked_and_handed_on),
        cmocka_unit_test(bodies_hold_any_character),
        cmocka_unit_test(receive_without_messages_is_no_error),
        cmocka_unit_test(receive_gives_ten_messages_and_no_more),
        cmocka_unit_test(operations_without_output_need_no_body),
        cmocka_unit_test(queue_attributes_have_defaults),
        cmocka_unit_test(reply_lives_as_long_as_its_last_reference),
    };

    return cmocka_run_group_tests_name("sqs-reply", tests, NULL, NULL);
}
