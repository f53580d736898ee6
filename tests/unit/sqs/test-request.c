/* SPDX-License-Identifier: MIT */
#include "sqs/request.h"
#include "test.h"

#include "util/encode.h"
#include "util/json-reader.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#define URL "https://sqs.eu-west-1.amazonaws.com/123456789012/test.fifo"

static const struct sqs_message plain = {.body = "hello", .body_bytes = 5, .delay_sec = -1};

static const struct sqs_attribute attributes[] = {
    {"text", "String", "v\"1\"", 4, false},
    {"number", "Number.int", "17", 2, false},
    {"bytes", "Binary", "\0\xff\x80", 3, true},
};

static void assert_json(const struct sqs_request *request, enum sqs_operation operation,
                        const char *expected)
{
    assert_int_equal(request->operation, operation);
    assert_string_equal(buffer_string(&request->json), expected);
    assert_int_equal(request->json.size, strlen(expected));
}

/* "SendMessage" of "SQS_SEND_MESSAGE". */
static void camel_case(const char *enumerator, char *ret)
{
    bool begins_word = true;

    for (const char *p = enumerator + strlen("SQS_"); *p; p++) {
        if (*p != '_')
            *ret++ = *p;
        if (*p != '_' && !begins_word)
            ret[-1] = (char)tolower(*p);
        begins_word = *p == '_';
    }
    *ret = '\0';
}

/* AWS's names are those of the enumerators, in another form. */
static void operation_name_is_that_of_its_enumerator(void **state)
{
#define OPERATION(enumerator) [enumerator] = #enumerator
    static const char *const enumerators[] = {
        OPERATION(SQS_SEND_MESSAGE),
        OPERATION(SQS_SEND_MESSAGE_BATCH),
        OPERATION(SQS_RECEIVE_MESSAGE),
        OPERATION(SQS_DELETE_MESSAGE),
        OPERATION(SQS_DELETE_MESSAGE_BATCH),
        OPERATION(SQS_CHANGE_MESSAGE_VISIBILITY),
        OPERATION(SQS_CHANGE_MESSAGE_VISIBILITY_BATCH),
        OPERATION(SQS_GET_QUEUE_ATTRIBUTES),
    };
#undef OPERATION

    assert_int_equal(ARRAY_SIZE(enumerators), SQS_N_OPERATIONS);
    for (size_t i = 0; i < ARRAY_SIZE(enumerators); i++) {
        char expected[64];

        camel_case(enumerators[i], expected);
        assert_string_equal(sqs_operation_name((enum sqs_operation)i), expected);
    }
}

static void operation_of_a_batch_has_a_single_one_with_its_name(void **state)
{
    for (int i = 0; i < SQS_N_OPERATIONS; i++) {
        const char *name = sqs_operation_name((enum sqs_operation)i);
        const char *single = sqs_operation_name(sqs_operation_single((enum sqs_operation)i));
        const char *end = strstr(name, "Batch");

        assert_int_equal(strlen(single), end ? (size_t)(end - name) : strlen(name));
        assert_memory_equal(single, name, strlen(single));
    }
}

static void send_message_is_written_with_what_it_has(void **state)
{
    CLEANUP(sqs_request_free) struct sqs_request *least = NULL;
    CLEANUP(sqs_request_free) struct sqs_request *most = NULL;
    const struct sqs_message full = {
        .body = "{\"data\":\"my\ndata\"}",
        .body_bytes = 18,
        .group_id = "test",
        .deduplication_id = "d\\1",
        .delay_sec = 0,
        .attributes = attributes,
        .n_attributes = 3,
    };

    assert_int_equal(sqs_request_send_message(URL, &plain, &least), 0);
    assert_json(least, SQS_SEND_MESSAGE, "{\"QueueUrl\":\"" URL "\",\"MessageBody\":\"hello\"}");
    assert_int_equal(least->n_entries, 1);
    assert_int_equal(sqs_request_send_message(URL, &full, &most), 0);
    assert_json(most, SQS_SEND_MESSAGE,
                "{\"QueueUrl\":\"" URL "\",\"MessageBody\":\"{\\\"data\\\":\\\"my\\ndata\\\"}\","
                "\"DelaySeconds\":0,\"MessageAttributes\":{"
                "\"text\":{\"DataType\":\"String\",\"StringValue\":\"v\\\"1\\\"\"},"
                "\"number\":{\"DataType\":\"Number.int\",\"StringValue\":\"17\"},"
                "\"bytes\":{\"DataType\":\"Binary\",\"BinaryValue\":\"AP+A\"}},"
                "\"MessageDeduplicationId\":\"d\\\\1\",\"MessageGroupId\":\"test\"}");
}

