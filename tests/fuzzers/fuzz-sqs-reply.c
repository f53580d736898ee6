/* SPDX-License-Identifier: MIT */
/* Successful replies: a byte that chooses the operation, "0" SendMessage and so on, and the body.
 */
#include "sqs/reply.h"

#include "fuzz.h"

#define URL "http://127.0.0.1/000000000000/q"

static struct sqs_request *request_of(enum sqs_operation operation)
{
    static const struct sqs_attribute attribute = {"a", "String", "v", 1, false};
    static const struct sqs_message messages[] = {
        {.body = "hello", .body_bytes = 5, .delay_sec = -1},
        {.body = "hello",
         .body_bytes = 5,
         .delay_sec = -1,
         .attributes = &attribute,
         .n_attributes = 1},
    };
    static const struct sqs_receive receive = {.max_messages = 10, .visibility_sec = -1};
    static const struct sqs_visibility_change changes[] = {{"a", 1}, {"b", 2}};
    static const char *const handles[] = {"a", "b"};
    struct sqs_request *request = NULL;
    int r = -1;

    switch (operation) {
    case SQS_SEND_MESSAGE:
        r = sqs_request_send_message(URL, &messages[1], &request);
        break;
    case SQS_SEND_MESSAGE_BATCH:
        r = sqs_request_send_message_batch(URL, messages, 2, &request);
        break;
    case SQS_RECEIVE_MESSAGE:
        r = sqs_request_receive_message(URL, &receive, &request);
        break;
    case SQS_DELETE_MESSAGE:
        r = sqs_request_delete_message(URL, "a", &request);
        break;
    case SQS_DELETE_MESSAGE_BATCH:
        r = sqs_request_delete_message_batch(URL, handles, 2, &request);
        break;
    case SQS_CHANGE_MESSAGE_VISIBILITY:
        r = sqs_request_change_visibility(URL, changes, &request);
        break;
    case SQS_CHANGE_MESSAGE_VISIBILITY_BATCH:
        r = sqs_request_change_visibility_batch(URL, changes, 2, &request);
        break;
    case SQS_GET_QUEUE_ATTRIBUTES:
        r = sqs_request_get_queue_attributes(URL, &request);
        break;
    case SQS_N_OPERATIONS:
        break;
    }
    assert(r == 0);
    return request;
}

/* Touches all bytes that the reply says it has. */
static void check(const struct sqs_reply *reply)
{
    size_t sum = 0;

    assert(reply->n_messages <= SQS_BATCH_MAX && reply->n_entries <= SQS_BATCH_MAX);
    for (size_t i = 0; i < reply->n_messages; i++) {
        const struct sqs_received_message *message = &reply->messages[i];

        assert(is_set(message->message_id) && is_set(message->receipt_handle) && message->body);
        assert(message->body[message->body_bytes] == '\0');
        for (size_t k = 0; k < message->n_attributes; k++) {
            assert(message->attributes[k].name && is_set(message->attributes[k].data_type));
            for (size_t n = 0; n < message->attributes[k].value_bytes; n++)
                sum += (unsigned char)message->attributes[k].value[n];
        }
    }
    for (size_t i = 0; i < reply->n_entries; i++) {
        const struct sqs_entry_result *entry = &reply->entries[i];

        assert(entry->ok ? !entry->code : is_set(entry->code) && entry->message);
        assert(entry->ok || !entry->message_id);
    }
    if (reply->operation == SQS_SEND_MESSAGE)
        assert(is_set(reply->message_id));
    assert(sum < SIZE_MAX);
}

FUZZ
{
    struct sqs_request *request;
    struct sqs_reply *reply = NULL;
    char *error = NULL;
    unsigned choice;
    int r;

    if (size == 0)
        return;
    choice = (unsigned char)data[0] - (unsigned)'0';
    request = request_of((enum sqs_operation)(choice % SQS_N_OPERATIONS));
    r = sqs_reply_parse(request, data + 1, size - 1, &reply, &error);
    assert(r == 0 || r == SQS_REPLY_E_DAMAGED);
    assert((r == 0) == (reply != NULL) && (r == 0) == (error == NULL));
    if (reply)
        check(reply);
    else
        assert(!strchr(error, '\n'));
    sqs_reply_unref(reply);
    sqs_request_free(request);
    free(error);
}
