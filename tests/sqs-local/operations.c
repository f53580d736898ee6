/* SPDX-License-Identifier: MIT */
/* Shared by all operations: finding an operation, reading its parameters, and batches. */
#include "operations.h"

#include <errno.h>

#include "json-writer.h"

static const struct operation operations[] = {
    {"ChangeMessageVisibility", true, operation_change_message_visibility},
    {"ChangeMessageVisibilityBatch", true, operation_change_message_visibility_batch},
    {"CreateQueue", false, operation_create_queue},
    {"DeleteMessage", true, operation_delete_message},
    {"DeleteMessageBatch", true, operation_delete_message_batch},
    {"DeleteQueue", true, operation_delete_queue, true},
    {"GetQueueAttributes", true, operation_get_queue_attributes},
    {"GetQueueUrl", false, operation_get_queue_url},
    {"ListDeadLetterSourceQueues", true, operation_list_dead_letter_source_queues},
    {"ListQueueTags", true, operation_list_queue_tags, true},
    {"ListQueues", false, operation_list_queues},
    {"PurgeQueue", true, operation_purge_queue},
    {"ReceiveMessage", true, operation_receive_message},
    {"SendMessage", true, operation_send_message},
    {"SendMessageBatch", true, operation_send_message_batch},
    {"SetQueueAttributes", true, operation_set_queue_attributes, true},
    {"TagQueue", true, operation_tag_queue, true},
    {"UntagQueue", true, operation_untag_queue, true},
};

static const char *const lacking[] = {
    "AddPermission",    "CancelMessageMoveTask", "ListMessageMoveTasks",
    "RemovePermission", "StartMessageMoveTask",
};

const struct operation *operation_at(size_t i)
{
    return i < ARRAY_SIZE(operations) ? &operations[i] : NULL;
}

bool operation_is_lacking(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(lacking); i++)
        if (streq(lacking[i], name))
            return true;
    return false;
}

void operations_tell(struct buffer *b)
{
    for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
        buffer_append_string(b, i > 0 ? ", " : "");
        buffer_append_string(b, operations[i].name);
    }
}

const struct operation *operation_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(operations); i++)
        if (streq(operations[i].name, name))
            return &operations[i];
    return NULL;
}

const char *call_region(const struct call *call)
{
    return call->service->region ? call->service->region : call->region;
}

/* Returns the queue's name in a queue URL "scheme://host/account/name". A name alone is also
 * accepted. NULL: the text is neither. The host is not checked, because tests use several. */
static const char *name_in_url(const char *url, bool *ret_is_ours)
{
    const char *path = strstr(url, "://"), *name;

    *ret_is_ours = true;
    if (!strchr(url, '/'))
        return url;
    path = path ? strchr(path + 3, '/') : NULL;
    if (!path || (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0))
        return NULL;
    name = strrchr(path, '/') + 1;
    *ret_is_ours = strncmp(path, "/" ACCOUNT_ID "/", strlen("/" ACCOUNT_ID "/")) == 0 &&
                   name == path + strlen("/" ACCOUNT_ID "/");
    return name;
}

static int find_queue(struct call *call, const struct operation *operation)
{
    const char *url, *name;
    bool is_ours;
    int r = parameter_required_text(call, call->input, "QueueUrl", &url);

    if (r != 0)
        return r;
    name = name_in_url(url, &is_ours);
    if (!name)
        return call_fail(call, ERROR_INVALID_ADDRESS,
                         "The address %s is not valid for this endpoint.", url);
    if (!is_ours && operation->is_for_owner)
        return call_fail(call, ERROR_ACCESS_DENIED, "Access to the resource %s is denied.", url);
    call->queue = is_ours ? account_find(&call->service->account, name) : NULL;
    if (!call->queue)
        return call_fail(call, ERROR_QUEUE_DOES_NOT_EXIST, "The specified queue does not exist.");
    return 0;
}

/* A receive attempt id cannot be used any more after its receive was throttled. This was seen on
 * SQS, and AWS's support says so in awslabs/amazon-sqs-java-messaging-lib, issue 213. */
