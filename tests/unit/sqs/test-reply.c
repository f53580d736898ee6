/* SPDX-License-Identifier: MIT */
#include "sqs/reply.h"
#include "test.h"

#include <stdio.h>

#include "util/buffer.h"

#define URL "http://127.0.0.1/000000000000/q"
#define HELLO_MD5 "5d41402abc4b2a76b9719d911017c592"
#define OTHER_MD5 "00000000000000000000000000000000"
#define ATTRIBUTES_MD5 "c932db14a896c663f83c260297d594ff"
#define MESSAGE "\"MessageId\":\"m\",\"ReceiptHandle\":\"r\",\"Body\":\"hello\""
#define THREE_ATTRIBUTES                                                                           \
    "\"MessageAttributes\":{\"customNumberTypeAttrib\":{\"DataType\":\"Number.float\","            \
    "\"StringValue\":\"4563442423554324324264524243.32543234\"},\"attribName1\":{\"DataType\":"    \
    "\"String\",\"StringValue\":\"attribValue 1\"},\"binaryAttribute\":{\"DataType\":\"Binary\","  \
    "\"BinaryValue\":\"SGVsbG8gYmluYXJ5IHdvcmxkIQ==\"}}"

static const struct sqs_attribute attributes[] = {
    {"customNumberTypeAttrib", "Number.float", "4563442423554324324264524243.32543234", 37, false},
    {"attribName1", "String", "attribValue 1", 13, false},
    {"binaryAttribute", "Binary", "Hello binary world!", 19, true},
};

/* A request of the operation, with three entries where it is a batch. Of the messages sent,
 * "hello", the last has attributes. */
static struct sqs_request *request_of(enum sqs_operation operation)
{
    static const char *const handles[] = {"a", "b", "c"};
    static const struct sqs_visibility_change changes[] = {{"a", 1}, {"b", 2}, {"c", 3}};
    static const struct sqs_receive receive = {.max_messages = 10, .visibility_sec = -1};
    struct sqs_message messages[3];
    struct sqs_request *request = NULL;
    int r = -EINVAL;

    for (size_t i = 0; i < ARRAY_SIZE(messages); i++)
        messages[i] = (struct sqs_message){.body = "hello", .body_bytes = 5, .delay_sec = -1};
    messages[2].attributes = attributes;
    messages[2].n_attributes = ARRAY_SIZE(attributes);

    switch (operation) {
    case SQS_SEND_MESSAGE:
        r = sqs_request_send_message(URL, &messages[2], &request);
        break;
    case SQS_SEND_MESSAGE_BATCH:
        r = sqs_request_send_message_batch(URL, messages, 3, &request);
        break;
    case SQS_RECEIVE_MESSAGE:
        r = sqs_request_receive_message(URL, &receive, &request);
        break;
    case SQS_DELETE_MESSAGE:
        r = sqs_request_delete_message(URL, handles[0], &request);
        break;
    case SQS_DELETE_MESSAGE_BATCH:
        r = sqs_request_delete_message_batch(URL, handles, 3, &request);
        break;
    case SQS_CHANGE_MESSAGE_VISIBILITY:
        r = sqs_request_change_visibility(URL, changes, &request);
        break;
    case SQS_CHANGE_MESSAGE_VISIBILITY_BATCH:
        r = sqs_request_change_visibility_batch(URL, changes, 3, &request);
        break;
    case SQS_GET_QUEUE_ATTRIBUTES:
        r = sqs_request_get_queue_attributes(URL, &request);
        break;
    case SQS_GET_QUEUE_URL:
        r = sqs_request_get_queue_url("q", NULL, &request);
        break;
    case SQS_N_OPERATIONS:
        break;
    }
    assert_int_equal(r, 0);
    return request;
}

static struct sqs_reply *parse_good(enum sqs_operation operation, const char *body)
{
    CLEANUP(sqs_request_free) struct sqs_request *request = request_of(operation);
    CLEANUP(free) char *error = NULL;
    struct sqs_reply *reply = NULL;
    int r = sqs_reply_parse(request, body, strlen(body), &reply, &error);

