/* SPDX-License-Identifier: MIT */
/* SendMessage and SendMessageBatch: reads an entry, checks it against SQS's rules, and accepts it.
 *
 * In a batch, a missing or malformed member of one entry fails the whole request before anything is
 * accepted. A value that is not allowed only puts its own entry into Failed; the others are
 * accepted. */
#include "operations.h"

#include <ctype.h>
#include <errno.h>

#include "identifiers.h"
#include "json-writer.h"
#include "util/encode.h"

struct entry {
    struct message_parts parts;
    char message_id[IDENTIFIER_SIZE];
    struct sqs_attribute attributes[SQS_ATTRIBUTES_MAX];
    struct buffer binaries[SQS_ATTRIBUTES_MAX]; /* the decoded values of Binary attributes */
    struct sqs_attribute trace;                 /* AWSTraceHeader; none if its value is NULL */
    bool has_delay;
    int64_t delay_sec;
    size_t bytes; /* as SQS counts them */
    struct queue_sent sent;
};

static void entry_done(struct entry *entry)
{
    for (size_t i = 0; i < SQS_ATTRIBUTES_MAX; i++)
        buffer_done(&entry->binaries[i]);
}

static void entry_done_cleanup(struct entry *entry)
{
    entry_done(entry);
}

/* #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF, in UTF-8. */
static bool text_is_allowed(const char *text, size_t size)
{
    uint32_t c;

    for (size_t i = 0, n; i < size; i += n) {
        n = utf8_decode(text + i, size - i, &c);
        if (n == 0 || (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0xFFFE ||
            c == 0xFFFF)
            return false;
    }
    return true;
}

static bool attribute_name_is_valid(const char *name)
{
    size_t n = strlen(name);

    if (n < 1 || n > 256 || name[0] == '.' || name[n - 1] == '.' || strstr(name, "..") ||
        strncasecmp(name, "AWS.", 4) == 0 || strncasecmp(name, "Amazon.", 7) == 0)
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && *name != '_' && *name != '-' && *name != '.')
            return false;
    return true;
}

static bool number_is_valid(const char *text)
{
    size_t digits = 0;

    text += *text == '+' || *text == '-';
    for (; isdigit((unsigned char)*text); text++)
        digits++;
    if (*text == '.')
        for (text++; isdigit((unsigned char)*text); text++)
            digits++;
    if (digits == 0)
        return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '+' || *text == '-';
        if (!isdigit((unsigned char)*text))
            return false;
        while (isdigit((unsigned char)*text))
            text++;
    }
    return *text == '\0';
}

static bool type_is(const char *data_type, const char *kind)
{
    size_t n = strlen(kind);

    return strncmp(data_type, kind, n) == 0 && (data_type[n] == '\0' || data_type[n] == '.');
}

/* Reads one attribute's value by its type. A malformed value fails the whole request. */
static int read_value(struct call *call, struct json_object *object, struct sqs_attribute *a,
                      struct buffer *binary)
{
    struct json_object *text, *bytes;
    int r = parameter_of_type(call, object, "StringValue", json_type_string, &text);

    if (r == 0)
        r = parameter_of_type(call, object, "BinaryValue", json_type_string, &bytes);
    if (r != 0)
        return r;
    a->is_binary = type_is(a->data_type, "Binary");
    if (a->is_binary && bytes) {
        *binary = BUFFER_INIT(REQUEST_MAX_BYTES);
        r = base64_decode(binary, json_object_get_string(bytes),
                          (size_t)json_object_get_string_len(bytes));
        if (r == -EINVAL)
            return call_fail(call, ERROR_SERIALIZATION, "BinaryValue is not base64");
        if (r < 0)
            return r;
        a->value = buffer_string(binary);
        a->value_bytes = binary->size;
    } else if (!a->is_binary && text) {
        a->value = json_object_get_string(text);
        a->value_bytes = (size_t)json_object_get_string_len(text);
    }
    return 0;
}