static int throttle(struct call *call, enum error_kind error, const char *text)
{
    const char *id = NULL;
    int r = parameter_text(call, call->input, "ReceiveRequestAttemptId", &id);

    if (r == 0 && id && id_is_valid(id) && call->queue && call->queue->settings.is_fifo)
        r = queue_void_attempt(call->queue, id, call->now_usec);
    return r != 0 ? r : call_fail(call, error, "%s", text);
}

/* Whether the call is beyond a FIFO queue's limit for its action. Queues with high throughput have
 * other limits, which nothing here reaches. */
static bool is_over_limit(const struct operation *operation, struct call *call)
{
    struct queue *queue = call->queue;

    if (!queue || !queue->settings.is_fifo || queue->settings.throughput_per_group ||
        call->is_counted)
        return false;
    call->is_counted = true;
    if (fifo_limit_take(&queue->calls, fifo_action_of(operation->name), call->service->fifo_limit,
                        call->now_usec))
        return false;
    call->service->n_over_limit++;
    return true;
}

int operation_run(const struct operation *operation, struct call *call)
{
    int r;

    buffer_reset(&call->output);
    fault_clear(&call->fault);
    call->operation = operation;
    if (operation->has_queue) {
        r = find_queue(call, operation);
        if (r != 0)
            return r;
    }
    if (call->is_throttled)
        return throttle(call, ERROR_REQUEST_THROTTLED, "Request is throttled.");
    if (is_over_limit(operation, call))
        return throttle(call, ERROR_THROTTLING, "Rate exceeded");
    r = call_permit_at_once(call);
    if (r == 0)
        r = operation->run(call);
    if (r == 0 && call->output.error < 0)
        r = call->output.error;
    return r;
}

int parameter_of_type(struct call *call, struct json_object *object, const char *name,
                      enum json_type type, struct json_object **ret)
{
    struct json_object *member = NULL;

    json_object_object_get_ex(object, name, &member);
    if (member && !json_object_is_type(member, type))
        return call_fail(call, ERROR_SERIALIZATION, "%s: %s can not be converted to %s", name,
                         json_type_to_name(json_object_get_type(member)), json_type_to_name(type));
    *ret = member;
    return 0;
}

int parameter_text(struct call *call, struct json_object *object, const char *name,
                   const char **ret)
{
    struct json_object *member;
    int r = parameter_of_type(call, object, name, json_type_string, &member);

    if (r != 0)
        return r;
    if (member &&
        strlen(json_object_get_string(member)) != (size_t)json_object_get_string_len(member))
        return call_fail(call, ERROR_INVALID_PARAMETER_VALUE,
                         "Value for parameter %s is invalid. Reason: it holds a NUL character.",
                         name);
    *ret = member ? json_object_get_string(member) : NULL;
    return 0;
}

int parameter_required_text(struct call *call, struct json_object *object, const char *name,
                            const char **ret)
{
    const char *text = NULL;
    int r = parameter_text(call, object, name, &text);

    if (r != 0)
        return r;
    if (!is_set(text))
        return call_fail(call, ERROR_MISSING_PARAMETER,
                         "The request must contain the parameter %s.", name);
    *ret = text;
    return 0;
}

int parameter_integer(struct call *call, struct json_object *object, const char *name,
                      bool *ret_present, int64_t *ret)
{
    struct json_object *member;
    int r = parameter_of_type(call, object, name, json_type_int, &member);

    if (r != 0)
        return r;
    *ret_present = member != NULL;
    *ret = member ? json_object_get_int64(member) : 0;
    return 0;
}

static bool batch_id_is_valid(const char *id)
{
    size_t n = strlen(id);

    if (n < 1 || n > 80)
        return false;
    for (; *id; id++)
        if (!((*id >= 'A' && *id <= 'Z') || (*id >= 'a' && *id <= 'z') ||
              (*id >= '0' && *id <= '9') || *id == '-' || *id == '_'))
            return false;
    return true;
}