    if (r != 0)
        print_error("%s\n%s\n", body, error ? error : "(no line)");
    assert_int_equal(r, 0);
    assert_non_null(reply);
    assert_int_equal(reply->operation, operation);
    return reply;
}

/* The line must hold `says`, on one line, and begin with what it is about. */
static void assert_damaged_bytes(enum sqs_operation operation, const char *body, size_t body_bytes,
                                 const char *says)
{
    CLEANUP(sqs_request_free) struct sqs_request *request = request_of(operation);
    CLEANUP(free) char *error = NULL;
    struct sqs_reply *reply = NULL;
    char prefix[80];
    int r = sqs_reply_parse(request, body, body_bytes, &reply, &error);

    if (r != SQS_REPLY_E_DAMAGED || !error || !strstr(error, says))
        print_error("%.*s\nexpected \"%s\", got %d, \"%s\"\n", (int)MIN(body_bytes, (size_t)500),
                    body, says, r, error ? error : "(no line)");
    assert_int_equal(r, SQS_REPLY_E_DAMAGED);
    assert_null(reply);
    assert_non_null(error);
    assert_non_null(strstr(error, says));
    assert_null(strchr(error, '\n'));
    snprintf(prefix, sizeof(prefix), "the reply to %s is damaged: ", sqs_operation_name(operation));
    assert_memory_equal(error, prefix, strlen(prefix));
    assert_int_equal(sqs_reply_parse(request, body, body_bytes, &reply, NULL), SQS_REPLY_E_DAMAGED);
}

static void assert_damaged(enum sqs_operation operation, const char *body, const char *says)
{
    assert_damaged_bytes(operation, body, strlen(body), says);
}

static void a_message_sent_has_its_id_and_number(void **state)
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

static void a_message_sent_with_another_md5_is_damage(void **state)
{
    assert_damaged(SQS_SEND_MESSAGE, "{\"MessageId\":\"m\",\"MD5OfMessageBody\":\"" OTHER_MD5 "\"}",
                   "MD5OfMessageBody is not that of the message sent");
    assert_damaged(SQS_SEND_MESSAGE,
                   "{\"MessageId\":\"m\",\"MD5OfMessageBody\":\"" HELLO_MD5 "\","
                   "\"MD5OfMessageAttributes\":\"" HELLO_MD5 "\"}",
                   "MD5OfMessageAttributes is not that of the message sent");
    assert_damaged(SQS_SEND_MESSAGE, "{\"MessageId\":\"m\",\"MD5OfMessageBody\":\"\"}", "MD5");
}

static void without_an_md5_of_ours_theirs_is_not_looked_at(void **state)
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

static void an_entry_with_another_md5_is_not_ok(void **state)
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

static void a_received_message_has_all_that_came(void **state)
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

static void no_messages_is_no_error(void **state)
{
    static const char *const bodies[] = {"{}", " {} ", "{\"Messages\":[]}", "{\"Messages\":null}",
                                         "{\"New\":[1,{}]}"};

    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        CLEANUP(sqs_reply_unref)
        struct sqs_reply *reply = parse_good(SQS_RECEIVE_MESSAGE, bodies[i]);

        assert_int_equal(reply->n_messages, 0);
    }
}

static void ten_messages_may_come_and_no_more(void **state)
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
                      "{\"Attributes\":{\"FifoQueue\":\"true\",\"ContentBasedDeduplication\":"
                      "\"true\",\"VisibilityTimeout\":\"43200\",\"MaximumMessageSize\":\"262144\","
                      "\"ReceiveMessageWaitTimeSeconds\":\"20\",\"RedrivePolicy\":\"{}\","
                      "\"QueueArn\":\"arn\",\"New\":{}}}");
    assert_true(full->attributes.is_fifo);
    assert_true(full->attributes.content_based_deduplication);
    assert_int_equal(full->attributes.visibility_timeout_sec, 43200);
    assert_int_equal(full->attributes.maximum_message_bytes, 262144);
    assert_int_equal(full->attributes.receive_wait_sec, 20);
    assert_string_equal(full->attributes.redrive_policy, "{}");
    none = parse_good(SQS_GET_QUEUE_ATTRIBUTES, "{}");
    bare = parse_good(SQS_GET_QUEUE_ATTRIBUTES, "{\"Attributes\":{\"FifoQueue\":\"false\"}}");
    for (int i = 0; i < 2; i++) {
        const struct sqs_queue_attributes *found = i ? &bare->attributes : &none->attributes;

        assert_false(found->is_fifo);
        assert_false(found->content_based_deduplication);
        assert_int_equal(found->visibility_timeout_sec, 30);
        assert_int_equal(found->maximum_message_bytes, 1048576);
        assert_int_equal(found->receive_wait_sec, 0);
        assert_null(found->redrive_policy);
    }
}

