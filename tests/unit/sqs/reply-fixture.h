/* SPDX-License-Identifier: MIT */
/* What the tests of replies share: requests of every operation, and replies that are good or
 * damaged. To be included by one file of a test. */
#pragma once

#include "sqs/reply.h"
#include "test.h"

#include <stdio.h>

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
static inline struct sqs_request *request_of(enum sqs_operation operation)
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
    case SQS_N_OPERATIONS:
        break;
    }
    assert_int_equal(r, 0);
    return request;
}

static inline struct sqs_reply *parse_good(enum sqs_operation operation, const char *body)
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
static inline void assert_damaged_bytes(enum sqs_operation operation, const char *body,
                                        size_t body_bytes, const char *says)
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

static inline void assert_damaged(enum sqs_operation operation, const char *body, const char *says)
{
    assert_damaged_bytes(operation, body, strlen(body), says);
}
