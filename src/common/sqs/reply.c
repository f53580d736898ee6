/* SPDX-License-Identifier: MIT */
/* The parsed JSON (util/json-tree.h) stays in memory as long as the reply. The reply's strings
 * point into it, so that a body is copied only once. Arrays and decoded binary values are kept
 * beside it, in chunks.
 *
 * An optional member may be absent. A member with a wrong type or value makes the reply damaged:
 * then something between SQS and this program is broken, and the request should be retried. */
#include "sqs/reply.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>

#include "sqs/reply-reader.h"

enum {
    DEFAULT_VISIBILITY_TIMEOUT_SEC = 30,
};

/* Compares the MD5s in the reply with those of entry `i` of the request. If one differs, *ret_wrong
 * is its name; else it is unchanged. */
static int check_sent(const struct reply_reader *reader, const struct json_value *object, size_t i,
                      const char **ret_wrong)
{
    static const char body_name[] = "MD5OfMessageBody";
    static const char attributes_name[] = "MD5OfMessageAttributes";
    const struct sqs_request *request = reader->request;
    bool body_differs = false, attributes_differ = false;
    int r;

    if (!request->has_md5)
        return 0;
    r = reply_read_md5(reader, object, body_name, request->md5_of_body[i], &body_differs);
    if (r == 0 && request->md5_of_attributes[i][0] != '\0')
        r = reply_read_md5(reader, object, attributes_name, request->md5_of_attributes[i],
                           &attributes_differ);
    if (r != 0)
        return r;
    if (body_differs)
        *ret_wrong = body_name;
    else if (attributes_differ)
        *ret_wrong = attributes_name;
    return 0;
}

static int parse_send(struct reply_reader *reader, const struct json_value *root)
{
    struct sqs_reply *reply = reader->reply;
    const char *wrong = NULL;
    int r;

    r = reply_read_required_string(reader, root, "MessageId", &reply->message_id);
    if (r == 0)
        r = reply_read_string(reader, root, "SequenceNumber", &reply->sequence_number);
    if (r == 0)
        r = check_sent(reader, root, 0, &wrong);
    if (r != 0)
        return r;
    return wrong ? reply_damaged(reader, wrong, "is not that of the message sent") : 0;
}

static int parse_successful(const struct reply_reader *reader, const struct json_value *object,
                            size_t i, struct sqs_entry_result *entry)
{
    const char *wrong = NULL;
    int r = 0;

    if (reader->request->operation == SQS_SEND_MESSAGE_BATCH) {
        r = reply_read_required_string(reader, object, "MessageId", &entry->message_id);
        if (r == 0)
            r = reply_read_string(reader, object, "SequenceNumber", &entry->sequence_number);
        if (r == 0)
            r = check_sent(reader, object, i, &wrong);
    }
    if (r != 0)
        return r;
    if (wrong)
        *entry = (struct sqs_entry_result){
            .code = "WrongMD5",
            .message = "the MD5 that SQS computed is not that of the message sent"};
    else
        entry->ok = true;
    return 0;
}

static int parse_failed(const struct reply_reader *reader, const struct json_value *object,
                        struct sqs_entry_result *entry)
{
    int r = reply_read_required_string(reader, object, "Code", &entry->code);

    entry->message = "";
    if (r == 0)
        r = reply_read_string(reader, object, "Message", &entry->message);
    if (r == 0)
        r = reply_result(reader, "SenderFault",
                         json_value_get_bool(object, "SenderFault", &entry->sender_fault), false);
    return r;
}

/* Reads one of the two lists of a batch's reply. `seen` has a flag for each entry of the
 * request. */
static int parse_results(struct reply_reader *reader, const struct json_value *root,
                         const char *list_name, bool successful, bool seen[SQS_BATCH_MAX])
{
    struct sqs_reply *reply = reader->reply;
    const struct json_value *list = NULL, *object;
    int r = json_value_get(root, list_name, JSON_ARRAY, &list);

    r = reply_result(reader, list_name, r, false);
    if (r != 0 || !list)
        return r;
    reader->list = list_name;
    object = json_value_first(list);
    for (size_t k = 0; k < list->n; k++, object = json_value_next(object)) {
        const char *id;
        size_t i;

        reader->list_at = k;
        if (object->kind != JSON_OBJECT)
            return reply_damaged(reader, NULL, "is of the wrong type");
        r = reply_read_required_string(reader, object, "Id", &id);
        if (r != 0)
            return r;
        i = (size_t)(id[0] - '0');
        if (id[0] < '0' || id[1] != '\0' || i >= reply->n_entries)
            return reply_damaged(reader, "Id", "is not one of the request");
        if (seen[i])
            return reply_damaged(reader, "Id", "is named twice");
        seen[i] = true;
        if (successful)
            r = parse_successful(reader, object, i, &reply->entries[i]);
        else
            r = parse_failed(reader, object, &reply->entries[i]);
        if (r != 0)
            return r;
    }
    reader->list = NULL;
    return 0;
}