static void a_queue_url_is_read(void **state)
{
    CLEANUP(sqs_reply_unref)
    struct sqs_reply *reply = parse_good(SQS_GET_QUEUE_URL, "{\"QueueUrl\":\"" URL "\"}");

    assert_string_equal(reply->queue_url, URL);
}

static void damage_is_named_by_its_place(void **state)
{
    static const struct {
        enum sqs_operation operation;
        const char *body;
        const char *says;
    } rows[] = {
        {SQS_GET_QUEUE_URL, "[]", "no JSON object"},
        {SQS_GET_QUEUE_URL, "null ", "no JSON object"},
        {SQS_GET_QUEUE_URL, "\"QueueUrl\"", "no JSON object"},
        {SQS_GET_QUEUE_URL, "{}", "QueueUrl is missing"},
        {SQS_GET_QUEUE_URL, "{\"QueueUrl\":null}", "QueueUrl is missing"},
        {SQS_GET_QUEUE_URL, "{\"QueueUrl\":\"\"}", "QueueUrl is empty"},
        {SQS_GET_QUEUE_URL, "{\"QueueUrl\":[\"u\"]}", "QueueUrl is of the wrong type"},
        {SQS_GET_QUEUE_URL, "{\"QueueUrl\":\"a\\u0000b\"}", "QueueUrl is of the wrong type"},
        {SQS_GET_QUEUE_URL, "{\"QueueUrl\":\"u\"}}", "damaged: "},
        {SQS_GET_QUEUE_URL, "{\"QueueUrl\":\"u\"} trailing", "damaged: "},
        {SQS_GET_QUEUE_URL, "{\"QueueUrl\":\"\xff\"}", "not UTF-8"},
        {SQS_GET_QUEUE_URL, "<html></html>", "not JSON"},

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
        {SQS_GET_QUEUE_ATTRIBUTES, "{\"Attributes\":{\"FifoQueue\":true}}", "FifoQueue is of"},
        {SQS_GET_QUEUE_ATTRIBUTES, "{\"Attributes\":{\"FifoQueue\":\"yes\"}}",
         "FifoQueue is neither"},
        {SQS_GET_QUEUE_ATTRIBUTES, "{\"Attributes\":{\"VisibilityTimeout\":\"4294967296\"}}",
         "VisibilityTimeout is too large"},
        {SQS_GET_QUEUE_ATTRIBUTES, "{\"Attributes\":{\"VisibilityTimeout\":\"30s\"}}",
         "VisibilityTimeout is not a number"},
        {SQS_GET_QUEUE_ATTRIBUTES,
         "{\"Attributes\":{\"MaximumMessageSize\":\"99999999999999999999\"}}",
         "MaximumMessageSize is too large"},
        {SQS_GET_QUEUE_ATTRIBUTES, "{\"Attributes\":{\"RedrivePolicy\":{}}}",
         "RedrivePolicy is of"},
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

static void unknown_members_may_hold_anything(void **state)
{
    CLEANUP(sqs_reply_unref)
    struct sqs_reply *reply =
        parse_good(SQS_GET_QUEUE_URL,
                   "{\"a\":1e999,\"b\":-123456789012345678901234567890,\"c\":[[[[[[[[]]]]]]]],"
                   "\"QueueUrl\":\"u\",\"d\":\"\\ud800\\u0000\",\"e\":false}");

    assert_string_equal(reply->queue_url, "u");
}

static void replies_too_deep_or_too_large_are_refused(void **state)
{
    CLEANUP(buffer_done) struct buffer deep = BUFFER_INIT(1 << 20);
    CLEANUP(free) char *large = NULL;

    buffer_append_string(&deep, "{\"a\":");
    for (size_t i = 0; i < 100000; i++)
        buffer_append_char(&deep, '[');
    assert_damaged(SQS_GET_QUEUE_URL, buffer_string(&deep), "too deep");

    large = malloc((size_t)SQS_REPLY_MAX_BYTES + 1);
    assert_non_null(large);
    memset(large, ' ', (size_t)SQS_REPLY_MAX_BYTES + 1);
    assert_damaged_bytes(SQS_GET_QUEUE_URL, large, (size_t)SQS_REPLY_MAX_BYTES + 1,
                         "at most 63963136 are allowed");
}

/* Each part is a copy of its own, so that the address sanitizer sees a read past it. */
static void a_reply_cut_off_anywhere_is_damaged(void **state)
{
    static const char whole[] =
        "{\"Messages\":[{" MESSAGE ",\"MD5OfBody\":\"" HELLO_MD5 "\",\"Attributes\":"
        "{\"SentTimestamp\":\"1440938160123\"}," THREE_ATTRIBUTES
        ",\"MD5OfMessageAttributes\":\"" ATTRIBUTES_MD5 "\",\"n\":[1.5e3,true,null]}]}";
    static const char with_nul[] = "{\"QueueUrl\":\"u\"}\0";

    sqs_reply_unref(parse_good(SQS_RECEIVE_MESSAGE, whole));
    for (size_t size = 0; size < sizeof(whole) - 1; size++) {
        CLEANUP(free) char *part = malloc(MAX(size, (size_t)1));

        assert_non_null(part);
        memcpy(part, whole, size);
        assert_damaged_bytes(SQS_RECEIVE_MESSAGE, part, size, size > 0 ? "cut off" : "empty");
    }
    assert_damaged_bytes(SQS_GET_QUEUE_URL, with_nul, sizeof(with_nul) - 1, "followed by more");
}

/* Each byte of a good reply in turn, changed in several ways: no crash, and never another body. */
static void a_flipped_byte_never_changes_a_body_unseen(void **state)
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

static void a_reply_lives_as_long_as_its_last_reference(void **state)
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
        cmocka_unit_test(a_message_sent_has_its_id_and_number),
        cmocka_unit_test(a_message_sent_with_another_md5_is_damage),
        cmocka_unit_test(without_an_md5_of_ours_theirs_is_not_looked_at),
        cmocka_unit_test(results_come_in_the_requests_order),
        cmocka_unit_test(entries_without_a_result_are_not_ok),
        cmocka_unit_test(an_entry_with_another_md5_is_not_ok),
        cmocka_unit_test(deletes_and_changes_in_batches_need_no_message_id),
        cmocka_unit_test(a_received_message_has_all_that_came),
        cmocka_unit_test(attributes_of_another_md5_are_marked_and_handed_on),
        cmocka_unit_test(bodies_hold_any_character),
        cmocka_unit_test(no_messages_is_no_error),
        cmocka_unit_test(ten_messages_may_come_and_no_more),
        cmocka_unit_test(operations_without_output_need_no_body),
        cmocka_unit_test(queue_attributes_have_defaults),
        cmocka_unit_test(a_queue_url_is_read),
        cmocka_unit_test(damage_is_named_by_its_place),
        cmocka_unit_test(numbers_may_be_as_large_as_their_type),
        cmocka_unit_test(unknown_members_may_hold_anything),
        cmocka_unit_test(replies_too_deep_or_too_large_are_refused),
        cmocka_unit_test(a_reply_cut_off_anywhere_is_damaged),
        cmocka_unit_test(a_flipped_byte_never_changes_a_body_unseen),
        cmocka_unit_test(a_reply_lives_as_long_as_its_last_reference),
    };

    return cmocka_run_group_tests_name("sqs-reply", tests, NULL, NULL);
}
