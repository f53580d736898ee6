/* See sqs-reply.h: the messages that ReceiveMessage brings. A lone damaged message makes the whole
 * reply damaged: its siblings come again after their visibility timeout, in order, and nothing is
 * handled whose body was changed on its way.
 *
 * Attributes are another matter: TLS keeps them whole, and how their MD5 is made is told for those
 * that are sent, not for those that come. A message that never checks out would block its group for
 * good, so it is marked and handed on. */
#include "sqs-reply-reader.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "encode.h"

static int parse_binary_value(const struct reply_reader *reader, json_object *object,
                              struct sqs_attribute *attribute)
{
    CLEANUP(buffer_done) struct buffer decoded = BUFFER_INIT(SQS_REPLY_MAX_BYTES);
    const char *text = NULL;
    char *copy;
    int r = reply_judge(reader, "BinaryValue", json_get_string(object, "BinaryValue", &text), true);

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

static int parse_attribute(const struct reply_reader *reader, const char *name, json_object *object,
                           struct sqs_attribute *attribute)
{
    int r;

    if (!json_object_is_type(object, json_type_object))
        return reply_damaged(reader, NULL, "is of the wrong type");
    attribute->name = name;
    r = reply_read_required_string(reader, object, "DataType", &attribute->data_type);
    if (r != 0)
        return r;
    attribute->is_binary = strncmp(attribute->data_type, "Binary", 6) == 0 &&
                           (attribute->data_type[6] == '\0' || attribute->data_type[6] == '.');
    if (attribute->is_binary)
        return parse_binary_value(reader, object, attribute);
    return reply_judge(
        reader, "StringValue",
        json_get_bytes(object, "StringValue", &attribute->value, &attribute->value_bytes), true);
}

static int parse_attributes(struct reply_reader *reader, json_object *object, size_t message_at,
                            struct sqs_received_message *message)
{
    json_object *list = NULL;
    int length, r = json_get(object, "MessageAttributes", json_type_object, &list);

    r = reply_judge(reader, "MessageAttributes", r, false);
    if (r != 0 || !list)
        return r;
    length = json_object_object_length(list);
    if (length == 0)
        return 0;
    message->attributes = reply_allocate(reader, (size_t)length, sizeof(*message->attributes));
    if (!message->attributes)
        return -ENOMEM;
    json_object_object_foreach (list, name, value) {
        snprintf(reader->where, sizeof(reader->where), "Messages[%zu].MessageAttributes[%zu]",
                 message_at, message->n_attributes);
        r = parse_attribute(reader, name, value, &message->attributes[message->n_attributes]);
        if (r != 0)
            return r;
        message->n_attributes++;
    }
    return 0;
}

static int parse_system_attributes(const struct reply_reader *reader, json_object *object,
                                   struct sqs_received_message *message)
{
    json_object *list = NULL;
    int r = json_get(object, "Attributes", json_type_object, &list);

    r = reply_judge(reader, "Attributes", r, false);
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

static int check_received(const struct reply_reader *reader, json_object *object,
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

static int parse_message(struct reply_reader *reader, json_object *object, size_t i,
                         struct sqs_received_message *message)
{
    int r;

    snprintf(reader->where, sizeof(reader->where), "Messages[%zu]", i);
    if (!json_object_is_type(object, json_type_object))
        return reply_damaged(reader, NULL, "is of the wrong type");
    r = reply_read_required_string(reader, object, "MessageId", &message->message_id);
    if (r == 0)
        r = reply_read_required_string(reader, object, "ReceiptHandle", &message->receipt_handle);
    if (r == 0)
        r = reply_judge(reader, "Body",
                        json_get_bytes(object, "Body", &message->body, &message->body_bytes), true);
    if (r == 0)
        r = parse_system_attributes(reader, object, message);
    if (r == 0)
        r = parse_attributes(reader, object, i, message);
    if (r != 0)
        return r;
    snprintf(reader->where, sizeof(reader->where), "Messages[%zu]", i);
    return check_received(reader, object, message);
}

int reply_parse_received(struct reply_reader *reader, json_object *root)
{
    struct sqs_reply *reply = reader->reply;
    json_object *list = NULL;
    size_t length;
    int r = json_get(root, "Messages", json_type_array, &list);

    r = reply_judge(reader, "Messages", r, false);
    if (r != 0 || !list)
        return r;
    length = json_object_array_length(list);
    if (length > SQS_BATCH_MAX)
        return reply_damaged(reader, "Messages", "holds %zu, at most %d can come", length,
                             SQS_BATCH_MAX);
    if (length == 0)
        return 0;
    reply->messages = reply_allocate(reader, length, sizeof(*reply->messages));
    if (!reply->messages)
        return -ENOMEM;
    for (size_t i = 0; i < length; i++) {
        r = parse_message(reader, json_object_array_get_idx(list, i), i, &reply->messages[i]);
        if (r != 0)
            return r;
        reply->n_messages++;
    }
    return 0;
}