static void md5s_are_remembered_for_the_reply(void **state)
{
    CLEANUP(sqs_request_free) struct sqs_request *lone = NULL;
    CLEANUP(sqs_request_free) struct sqs_request *batch = NULL;
    struct sqs_message messages[2] = {plain, plain};
    char md5[SQS_MD5_SIZE];

    messages[1].attributes = attributes;
    messages[1].n_attributes = 3;
    assert_int_equal(sqs_request_send_message(URL, &messages[1], &lone), 0);
    assert_int_equal(sqs_request_send_message_batch(URL, messages, 2, &batch), 0);
    assert_true(lone->has_md5);
    assert_true(batch->has_md5);
    assert_string_equal(lone->md5_of_body[0], "5d41402abc4b2a76b9719d911017c592");
    assert_string_equal(batch->md5_of_body[0], "5d41402abc4b2a76b9719d911017c592");
    assert_string_equal(batch->md5_of_body[1], "5d41402abc4b2a76b9719d911017c592");
    assert_int_equal(sqs_md5_attributes(attributes, 3, md5), 0);
    assert_string_equal(lone->md5_of_attributes[0], md5);
    assert_string_equal(batch->md5_of_attributes[0], "");
    assert_string_equal(batch->md5_of_attributes[1], md5);
}

static void batch_numbers_its_entries(void **state)
{
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    struct sqs_message messages[10];

    for (size_t i = 0; i < ARRAY_SIZE(messages); i++)
        messages[i] = plain;
    messages[0].group_id = "g";
    messages[1].delay_sec = 900;
    assert_int_equal(sqs_request_send_message_batch(URL, messages, 2, &request), 0);
    assert_json(request, SQS_SEND_MESSAGE_BATCH,
                "{\"QueueUrl\":\"" URL "\",\"Entries\":["
                "{\"Id\":\"0\",\"MessageBody\":\"hello\",\"MessageGroupId\":\"g\"},"
                "{\"Id\":\"1\",\"MessageBody\":\"hello\",\"DelaySeconds\":900}]}");
    assert_int_equal(request->n_entries, 2);
    request = sqs_request_free(request);
    assert_int_equal(sqs_request_send_message_batch(URL, messages, 10, &request), 0);
    assert_int_equal(request->n_entries, 10);
    assert_non_null(strstr(buffer_string(&request->json), "{\"Id\":\"9\",\"MessageBody\""));
}

static void receive_message_asks_for_all_attributes(void **state)
{
    const struct sqs_receive least = {.max_messages = 1, .wait_sec = 0, .visibility_sec = -1};
    const struct sqs_receive most = {
        .max_messages = 10, .wait_sec = 20, .visibility_sec = 43200, .attempt_id = "a-1"};
    CLEANUP(sqs_request_free) struct sqs_request *a = NULL, *b = NULL;

    assert_int_equal(sqs_request_receive_message(URL, &least, &a), 0);
    assert_json(a, SQS_RECEIVE_MESSAGE,
                "{\"QueueUrl\":\"" URL "\",\"MaxNumberOfMessages\":1,\"WaitTimeSeconds\":0,"
                "\"MessageSystemAttributeNames\":[\"All\"],\"MessageAttributeNames\":[\"All\"]}");
    assert_int_equal(a->n_entries, 0);
    assert_int_equal(sqs_request_receive_message(URL, &most, &b), 0);
    assert_json(b, SQS_RECEIVE_MESSAGE,
                "{\"QueueUrl\":\"" URL "\",\"MaxNumberOfMessages\":10,\"WaitTimeSeconds\":20,"
                "\"VisibilityTimeout\":43200,\"MessageSystemAttributeNames\":[\"All\"],"
                "\"MessageAttributeNames\":[\"All\"],\"ReceiveRequestAttemptId\":\"a-1\"}");
}

