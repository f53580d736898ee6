/* SPDX-License-Identifier: MIT */
/* A request is written from left to right into one buffer. The buffer keeps its first error, so
 * only end() checks it. Members have a fixed order. An absent member is omitted, never written as
 * null. */
#include "sqs/request.h"

#include <assert.h>
#include <errno.h>

#include "util/encode.h"
#include "util/json-string.h"

/* SQS cannot have given out this receipt handle: its own are longer. */
#define SQS_PROBE_HANDLE "permission-probe"

const char *sqs_operation_name(enum sqs_operation operation)
{
    static const char *const names[] = {
        [SQS_SEND_MESSAGE] = "SendMessage",
        [SQS_SEND_MESSAGE_BATCH] = "SendMessageBatch",
        [SQS_RECEIVE_MESSAGE] = "ReceiveMessage",
        [SQS_DELETE_MESSAGE] = "DeleteMessage",
        [SQS_DELETE_MESSAGE_BATCH] = "DeleteMessageBatch",
        [SQS_CHANGE_MESSAGE_VISIBILITY] = "ChangeMessageVisibility",
        [SQS_CHANGE_MESSAGE_VISIBILITY_BATCH] = "ChangeMessageVisibilityBatch",
        [SQS_GET_QUEUE_ATTRIBUTES] = "GetQueueAttributes",
    };

    static_assert(ARRAY_SIZE(names) == SQS_N_OPERATIONS, "each operation has a name");
    assert(operation < SQS_N_OPERATIONS);
    return names[operation];
}

enum sqs_operation sqs_operation_single(enum sqs_operation operation)
{
    switch (operation) {
    case SQS_SEND_MESSAGE_BATCH:
        return SQS_SEND_MESSAGE;
    case SQS_DELETE_MESSAGE_BATCH:
        return SQS_DELETE_MESSAGE;
    case SQS_CHANGE_MESSAGE_VISIBILITY_BATCH:
        return SQS_CHANGE_MESSAGE_VISIBILITY;
    case SQS_SEND_MESSAGE:
    case SQS_RECEIVE_MESSAGE:
    case SQS_DELETE_MESSAGE:
    case SQS_CHANGE_MESSAGE_VISIBILITY:
    case SQS_GET_QUEUE_ATTRIBUTES:
    case SQS_N_OPERATIONS:
        break;
    }
    return operation;
}

struct sqs_request *sqs_request_free(struct sqs_request *request)
{
    if (request) {
        buffer_done(&request->json);
        free(request);
    }
    return NULL;
}

/* Appends `,"<name>":"<value>"`, or nothing if the value is NULL. */
static void append_member(struct buffer *b, const char *name, const char *value)
{
    if (!value)
        return;
    buffer_append(b, ",\"", 2);
    buffer_append_string(b, name);
    buffer_append(b, "\":", 2);
    json_append_string(b, value, strlen(value));
}

static void append_number_member(struct buffer *b, const char *name, unsigned value)
{
    buffer_printf(b, ",\"%s\":%u", name, value);
}

/* Writes a request up to the queue's URL. The caller goes on with a comma, or with end(). */
static int begin(enum sqs_operation operation, const char *queue_url, struct sqs_request **ret)
{
    struct sqs_request *request = calloc(1, sizeof(*request));

    if (!request)
        return -ENOMEM;
    request->operation = operation;
    request->json = BUFFER_INIT(SQS_REQUEST_MAX_BYTES);
    buffer_append_string(&request->json, "{\"QueueUrl\":");
    json_append_string(&request->json, queue_url, strlen(queue_url));
    *ret = request;
    return 0;
}

/* Reserves enough for the messages if few bytes need an escape. A buffer that grows in steps would
 * copy, and wipe, all bytes at each step. */
static void reserve_for(struct buffer *b, const struct sqs_message *messages, size_t n)
{
    enum { AROUND_BYTES = 512 };
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += sqs_message_bytes(&messages[i]) + AROUND_BYTES;
    buffer_reserve(b, bytes);
}

/* Appends `tail`, which closes the open braces and brackets. Takes *request only on success. */
static int end(struct sqs_request **request, const char *tail, struct sqs_request **ret)
{
    int r = buffer_append_string(&(*request)->json, tail);

    if (r < 0)
        return r;
    *ret = TAKE(*request);
    return 0;
}