int batch_read(struct call *call, const char *entry_type, struct batch *ret)
{
    struct json_object *entries;
    int r = parameter_of_type(call, call->input, "Entries", json_type_array, &entries);

    if (r != 0)
        return r;
    *ret = (struct batch){entries, entries ? json_object_array_length(entries) : 0};
    if (ret->n == 0)
        return call_fail(call, ERROR_EMPTY_BATCH_REQUEST,
                         "There should be at least one %s in the request.", entry_type);
    if (ret->n > SQS_BATCH_MAX)
        return call_fail(call, ERROR_TOO_MANY_ENTRIES,
                         "Maximum number of entries per request are %d. You have sent %zu.",
                         SQS_BATCH_MAX, ret->n);
    for (size_t i = 0; i < ret->n; i++) {
        struct json_object *entry = json_object_array_get_idx(entries, i);

        if (!json_object_is_type(entry, json_type_object))
            return call_fail(call, ERROR_SERIALIZATION, "Entries: an entry is no object");
        ret->ids[i] = NULL;
        r = parameter_text(call, entry, "Id", &ret->ids[i]);
        if (r != 0)
            return r;
        if (!ret->ids[i])
            return call_fail(call, ERROR_MISSING_PARAMETER,
                             "The request must contain the parameter %s.%zu.Id.", entry_type,
                             i + 1);
        if (!batch_id_is_valid(ret->ids[i]))
            return call_fail(
                call, ERROR_INVALID_BATCH_ENTRY_ID,
                "A batch entry id can only contain alphanumeric characters, hyphens and "
                "underscores. It can be at most 80 letters long.");
        for (size_t k = 0; k < i; k++)
            if (streq(ret->ids[k], ret->ids[i]))
                return call_fail(call, ERROR_BATCH_ENTRY_IDS_NOT_DISTINCT, "Id %s repeated.",
                                 ret->ids[i]);
    }
    return 0;
}

bool batch_entry_fails(const struct call *call, size_t i, struct fault *fault)
{
    if (!(call->failing_entries >> i & 1))
        return false;
    fault_set(fault, ERROR_INTERNAL_ERROR, "We encountered an internal error. Please try again.");
    return true;
}

static void put_successful(struct call *call, const struct batch *batch, const struct fault *faults,
                           void (*succeed)(struct call *call, size_t i, void *data), void *data)
{
    struct buffer *b = &call->output;

    json_name(b, "Successful");
    buffer_append_char(b, '[');
    for (size_t i = 0; i < batch->n; i++) {
        if (faults[i].text)
            continue;
        json_next(b);
        buffer_append_char(b, '{');
        json_put(b, "Id", batch->ids[i]);
        if (succeed)
            succeed(call, i, data);
        buffer_append_char(b, '}');
    }
    buffer_append_char(b, ']');
}

static void put_failed(struct buffer *b, const struct batch *batch, const struct fault *faults)
{
    json_name(b, "Failed");
    buffer_append_char(b, '[');
    for (size_t i = 0; i < batch->n; i++) {
        if (!faults[i].text)
            continue;
        json_next(b);
        buffer_append_char(b, '{');
        json_put(b, "Id", batch->ids[i]);
        json_put(b, "Code", error_type(faults[i].kind)->code);
        json_put(b, "Message", faults[i].text);
        json_name(b, "SenderFault");
        buffer_append_string(b, error_type(faults[i].kind)->status < 500 ? "true}" : "false}");
    }
    buffer_append_char(b, ']');
}

void batch_reply(struct call *call, const struct batch *batch, const struct fault *faults,
                 void (*succeed)(struct call *call, size_t i, void *data), void *data)
{
    size_t n_failed = 0;

    for (size_t i = 0; i < batch->n; i++)
        n_failed += faults[i].text != NULL;
    buffer_append_char(&call->output, '{');
    if (n_failed < batch->n)
        put_successful(call, batch, faults, succeed, data);
    if (n_failed > 0)
        put_failed(&call->output, batch, faults);
    buffer_append_char(&call->output, '}');
}

bool id_is_valid(const char *id)
{
    size_t n = strlen(id);

    if (n < 1 || n > SQS_ID_MAX_BYTES)
        return false;
    for (; *id; id++)
        if (*id <= ' ' || *id > '~')
            return false;
    return true;
}