static int read_attributes(struct call *call, struct json_object *object, struct entry *ret)
{
    struct json_object *attributes;
    size_t n = 0;
    int r = parameter_of_type(call, object, "MessageAttributes", json_type_object, &attributes);

    if (r != 0 || !attributes)
        return r;
    if (json_object_object_length(attributes) > SQS_ATTRIBUTES_MAX)
        return call_fail(call, ERROR_INVALID_PARAMETER_VALUE,
                         "Number of message attributes [%d] exceeds the allowed maximum [%d].",
                         json_object_object_length(attributes), SQS_ATTRIBUTES_MAX);
    json_object_object_foreach (attributes, name, value) {
        struct sqs_attribute *a = &ret->attributes[n];

        if (!json_object_is_type(value, json_type_object))
            return call_fail(call, ERROR_SERIALIZATION, "MessageAttributes: a value is no object");
        a->name = name;
        r = parameter_text(call, value, "DataType", &a->data_type);
        if (r == 0 && !a->data_type)
            a->data_type = "";
        if (r == 0)
            r = read_value(call, value, a, &ret->binaries[n]);
        if (r != 0)
            return r;
        n++;
    }
    ret->parts.attributes = ret->attributes;
    ret->parts.n_attributes = n;
    return 0;
}

static int read_system_attributes(struct call *call, struct json_object *object, struct entry *ret)
{
    struct json_object *attributes;
    int r =
        parameter_of_type(call, object, "MessageSystemAttributes", json_type_object, &attributes);

    ret->parts.trace_header = call->trace_header;
    if (r != 0 || !attributes)
        return r;
    json_object_object_foreach (attributes, name, value) {
        const char *type = NULL, *text = NULL;

        if (!streq(name, "AWSTraceHeader"))
            return call_fail(call, ERROR_INVALID_PARAMETER_VALUE,
                             "Message system attribute name '%s' is invalid.", name);
        if (!json_object_is_type(value, json_type_object))
            return call_fail(call, ERROR_SERIALIZATION, "AWSTraceHeader is no object");
        r = parameter_text(call, value, "DataType", &type);
        if (r == 0)
            r = parameter_text(call, value, "StringValue", &text);
        if (r != 0)
            return r;
        if (!type || !streq(type, "String") || !is_set(text))
            return call_fail(call, ERROR_INVALID_PARAMETER_VALUE,
                             "Message system attribute '%s' must contain a non-empty value of type "
                             "'String'.",
                             name);
        ret->trace = (struct sqs_attribute){name, type, text, strlen(text), false};
        ret->parts.trace_header = text;
    }
    return 0;
}

/* Reads an entry of a batch, or a single message from the request itself. A fault fails the whole
 * request. */
static int read_entry(struct call *call, struct json_object *object, bool in_batch,
                      struct entry *ret)
{
    const struct queue_settings *settings = &call->queue->settings;
    struct json_object *body;
    int r = parameter_of_type(call, object, "MessageBody", json_type_string, &body);

    if (r == 0)
        r = parameter_text(call, object, "MessageGroupId", &ret->parts.group_id);
    if (r == 0)
        r = parameter_text(call, object, "MessageDeduplicationId", &ret->parts.deduplication_id);
    if (r == 0)
        r = parameter_integer(call, object, "DelaySeconds", &ret->has_delay, &ret->delay_sec);
    if (r == 0)
        r = read_attributes(call, object, ret);
    if (r == 0)
        r = read_system_attributes(call, object, ret);
    if (r != 0)
        return r;

    if (!body || json_object_get_string_len(body) == 0)
        return call_fail(call, ERROR_MISSING_PARAMETER,
                         "The request must contain the parameter MessageBody.");
    if (settings->is_fifo && !ret->parts.group_id)
        return call_fail(call, in_batch ? ERROR_INVALID_PARAMETER_VALUE : ERROR_MISSING_PARAMETER,
                         "The request must contain the parameter MessageGroupId.");
    if (settings->is_fifo && !ret->parts.deduplication_id && !settings->content_based_deduplication)
        return call_fail(call, ERROR_INVALID_PARAMETER_VALUE,
                         "The queue should either have ContentBasedDeduplication enabled or "
                         "MessageDeduplicationId provided explicitly");
    ret->parts.body = json_object_get_string(body);
    ret->parts.body_bytes = (size_t)json_object_get_string_len(body);
    identifier_make(ret->message_id);
    ret->parts.message_id = ret->message_id;
    ret->bytes = ret->parts.body_bytes;
    for (size_t i = 0; i < ret->parts.n_attributes; i++)
        ret->bytes += strlen(ret->attributes[i].name) + strlen(ret->attributes[i].data_type) +
                      ret->attributes[i].value_bytes;
    return 0;
}