static void append_attributes(struct buffer *b, const struct sqs_attribute *attributes, size_t n)
{
    if (n == 0)
        return;
    buffer_append_string(b, ",\"MessageAttributes\":{");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buffer_append_char(b, ',');
        json_append_string(b, attributes[i].name, strlen(attributes[i].name));
        buffer_append_string(b, ":{\"DataType\":");
        json_append_string(b, attributes[i].data_type, strlen(attributes[i].data_type));
        if (attributes[i].is_binary) {
            buffer_append_string(b, ",\"BinaryValue\":\"");
            base64_encode(b, attributes[i].value, attributes[i].value_bytes);
            buffer_append(b, "\"}", 2);
        } else {
            buffer_append_string(b, ",\"StringValue\":");
            json_append_string(b, attributes[i].value, attributes[i].value_bytes);
            buffer_append_char(b, '}');
        }
    }
    buffer_append_char(b, '}');
}

/* Appends `,"MessageBody":"..."` and the message's other members. */
static void append_message(struct buffer *b, const struct sqs_message *message)
{
    buffer_append_string(b, ",\"MessageBody\":");
    json_append_string(b, message->body, message->body_bytes);
    if (message->delay_sec >= 0)
        append_number_member(b, "DelaySeconds", (unsigned)message->delay_sec);
    append_attributes(b, message->attributes, message->n_attributes);
    append_member(b, "MessageDeduplicationId", message->deduplication_id);
    append_member(b, "MessageGroupId", message->group_id);
}

/* 0, -ENOMEM, or SQS_MD5_E_UNAVAILABLE. */
static int remember_md5(struct sqs_request *request, size_t i, const struct sqs_message *message)
{
    int r = sqs_md5_body(message->body, message->body_bytes, request->md5_of_body[i]);

    if (r == 0 && message->n_attributes > 0)
        r = sqs_md5_attributes(message->attributes, message->n_attributes,
                               request->md5_of_attributes[i]);
    return r;
}

static int remember_md5s(struct sqs_request *request, const struct sqs_message *messages, size_t n)
{
    request->n_entries = n;
    for (size_t i = 0; i < n; i++) {
        int r = remember_md5(request, i, &messages[i]);

        if (r < 0)
            return r;
        if (r == SQS_MD5_E_UNAVAILABLE)
            return 0;
    }
    request->has_md5 = true;
    return 0;
}

int sqs_request_send_message(const char *queue_url, const struct sqs_message *message,
                             struct sqs_request **ret)
{
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    int r = begin(SQS_SEND_MESSAGE, queue_url, &request);

    if (r < 0)
        return r;
    r = remember_md5s(request, message, 1);
    if (r < 0)
        return r;
    reserve_for(&request->json, message, 1);
    append_message(&request->json, message);
    return end(&request, "}", ret);
}

/* Writes a batch up to the start of its list of entries. */
static int begin_batch(enum sqs_operation operation, const char *queue_url, size_t n,
                       struct sqs_request **ret)
{
    int r;

    if (n == 0 || n > SQS_BATCH_MAX)
        return -EINVAL;
    r = begin(operation, queue_url, ret);
    if (r < 0)
        return r;
    (*ret)->n_entries = n;
    buffer_append_string(&(*ret)->json, ",\"Entries\":[");
    return 0;
}

/* Appends `{"Id":"<i>"`, with a comma before it unless it is the first. `i` is at most 9. */
static void begin_entry(struct buffer *b, size_t i)
{
    char text[] = ",{\"Id\":\"0\"";
    size_t skip = i == 0;

    assert(i < SQS_BATCH_MAX);
    text[sizeof(text) - 3] = (char)('0' + i);
    buffer_append(b, text + skip, sizeof(text) - 1 - skip);
}

int sqs_request_send_message_batch(const char *queue_url, const struct sqs_message *messages,
                                   size_t n, struct sqs_request **ret)
{
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    int r = begin_batch(SQS_SEND_MESSAGE_BATCH, queue_url, n, &request);

    if (r < 0)
        return r;
    r = remember_md5s(request, messages, n);
    if (r < 0)
        return r;
    reserve_for(&request->json, messages, n);
    for (size_t i = 0; i < n; i++) {
        begin_entry(&request->json, i);
        append_message(&request->json, &messages[i]);
        buffer_append_char(&request->json, '}');
    }
    return end(&request, "]}", ret);
}

int sqs_request_receive_message(const char *queue_url, const struct sqs_receive *receive,
                                struct sqs_request **ret)
{
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    struct buffer *b;
    int r;