static int parse_batch(struct reply_reader *reader, const struct json_value *root)
{
    struct sqs_reply *reply = reader->reply;
    bool seen[SQS_BATCH_MAX] = {};
    int r;

    assert(reader->request->n_entries <= SQS_BATCH_MAX);
    reply->n_entries = reader->request->n_entries;
    r = parse_results(reader, root, "Successful", true, seen);
    if (r == 0)
        r = parse_results(reader, root, "Failed", false, seen);
    if (r != 0)
        return r;
    for (size_t i = 0; i < reply->n_entries; i++)
        if (!seen[i])
            reply->entries[i] = (struct sqs_entry_result){
                .code = "NoResult", .message = "the reply has no result for this message"};
    return 0;
}

static int parse_queue_attributes(struct reply_reader *reader, const struct json_value *root)
{
    struct sqs_queue_attributes *attributes = &reader->reply->attributes;
    uint64_t maximum = SQS_MESSAGE_MAX_BYTES;
    const struct json_value *list = NULL;
    int r = json_value_get(root, "Attributes", JSON_OBJECT, &list);

    attributes->visibility_timeout_sec = DEFAULT_VISIBILITY_TIMEOUT_SEC;
    attributes->maximum_message_bytes = SQS_MESSAGE_MAX_BYTES;
    attributes->visible_messages = UINT64_MAX;
    r = reply_result(reader, "Attributes", r, false);
    if (r != 0 || !list)
        return r;
    attributes->is_known = true;
    r = reply_read_unsigned(reader, list, "VisibilityTimeout", &attributes->visibility_timeout_sec);
    if (r == 0)
        r = reply_read_number(reader, list, "MaximumMessageSize", SIZE_MAX, &maximum);
    if (r == 0)
        r = reply_read_number(reader, list, "ApproximateNumberOfMessages", UINT64_MAX - 1,
                              &attributes->visible_messages);
    attributes->maximum_message_bytes = (size_t)maximum;
    return r;
}

static int parse_nothing(struct reply_reader *reader, const struct json_value *root)
{
    return 0;
}

static const struct {
    int (*parse)(struct reply_reader *reader, const struct json_value *root);
    bool may_be_empty; /* no body at all, not even {} */
} operations[SQS_N_OPERATIONS] = {
    [SQS_SEND_MESSAGE] = {parse_send, false},
    [SQS_SEND_MESSAGE_BATCH] = {parse_batch, false},
    [SQS_RECEIVE_MESSAGE] = {reply_parse_received, false},
    [SQS_DELETE_MESSAGE] = {parse_nothing, true},
    [SQS_DELETE_MESSAGE_BATCH] = {parse_batch, false},
    [SQS_CHANGE_MESSAGE_VISIBILITY] = {parse_nothing, true},
    [SQS_CHANGE_MESSAGE_VISIBILITY_BATCH] = {parse_batch, false},
    [SQS_GET_QUEUE_ATTRIBUTES] = {parse_queue_attributes, false},
};

static struct sqs_reply *reply_new(enum sqs_operation operation)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *reply = calloc(1, sizeof(*reply));

    if (!reply)
        return NULL;
    reply->references = 1;
    reply->operation = operation;
    reply->storage = calloc(1, sizeof(struct reply_storage));
    return reply->storage ? TAKE(reply) : NULL;
}

/* Parses the body into reader->storage->tree. An empty body that is allowed makes no tree. */
static int read_body(const struct reply_reader *reader, const char *body, size_t body_bytes)
{
    struct json_fault fault;
    int r;

    if (body_bytes == 0 && operations[reader->request->operation].may_be_empty)
        return 0;
    if (body_bytes > SQS_REPLY_MAX_BYTES)
        return reply_damaged(reader, NULL, "%zu bytes, at most %d are allowed", body_bytes,
                             SQS_REPLY_MAX_BYTES);
    r = json_tree_read(body, body_bytes, SQS_REPLY_MAX_DEPTH, JSON_LONE_SURROGATES_REPLACED,
                       &reader->storage->tree, &fault);
    if (r == JSON_TREE_E_INVALID)
        return reply_damaged(reader, NULL, "%s", fault.text);
    return r;
}

int sqs_reply_parse(const struct sqs_request *request, const char *body, size_t body_bytes,
                    struct sqs_reply **ret, char **error)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *reply = NULL;
    struct reply_reader reader = {.request = request, .error = error};
    int r;

    assert(request->operation < SQS_N_OPERATIONS);
    reply = reply_new(request->operation);
    if (!reply)
        return -ENOMEM;
    reply->bytes = body_bytes;
    reader.reply = reply;
    reader.storage = reply->storage;
    r = read_body(&reader, body, body_bytes);
    if (r == 0 && reader.storage->tree)
        r = operations[request->operation].parse(&reader, json_tree_root(reader.storage->tree));
    if (r != 0)
        return r;
    *ret = TAKE(reply);
    return 0;
}

struct sqs_reply *sqs_reply_ref(struct sqs_reply *reply)
{
    assert(reply->references > 0 && reply->references < UINT_MAX);
    reply->references++;
    return reply;
}

struct sqs_reply *sqs_reply_unref(struct sqs_reply *reply)
{
    if (reply && --reply->references == 0) {
        reply_storage_free(reply->storage);
        free(reply);
    }
    return NULL;
}