/* ---- faults that fail only one entry ---- */

#define WRONG_TYPE_OF_QUEUE                                                                        \
    "is invalid. Reason: The request include parameter that is not valid for this queue type."

static int check_id(struct fault *fault, const char *name, const char *id)
{
    if (!id || id_is_valid(id))
        return 0;
    fault_set(fault, ERROR_INVALID_PARAMETER_VALUE,
              "Value %s for parameter %s is invalid. Reason: %s can only include alphanumeric and "
              "punctuation characters. 1 to 128 in length.",
              id, name, name);
    return OPERATION_E_FAULT;
}

static int check_attribute(struct fault *fault, const struct sqs_attribute *a)
{
    const char *wrong = NULL;

    if (!attribute_name_is_valid(a->name)) {
        fault_set(fault, ERROR_INVALID_PARAMETER_VALUE,
                  "Message (user) attribute name '%s' is invalid.", a->name);
        return OPERATION_E_FAULT;
    }
    if (a->data_type[0] == '\0')
        wrong = "must contain a non-empty message attribute type.";
    else if (strlen(a->data_type) > 256 ||
             !(type_is(a->data_type, "String") || type_is(a->data_type, "Number") || a->is_binary))
        wrong =
            "has an invalid message attribute type, the set of supported type prefixes is Binary, "
            "Number, and String.";
    else if (!a->is_binary && !text_is_allowed(a->value, a->value_bytes))
        wrong = "contains characters that are not allowed.";
    if (wrong) {
        fault_set(fault, ERROR_INVALID_PARAMETER_VALUE, "The message (user) attribute '%s' %s",
                  a->name, wrong);
        return OPERATION_E_FAULT;
    }
    if (a->value_bytes == 0) {
        fault_set(fault, ERROR_INVALID_PARAMETER_VALUE,
                  "Message (user) attribute '%s' must contain a non-empty value of type '%s'.",
                  a->name, a->data_type);
        return OPERATION_E_FAULT;
    }
    if (type_is(a->data_type, "Number") && !number_is_valid(a->value)) {
        fault_set(fault, ERROR_INVALID_PARAMETER_VALUE,
                  "Can't cast the value of message (user) attribute '%s' to a number.", a->name);
        return OPERATION_E_FAULT;
    }
    return 0;
}

static int check_entry(const struct queue *queue, const struct entry *entry, bool in_batch,
                       struct fault *fault)
{
    const struct message_parts *parts = &entry->parts;
    int r = check_id(fault, "MessageGroupId", parts->group_id);

    if (r == 0)
        r = check_id(fault, "MessageDeduplicationId", parts->deduplication_id);
    for (size_t i = 0; r == 0 && i < parts->n_attributes; i++)
        r = check_attribute(fault, &parts->attributes[i]);
    if (r != 0)
        return r;

    if (!queue->settings.is_fifo && parts->deduplication_id)
        fault_set(fault, ERROR_INVALID_PARAMETER_VALUE,
                  "Value %s for parameter MessageDeduplicationId " WRONG_TYPE_OF_QUEUE,
                  parts->deduplication_id);
    else if (entry->delay_sec < 0 || entry->delay_sec > SQS_DELAY_MAX_SEC)
        fault_set(
            fault, ERROR_INVALID_PARAMETER_VALUE,
            "Value %lld for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 "
            "and <= 900.",
            (long long)entry->delay_sec);
    else if (queue->settings.is_fifo && entry->delay_sec > 0)
        fault_set(fault, ERROR_INVALID_PARAMETER_VALUE,
                  "Value %lld for parameter DelaySeconds " WRONG_TYPE_OF_QUEUE,
                  (long long)entry->delay_sec);
    else if (entry->bytes > queue->settings.maximum_message_bytes)
        fault_set(fault, ERROR_INVALID_PARAMETER_VALUE,
                  "One or more parameters %s. Reason: Message must be shorter than %u bytes.",
                  in_batch ? "cannot be validated" : "are invalid",
                  queue->settings.maximum_message_bytes);
    else if (!text_is_allowed(parts->body, parts->body_bytes))
        fault_set(
            fault, ERROR_INVALID_MESSAGE_CONTENTS,
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to "
            "#xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF");
    else
        return 0;
    return OPERATION_E_FAULT;
}