    if (receive->max_messages == 0 || receive->max_messages > SQS_BATCH_MAX ||
        receive->wait_sec > SQS_WAIT_MAX_SEC || receive->visibility_sec < -1 ||
        receive->visibility_sec > SQS_VISIBILITY_MAX_SEC)
        return -EINVAL;
    r = begin(SQS_RECEIVE_MESSAGE, queue_url, &request);
    if (r < 0)
        return r;
    b = &request->json;
    append_number_member(b, "MaxNumberOfMessages", receive->max_messages);
    append_number_member(b, "WaitTimeSeconds", receive->wait_sec);
    if (receive->visibility_sec >= 0)
        append_number_member(b, "VisibilityTimeout", (unsigned)receive->visibility_sec);
    buffer_append_string(b, ",\"MessageSystemAttributeNames\":[\"All\"]"
                            ",\"MessageAttributeNames\":[\"All\"]");
    append_member(b, "ReceiveRequestAttemptId", receive->attempt_id);
    return end(&request, "}", ret);
}

int sqs_request_delete_message(const char *queue_url, const char *receipt_handle,
                               struct sqs_request **ret)
{
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    int r = begin(SQS_DELETE_MESSAGE, queue_url, &request);

    if (r < 0)
        return r;
    append_member(&request->json, "ReceiptHandle", receipt_handle);
    return end(&request, "}", ret);
}

int sqs_request_delete_message_batch(const char *queue_url, const char *const *receipt_handles,
                                     size_t n, struct sqs_request **ret)
{
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    int r = begin_batch(SQS_DELETE_MESSAGE_BATCH, queue_url, n, &request);

    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        begin_entry(&request->json, i);
        append_member(&request->json, "ReceiptHandle", receipt_handles[i]);
        buffer_append_char(&request->json, '}');
    }
    return end(&request, "]}", ret);
}

static void append_change(struct buffer *b, const struct sqs_visibility_change *change)
{
    append_member(b, "ReceiptHandle", change->receipt_handle);
    append_number_member(b, "VisibilityTimeout", change->visibility_sec);
}

int sqs_request_change_visibility(const char *queue_url, const struct sqs_visibility_change *change,
                                  struct sqs_request **ret)
{
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    int r;

    if (change->visibility_sec > SQS_VISIBILITY_MAX_SEC)
        return -EINVAL;
    r = begin(SQS_CHANGE_MESSAGE_VISIBILITY, queue_url, &request);
    if (r < 0)
        return r;
    append_change(&request->json, change);
    return end(&request, "}", ret);
}

int sqs_request_change_visibility_batch(const char *queue_url,
                                        const struct sqs_visibility_change *changes, size_t n,
                                        struct sqs_request **ret)
{
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    int r = begin_batch(SQS_CHANGE_MESSAGE_VISIBILITY_BATCH, queue_url, n, &request);

    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        if (changes[i].visibility_sec > SQS_VISIBILITY_MAX_SEC)
            return -EINVAL;
        begin_entry(&request->json, i);
        append_change(&request->json, &changes[i]);
        buffer_append_char(&request->json, '}');
    }
    return end(&request, "]}", ret);
}

int sqs_request_get_queue_attributes(const char *queue_url, struct sqs_request **ret)
{
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    int r = begin(SQS_GET_QUEUE_ATTRIBUTES, queue_url, &request);

    if (r < 0)
        return r;
    return end(&request, ",\"AttributeNames\":[\"All\"]}", ret);
}

/* An emulator may accept this request all the same. Then its messages are visible again at once. */
static void append_bad_receive(struct buffer *b)
{
    append_number_member(b, "MaxNumberOfMessages", SQS_BATCH_MAX + 1);
    append_number_member(b, "WaitTimeSeconds", 0);
    append_number_member(b, "VisibilityTimeout", 0);
}

int sqs_request_probe(enum sqs_operation operation, const char *queue_url, struct sqs_request **ret)
{
    static const struct sqs_visibility_change change = {.receipt_handle = SQS_PROBE_HANDLE};
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    bool is_send = operation == SQS_SEND_MESSAGE;
    int r;

    if (operation == SQS_DELETE_MESSAGE)
        return sqs_request_delete_message(queue_url, SQS_PROBE_HANDLE, ret);
    if (operation == SQS_CHANGE_MESSAGE_VISIBILITY)
        return sqs_request_change_visibility(queue_url, &change, ret);
    if (!is_send && operation != SQS_RECEIVE_MESSAGE)
        return -EINVAL;
    r = begin(is_send ? SQS_SEND_MESSAGE_BATCH : operation, queue_url, &request);
    if (r < 0)
        return r;
    if (is_send)
        return end(&request, ",\"Entries\":[]}", ret);
    append_bad_receive(&request->json);
    return end(&request, "}", ret);
}