static void deletes_and_changes_name_their_handles(void **state)
{
    static const char *const handles[] = {"h+/=", "h2"};
    static const struct sqs_visibility_change changes[] = {{"h1", 0}, {"h2", 43200}};
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;

    assert_int_equal(sqs_request_delete_message(URL, handles[0], &request), 0);
    assert_json(request, SQS_DELETE_MESSAGE,
                "{\"QueueUrl\":\"" URL "\",\"ReceiptHandle\":\"h+/=\"}");
    assert_int_equal(request->n_entries, 0);
    request = sqs_request_free(request);
    assert_int_equal(sqs_request_delete_message_batch(URL, handles, 2, &request), 0);
    assert_json(request, SQS_DELETE_MESSAGE_BATCH,
                "{\"QueueUrl\":\"" URL "\",\"Entries\":[{\"Id\":\"0\",\"ReceiptHandle\":\"h+/=\"},"
                "{\"Id\":\"1\",\"ReceiptHandle\":\"h2\"}]}");
    assert_int_equal(request->n_entries, 2);
    request = sqs_request_free(request);
    assert_int_equal(sqs_request_change_visibility(URL, &changes[1], &request), 0);
    assert_json(request, SQS_CHANGE_MESSAGE_VISIBILITY,
                "{\"QueueUrl\":\"" URL "\",\"ReceiptHandle\":\"h2\",\"VisibilityTimeout\":43200}");
    request = sqs_request_free(request);
    assert_int_equal(sqs_request_change_visibility_batch(URL, changes, 2, &request), 0);
    assert_json(request, SQS_CHANGE_MESSAGE_VISIBILITY_BATCH,
                "{\"QueueUrl\":\"" URL "\",\"Entries\":["
                "{\"Id\":\"0\",\"ReceiptHandle\":\"h1\",\"VisibilityTimeout\":0},"
                "{\"Id\":\"1\",\"ReceiptHandle\":\"h2\",\"VisibilityTimeout\":43200}]}");
    assert_int_equal(request->n_entries, 2);
}

static void queue_operations_are_written(void **state)
{
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;

    assert_int_equal(sqs_request_get_queue_attributes(URL, &request), 0);
    assert_json(request, SQS_GET_QUEUE_ATTRIBUTES,
                "{\"QueueUrl\":\"" URL "\",\"AttributeNames\":[\"All\"]}");
}

static void probe_is_malformed_and_touches_nothing(void **state)
{
    static const struct {
        enum sqs_operation operation, sent_as;
        const char *rest;
    } cases[] = {
        {SQS_SEND_MESSAGE, SQS_SEND_MESSAGE_BATCH, ",\"Entries\":[]}"},
        {SQS_RECEIVE_MESSAGE, SQS_RECEIVE_MESSAGE,
         ",\"MaxNumberOfMessages\":11,\"WaitTimeSeconds\":0,\"VisibilityTimeout\":0}"},
        {SQS_DELETE_MESSAGE, SQS_DELETE_MESSAGE, ",\"ReceiptHandle\":\"permission-probe\"}"},
        {SQS_CHANGE_MESSAGE_VISIBILITY, SQS_CHANGE_MESSAGE_VISIBILITY,
         ",\"ReceiptHandle\":\"permission-probe\",\"VisibilityTimeout\":0}"},
    };
    struct sqs_request *untouched = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
        char expected[256];

        snprintf(expected, sizeof(expected), "{\"QueueUrl\":\"" URL "\"%s", cases[i].rest);
        assert_int_equal(sqs_request_probe(cases[i].operation, URL, &request), 0);
        assert_json(request, cases[i].sent_as, expected);
        assert_int_equal(request->n_entries, 0);
    }
    assert_int_equal(sqs_request_probe(SQS_GET_QUEUE_ATTRIBUTES, URL, &untouched), -EINVAL);
    assert_int_equal(sqs_request_probe(SQS_SEND_MESSAGE_BATCH, URL, &untouched), -EINVAL);
    assert_null(untouched);
}

static void counts_and_numbers_wrong_are_the_callers_bug(void **state)
{
    static const struct sqs_receive receives[] = {
        {.max_messages = 0, .visibility_sec = -1},
        {.max_messages = 11, .visibility_sec = -1},
        {.max_messages = 1, .wait_sec = 21, .visibility_sec = -1},
        {.max_messages = 1, .visibility_sec = -2},
        {.max_messages = 1, .visibility_sec = 43201},
    };
    static const char *const handles[11] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"};
    static const struct sqs_visibility_change changes[11] = {{"h", 43201}};
    struct sqs_message messages[11];
    struct sqs_request *untouched = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(messages); i++)
        messages[i] = plain;
    for (size_t i = 0; i < ARRAY_SIZE(receives); i++)
        assert_int_equal(sqs_request_receive_message(URL, &receives[i], &untouched), -EINVAL);
    for (size_t n = 0; n <= 11; n += 11) {
        assert_int_equal(sqs_request_send_message_batch(URL, messages, n, &untouched), -EINVAL);
        assert_int_equal(sqs_request_delete_message_batch(URL, handles, n, &untouched), -EINVAL);
        assert_int_equal(sqs_request_change_visibility_batch(URL, changes, n, &untouched), -EINVAL);
    }
    assert_int_equal(sqs_request_change_visibility(URL, changes, &untouched), -EINVAL);
    assert_int_equal(sqs_request_change_visibility_batch(URL, changes, 1, &untouched), -EINVAL);
    messages[0].body = "\xff";
    messages[0].body_bytes = 1;
    assert_int_equal(sqs_request_send_message(URL, messages, &untouched), -EINVAL);
    assert_int_equal(sqs_request_delete_message(URL, "\xff", &untouched), -EINVAL);
    assert_null(untouched);
}