/* ---- accepting ---- */

static int accept_entry(struct call *call, struct entry *entry)
{
    int r = queue_send(call->queue, &entry->parts, entry->has_delay ? (int)entry->delay_sec : -1,
                       call->now_usec, &entry->sent);

    if (r == 0)
        record_sent(call->service->record, call->queue, &entry->parts, &entry->sent,
                    call->now_usec);
    return r;
}

static void put_md5(struct buffer *b, const char *name, const struct sqs_attribute *attributes,
                    size_t n)
{
    char md5[SQS_MD5_SIZE];

    if (n > 0 && sqs_md5_attributes(attributes, n, md5) == 0)
        json_put(b, name, md5);
}

static void put_sent(struct buffer *b, const struct entry *entry)
{
    char md5[SQS_MD5_SIZE];

    json_put(b, "MessageId", entry->sent.message_id);
    if (sqs_md5_body(entry->parts.body, entry->parts.body_bytes, md5) == 0)
        json_put(b, "MD5OfMessageBody", md5);
    put_md5(b, "MD5OfMessageAttributes", entry->parts.attributes, entry->parts.n_attributes);
    put_md5(b, "MD5OfMessageSystemAttributes", &entry->trace, entry->trace.value ? 1 : 0);
    if (entry->sent.sequence_number[0] != '\0')
        json_put(b, "SequenceNumber", entry->sent.sequence_number);
}

int operation_send_message(struct call *call)
{
    CLEANUP(entry_done) struct entry entry = {};
    int r = read_entry(call, call->input, false, &entry);

    if (r == 0)
        r = check_entry(call->queue, &entry, false, &call->fault);
    if (r == 0)
        r = call_permit(call);
    if (r == 0)
        r = accept_entry(call, &entry);
    if (r != 0)
        return r;
    buffer_append_char(&call->output, '{');
    put_sent(&call->output, &entry);
    buffer_append_char(&call->output, '}');
    return 0;
}

static void put_entry(struct call *call, size_t i, void *data)
{
    const struct entry *entries = data;

    put_sent(&call->output, &entries[i]);
}

/* Sends a batch. The caller frees the entries. */
static int send_batch(struct call *call, const struct batch *batch, struct entry *entries,
                      struct fault *faults)
{
    size_t bytes = 0;
    int r;

    for (size_t i = 0; i < batch->n; i++) {
        r = read_entry(call, json_object_array_get_idx(batch->entries, i), true, &entries[i]);
        if (r != 0)
            return r;
        bytes += entries[i].bytes;
    }
    if (bytes > SQS_BATCH_MAX_BYTES)
        return call_fail(call, ERROR_BATCH_REQUEST_TOO_LONG,
                         "Batch requests cannot be longer than %d bytes. You have sent %zu bytes.",
                         SQS_BATCH_MAX_BYTES, bytes);
    r = call_permit(call);
    if (r != 0)
        return r;
    for (size_t i = 0; i < batch->n; i++) {
        if (batch_entry_fails(call, i, &faults[i]))
            continue;
        r = check_entry(call->queue, &entries[i], true, &faults[i]);
        if (r == 0)
            r = accept_entry(call, &entries[i]);
        if (r < 0)
            return r;
    }
    batch_reply(call, batch, faults, put_entry, entries);
    return 0;
}

int operation_send_message_batch(struct call *call)
{
    struct fault faults[SQS_BATCH_MAX] = {};
    struct entry *entries;
    struct batch batch;
    int r = batch_read(call, "SendMessageBatchRequestEntry", &batch);

    if (r != 0)
        return r;
    entries = calloc(SQS_BATCH_MAX, sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    r = send_batch(call, &batch, entries, faults);
    for (size_t i = 0; i < SQS_BATCH_MAX; i++) {
        entry_done(&entries[i]);
        fault_clear(&faults[i]);
    }
    free(entries);
    return r;
}
