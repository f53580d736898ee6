/* SPDX-License-Identifier: MIT */
/* Reads the messages in a reply to ReceiveMessage. One damaged message makes the whole reply
 * damaged: all its messages come again after their visibility timeout, in order. So no message is
 * handled whose body was changed on the way.
 *
 * A wrong MD5 of attributes does not make the reply damaged. TLS protects them, and AWS documents
 * how their MD5 is made only for messages that are sent. A message whose MD5 never matches would
 * block its group for ever, so it is marked (attributes_unverified) and passed on. */
#include "sqs/reply-reader.h"

#include <errno.h>
#include <limits.h>

#include "util/encode.h"

enum {
    /* SQS allows 10. Each attribute's name is compared with all later ones: this bounds the work.
     */
    ATTRIBUTES_MAX = 1000,
};

static int parse_binary_value(const struct reply_reader *reader, const struct json_value *object,
                              struct sqs_attribute *attribute)
{
    CLEANUP(buffer_done) struct buffer decoded = BUFFER_INIT(SQS_REPLY_MAX_BYTES);
    const char *text = NULL;
    char *copy;
    int r = reply_result(reader, "BinaryValue", json_value_get_string(object, "BinaryValue", &text),
                         true);

    if (r != 0)
        return r;
    r = base64_decode(&decoded, text, strlen(text));
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return reply_damaged(reader, "BinaryValue", "is not base64");
    copy = reply_allocate(reader, decoded.size + 1, 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, buffer_string(&decoded), decoded.size);
    attribute->value = copy;
    attribute->value_bytes = decoded.size;
    return 0;
}

static int parse_attribute(const struct reply_reader *reader, const char *name,
                           const struct json_value *object, struct sqs_attribute *attribute)
{
    int r;

    if (object->kind != JSON_OBJECT)
        return reply_damaged(reader, NULL, "is of the wrong type");
    attribute->name = name;
    r = reply_read_required_string(reader, object, "DataType", &attribute->data_type);
    if (r != 0)
        return r;
    attribute->is_binary = strncmp(attribute->data_type, "Binary", 6) == 0 &&
                           (attribute->data_type[6] == '\0' || attribute->data_type[6] == '.');
    if (attribute->is_binary)
        return parse_binary_value(reader, object, attribute);
    return reply_result(
        reader, "StringValue",
        json_value_get_bytes(object, "StringValue", &attribute->value, &attribute->value_bytes),
        true);
}

/* Whether a later member has the same name as the one at `i`. Of such members the last counts. */
static bool is_named_again(const struct json_value *list, size_t i, const struct json_value *value)
{
    const struct json_value *other = json_value_next(value);

    for (i++; i < list->n; i++, other = json_value_next(other))
        if (other->name_bytes == value->name_bytes &&
            memcmp(other->name, value->name, value->name_bytes) == 0)
            return true;
    return false;
}

static int parse_attributes(struct reply_reader *reader, const struct json_value *object,
                            struct sqs_received_message *message)
{
    const struct json_value *list = NULL, *value;
    int r = json_value_get(object, "MessageAttributes", JSON_OBJECT, &list);

    r = reply_result(reader, "MessageAttributes", r, false);
    if (r != 0 || !list)
        return r;
    if (list->n == 0)
        return 0;
    if (list->n > ATTRIBUTES_MAX)
        return reply_damaged(reader, "MessageAttributes", "holds %u, at most %d are read",
                             (unsigned)list->n, ATTRIBUTES_MAX);
    message->attributes = reply_allocate(reader, list->n, sizeof(*message->attributes));
    if (!message->attributes)
        return -ENOMEM;
    reader->inner = "MessageAttributes";
    value = json_value_first(list);
    for (size_t i = 0; i < list->n; i++, value = json_value_next(value)) {
        if (is_named_again(list, i, value))
            continue;
        reader->inner_at = message->n_attributes;
        r = parse_attribute(reader, value->name, value,
                            &message->attributes[message->n_attributes]);
        if (r != 0)
            return r;
        message->n_attributes++;
    }
    reader->inner = NULL;
    return 0;
}