static json_object *member(json_object *object, const char *name)
{
    json_object *found = NULL;

    assert_true(json_object_object_get_ex(object, name, &found));
    return found;
}

static void body_read_by_a_parser_is_what_was_meant(void **state)
{
    static const char body[] = "\x01\"\\/\b\f\n\r\t\x1f\x7f\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
    const struct sqs_attribute odd[] = {
        {"n.1", "String.\xc3\xa4", body, sizeof(body) - 1, false},
        {"n.2", "Binary", body, sizeof(body) - 1, true},
    };
    const struct sqs_message message = {.body = body,
                                        .body_bytes = sizeof(body), /* its NUL as well */
                                        .group_id = "!\"#\\~",
                                        .delay_sec = 5,
                                        .attributes = odd,
                                        .n_attributes = 2};
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    CLEANUP(buffer_done) struct buffer decoded = BUFFER_INIT(1000);
    CLEANUP(json_object_put) json_object *root = NULL;
    json_object *entry, *found;
    struct json_fault fault;

    assert_int_equal(sqs_request_send_message_batch(URL "?\"\n", &message, 1, &request), 0);
    assert_int_equal(json_read(request->json.data, request->json.size, 8, &root, &fault), 0);
    assert_string_equal(json_object_get_string(member(root, "QueueUrl")), URL "?\"\n");
    entry = json_object_array_get_idx(member(root, "Entries"), 0);
    found = member(entry, "MessageBody");
    assert_int_equal(json_object_get_string_len(found), sizeof(body));
    assert_memory_equal(json_object_get_string(found), body, sizeof(body));
    assert_string_equal(json_object_get_string(member(entry, "MessageGroupId")), "!\"#\\~");
    assert_true(json_object_is_type(member(entry, "DelaySeconds"), json_type_int));
    assert_int_equal(json_object_get_int(member(entry, "DelaySeconds")), 5);
    assert_int_equal(json_object_object_length(entry), 5);
    found = member(member(entry, "MessageAttributes"), "n.1");
    assert_string_equal(json_object_get_string(member(found, "DataType")), "String.\xc3\xa4");
    assert_string_equal(json_object_get_string(member(found, "StringValue")), body);
    found = member(member(member(entry, "MessageAttributes"), "n.2"), "BinaryValue");
    assert_int_equal(base64_decode(&decoded, json_object_get_string(found),
                                   (size_t)json_object_get_string_len(found)),
                     0);
    assert_int_equal(decoded.size, sizeof(body) - 1);
    assert_memory_equal(decoded.data, body, decoded.size);
}

static void batch_of_the_largest_size_fits_even_escaped_at_worst(void **state)
{
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    CLEANUP(free) char *body = malloc(SQS_BATCH_MAX_BYTES);
    CLEANUP(free) char *too_large = malloc((size_t)SQS_REQUEST_MAX_BYTES);
    struct sqs_message messages[10];

    assert_non_null(body);
    assert_non_null(too_large);
    memset(body, 1, SQS_BATCH_MAX_BYTES);
    for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
        messages[i] = plain;
        messages[i].body = body;
        messages[i].body_bytes = SQS_BATCH_MAX_BYTES / 10;
    }
    assert_int_equal(sqs_request_send_message_batch(URL, messages, 10, &request), 0);
    assert_true(request->json.size > 6 * (SQS_BATCH_MAX_BYTES - 10));
    request = sqs_request_free(request);
    memset(too_large, 'x', SQS_REQUEST_MAX_BYTES);
    messages[0].body = too_large;
    messages[0].body_bytes = SQS_REQUEST_MAX_BYTES;
    assert_int_equal(sqs_request_send_message(URL, messages, &request), -E2BIG);
    assert_null(request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operation_name_is_that_of_its_enumerator),
        cmocka_unit_test(operation_of_a_batch_has_a_single_one_with_its_name),
        cmocka_unit_test(send_message_is_written_with_what_it_has),
        cmocka_unit_test(md5s_are_remembered_for_the_reply),
        cmocka_unit_test(batch_numbers_its_entries),
        cmocka_unit_test(receive_message_asks_for_all_attributes),
        cmocka_unit_test(deletes_and_changes_name_their_handles),
        cmocka_unit_test(queue_operations_are_written),
        cmocka_unit_test(probe_is_malformed_and_touches_nothing),
        cmocka_unit_test(counts_and_numbers_wrong_are_the_callers_bug),
        cmocka_unit_test(body_read_by_a_parser_is_what_was_meant),
        cmocka_unit_test(batch_of_the_largest_size_fits_even_escaped_at_worst),
    };

    return cmocka_run_group_tests_name("sqs-request", tests, NULL, NULL);
}