static int parse_system_attributes(const struct reply_reader *reader,
                                   const struct json_value *object,
                                   struct sqs_received_message *message)
{
    const struct json_value *list = NULL;
    int r = json_value_get(object, "Attributes", JSON_OBJECT, &list);

    r = reply_result(reader, "Attributes", r, false);
    if (r != 0 || !list)
        return r;
    r = reply_read_string(reader, list, "MessageGroupId", &message->group_id);
    if (r == 0)
        r = reply_read_string(reader, list, "MessageDeduplicationId", &message->deduplication_id);
    if (r == 0)
        r = reply_read_string(reader, list, "SequenceNumber", &message->sequence_number);
    if (r == 0)
        r = reply_read_string(reader, list, "SenderId", &message->sender_id);
    if (r == 0)
        r = reply_read_number(reader, list, "SentTimestamp", UINT64_MAX, &message->sent_msec);
    if (r == 0)
        r = reply_read_number(reader, list, "ApproximateFirstReceiveTimestamp", UINT64_MAX,
                              &message->first_received_msec);
    if (r == 0)
        r = reply_read_unsigned(reader, list, "ApproximateReceiveCount", &message->receive_count);
    return r;
}

static int check_received(const struct reply_reader *reader, const struct json_value *object,
                          struct sqs_received_message *message)
{
    char md5[SQS_MD5_SIZE];
    bool differs = false;
    int r = sqs_md5_body(message->body, message->body_bytes, md5);

    if (r == SQS_MD5_E_UNAVAILABLE)
        return 0;
    if (r == 0)
        r = reply_read_md5(reader, object, "MD5OfBody", md5, &differs);
    if (r != 0)
        return r;
    if (differs)
        return reply_damaged(reader, "MD5OfBody", "is not that of Body");
    if (message->n_attributes == 0)
        return 0;
    r = sqs_md5_attributes(message->attributes, message->n_attributes, md5);
    if (r == 0)
        r = reply_read_md5(reader, object, "MD5OfMessageAttributes", md5, &differs);
    message->attributes_unverified = r == 0 && differs;
    return r;
}

static int parse_message(struct reply_reader *reader, const struct json_value *object,
                         struct sqs_received_message *message)
{
    int r;

    if (object->kind != JSON_OBJECT)
        return reply_damaged(reader, NULL, "is of the wrong type");
    r = reply_read_required_string(reader, object, "MessageId", &message->message_id);
    if (r == 0)
        r = reply_read_required_string(reader, object, "ReceiptHandle", &message->receipt_handle);
    if (r == 0)
        r = reply_result(reader, "Body",
                         json_value_get_bytes(object, "Body", &message->body, &message->body_bytes),
                         true);
    if (r == 0)
        r = parse_system_attributes(reader, object, message);
    if (r == 0)
        r = parse_attributes(reader, object, message);
    return r == 0 ? check_received(reader, object, message) : r;
}

int reply_parse_received(struct reply_reader *reader, const struct json_value *root)
{
    struct sqs_reply *reply = reader->reply;
    const struct json_value *list = NULL, *object;
    int r = json_value_get(root, "Messages", JSON_ARRAY, &list);

    r = reply_result(reader, "Messages", r, false);
    if (r != 0 || !list)
        return r;
    if (list->n > SQS_BATCH_MAX)
        return reply_damaged(reader, "Messages", "holds %u, at most %d can come", (unsigned)list->n,
                             SQS_BATCH_MAX);
    if (list->n == 0)
        return 0;
    reply->messages = reply_allocate(reader, list->n, sizeof(*reply->messages));
    if (!reply->messages)
        return -ENOMEM;
    reader->list = "Messages";
    object = json_value_first(list);
    for (size_t i = 0; i < list->n; i++, object = json_value_next(object)) {
        reader->list_at = i;
        r = parse_message(reader, object, &reply->messages[i]);
        if (r != 0)
            return r;
        reply->n_messages++;
    }
    return 0;
}
