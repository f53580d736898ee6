/* SPDX-License-Identifier: MIT */
/* ReceiveMessage, DeleteMessage and ChangeMessageVisibility, and the batches of the last two. */
#include "operations.h"

#include <errno.h>
#include <stdio.h>

#include "json-writer.h"
#include "util/encode.h"

#define SENDER_ID "AIDAIOSFODNN7EXAMPLE"

/* ---- receiving ---- */

static bool is_among(struct json_object *names, const char *name)
{
    for (size_t i = 0; names && i < json_object_array_length(names); i++) {
        const char *wanted = json_object_get_string(json_object_array_get_idx(names, i));

        if (wanted && (streq(wanted, name) || streq(wanted, "All")))
            return true;
    }
    return false;
}

/* Message attributes are requested by name, by "prefix.*", or all by "All", "*" or ".*". */
static bool is_wanted(struct json_object *names, const char *name)
{
    for (size_t i = 0; names && i < json_object_array_length(names); i++) {
        const char *wanted = json_object_get_string(json_object_array_get_idx(names, i));
        size_t n = wanted ? strlen(wanted) : 0;

        if (n >= 2 && streq(wanted + n - 2, ".*") && strncmp(wanted, name, n - 2) == 0)
            return true;
        if (n == 1 && *wanted == '*')
            return true;
    }
    return is_among(names, name);
}

/* Reads the names of the requested system attributes, from the new member or the old one. */
static int read_names(struct call *call, struct json_object **ret)
{
    static const char *const known[] = {
        "All",
        "SenderId",
        "SentTimestamp",
        "ApproximateReceiveCount",
        "ApproximateFirstReceiveTimestamp",
        "SequenceNumber",
        "MessageDeduplicationId",
        "MessageGroupId",
        "AWSTraceHeader",
        "DeadLetterQueueSourceArn",
    };
    int r =
        parameter_of_type(call, call->input, "MessageSystemAttributeNames", json_type_array, ret);

    if (r == 0 && !*ret)
        r = parameter_of_type(call, call->input, "AttributeNames", json_type_array, ret);
    for (size_t i = 0; r == 0 && *ret && i < json_object_array_length(*ret); i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(*ret, i));
        bool found = false;

        for (size_t k = 0; name && k < ARRAY_SIZE(known); k++)
            found = found || streq(known[k], name);
        if (!found)
            r = call_fail(call, ERROR_INVALID_ATTRIBUTE_NAME, "Unknown Attribute %s.",
                          name ? name : "null");
    }
    return r;
}

static int read_range(struct call *call, const char *name, int64_t min, int64_t max,
                      const char *reason, int initial, int *ret)
{
    bool present;
    int64_t value;
    int r = parameter_integer(call, call->input, name, &present, &value);

    if (r != 0)
        return r;
    if (present && (value < min || value > max))
        return call_fail(call, ERROR_INVALID_PARAMETER_VALUE,
                         "Value %lld for parameter %s is invalid. Reason: %s", (long long)value,
                         name, reason);
    *ret = present ? (int)value : initial;
    return 0;
}

struct receive_request {
    struct queue_receive receive;
    int max_messages, wait_sec;
    struct json_object *system_names, *names;
};

static int read_receive(struct call *call, struct receive_request *ret)
{
    const struct queue_settings *settings = &call->queue->settings;
    int r = read_range(call, "MaxNumberOfMessages", 1, RECEIVE_MAX_MESSAGES,
                       "Must be between 1 and 10, if provided.", 1, &ret->max_messages);

    if (r == 0)
        r = read_range(call, "WaitTimeSeconds", 0, SQS_WAIT_MAX_SEC,
                       "Must be >= 0 and <= 20, if provided.", (int)settings->receive_wait_sec,
                       &ret->wait_sec);
    if (r == 0)
        r = read_range(call, "VisibilityTimeout", 0, SQS_VISIBILITY_MAX_SEC,
                       "VisibilityTimeout must be an integer between 0 and 43200.", -1,
                       &ret->receive.visibility_sec);
    if (r == 0)
        r = read_names(call, &ret->system_names);
    if (r == 0)
        r = parameter_of_type(call, call->input, "MessageAttributeNames", json_type_array,
                              &ret->names);
    if (r == 0)
        r = parameter_text(call, call->input, "ReceiveRequestAttemptId", &ret->receive.attempt_id);
    if (r != 0)
        return r;
    if (ret->receive.attempt_id && !settings->is_fifo)
        return call_fail(
            call, ERROR_INVALID_PARAMETER_VALUE,
            "Value %s for parameter ReceiveRequestAttemptId is invalid. Reason: The request "
            "include parameter that is not valid for this queue type.",
            ret->receive.attempt_id);
    if (ret->receive.attempt_id && !id_is_valid(ret->receive.attempt_id))
        return call_fail(call, ERROR_INVALID_PARAMETER_VALUE,
                         "Value %s for parameter ReceiveRequestAttemptId is invalid. Reason: "
                         "ReceiveRequestAttemptId can only include alphanumeric and punctuation "
                         "characters. 1 to 128 in length.",
                         ret->receive.attempt_id);
    ret->receive.max_messages = (unsigned)ret->max_messages;
    return 0;
}

/* The map of a message's system attributes. It is opened with the first attribute. */
struct system_map {
    struct buffer *output;
    struct json_object *names; /* the requested ones */
    bool is_open;
};

static void put_system(struct system_map *map, const char *name, const char *value)
{
    if (!is_set(value) || !is_among(map->names, name))
        return;
    if (!map->is_open) {
        json_name(map->output, "Attributes");
        buffer_append_char(map->output, '{');
        map->is_open = true;
    }
    json_put(map->output, name, value);
}

static void put_system_number(struct system_map *map, const char *name, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    put_system(map, name, text);
}

static void put_system_attributes(struct call *call, struct json_object *names,
                                  const struct message *m)
{
    struct system_map map = {.output = &call->output, .names = names};
    char arn[QUEUE_ARN_SIZE] = "";

    if (!names || json_object_array_length(names) == 0)
        return;
    if (m->source_queue)
        queue_arn_format(arn, call_region(call), ACCOUNT_ID, m->source_queue);
    put_system(&map, "SenderId", SENDER_ID);
    put_system_number(&map, "SentTimestamp", m->sent_usec / USEC_PER_MSEC);
    put_system_number(&map, "ApproximateReceiveCount", m->receive_count);
    put_system_number(&map, "ApproximateFirstReceiveTimestamp",
                      m->first_received_usec / USEC_PER_MSEC);
    put_system(&map, "SequenceNumber", m->sequence_number);
    put_system(&map, "MessageDeduplicationId", m->deduplication_id);
    put_system(&map, "MessageGroupId", m->group_id);
    put_system(&map, "AWSTraceHeader", m->trace_header);
    put_system(&map, "DeadLetterQueueSourceArn", arn);
    if (map.is_open)
        buffer_append_char(map.output, '}');
}

/* The MD5 is of the attributes that are returned. */
static void put_message_attributes(struct buffer *b, struct json_object *names,
                                   const struct message *m)
{
    struct sqs_attribute wanted[SQS_ATTRIBUTES_MAX];
    char md5[SQS_MD5_SIZE];
    size_t n = 0;

    for (size_t i = 0; i < m->n_attributes; i++)
        if (is_wanted(names, m->attributes[i].name))
            wanted[n++] = m->attributes[i];
    if (n == 0)
        return;
    if (sqs_md5_attributes(wanted, n, md5) == 0)
        json_put(b, "MD5OfMessageAttributes", md5);
    json_name(b, "MessageAttributes");
    buffer_append_char(b, '{');
    for (size_t i = 0; i < n; i++) {
        json_name(b, wanted[i].name);
        buffer_append_char(b, '{');
        json_put(b, "DataType", wanted[i].data_type);
        if (wanted[i].is_binary) {
            json_name(b, "BinaryValue");
            buffer_append_char(b, '"');
            base64_encode(b, wanted[i].value, wanted[i].value_bytes);
            buffer_append_char(b, '"');
        } else {
            json_put_bytes(b, "StringValue", wanted[i].value, wanted[i].value_bytes);
        }
        buffer_append_char(b, '}');
    }
    buffer_append_char(b, '}');
}

static void put_delivery(struct call *call, const struct receive_request *request,
                         const struct queue_delivery *delivery)
{
    const struct message *m = delivery->message;
    struct buffer *b = &call->output;
    char md5[SQS_MD5_SIZE];

    json_next(b);
    buffer_append_char(b, '{');
    json_put(b, "MessageId", m->message_id);
    json_put(b, "ReceiptHandle", delivery->handle);
    if (sqs_md5_body(m->body, m->body_bytes, md5) == 0)
        json_put(b, "MD5OfBody", md5);
    json_put_bytes(b, "Body", m->body, m->body_bytes);
    put_system_attributes(call, request->system_names, m);
    put_message_attributes(b, request->names, m);
    buffer_append_char(b, '}');
}

int operation_receive_message(struct call *call)
{
    struct queue_delivery deliveries[RECEIVE_MAX_MESSAGES];
    struct receive_request request = {};
    struct service *service = call->service;
    size_t n = 0;
    int r = read_receive(call, &request);

    if (r == 0)
        r = call_permit(call);
    if (r != 0)
        return r;
    if (call->wait_until_usec == 0)
        call->wait_until_usec = call->now_usec + (uint64_t)request.wait_sec * USEC_PER_SEC;
    if (call->is_to_find_nothing) {
        buffer_append_string(&call->output, "{}");
        return 0;
    }
    r = queue_receive(call->queue, account_dead_letters(&service->account, call->queue),
                      &request.receive, call->now_usec, deliveries, &n);
    /* Only a short poll gets the error for too many messages in flight. */
    if (r == QUEUE_E_OVER_LIMIT && request.wait_sec == 0)
        return call_fail(call, ERROR_OVER_LIMIT,
                         "The maximum number of in flight messages is reached.");
    if (r == QUEUE_E_ATTEMPT_VOID)
        return call_fail(
            call, ERROR_INVALID_PARAMETER_VALUE,
            "The receiveRequestAttemptId is not valid anymore since the receive call is not "
            "retryable.");
    if (r < 0)
        return r;
    if (n == 0 && call->now_usec < call->wait_until_usec)
        return OPERATION_E_WAIT;

    buffer_append_char(&call->output, '{');
    if (n > 0) {
        json_name(&call->output, "Messages");
        buffer_append_char(&call->output, '[');
        for (size_t i = 0; i < n; i++) {
            record_received(service->record, call->queue, &deliveries[i], call->now_usec);
            put_delivery(call, &request, &deliveries[i]);
        }
        buffer_append_char(&call->output, ']');
    }
    buffer_append_char(&call->output, '}');
    return 0;
}

/* ---- deleting and changing visibility ---- */

/* Makes a fault, in AWS's wording, from a condition of a receipt handle. The wording is different
 * for an entry of a batch. `timeout` is the one that a change of visibility asked for. */
static int handle_fault(struct fault *fault, int condition, const char *handle, int64_t timeout,
                        bool in_batch)
{
    const char *reason;

    if (condition <= 0)
        return condition;
    if (condition == QUEUE_E_HANDLE_INVALID) {
        fault_set(fault, ERROR_RECEIPT_HANDLE_IS_INVALID,
                  "The input receipt handle \"%s\" is not a valid receipt handle.", handle);
        return OPERATION_E_FAULT;
    }
    if (condition == QUEUE_E_TOTAL_TOO_LONG) {
        fault_set(fault, ERROR_INVALID_PARAMETER_VALUE,
                  "Value %lld for parameter VisibilityTimeout is invalid. Reason: Total "
                  "VisibilityTimeout "
                  "for the message is beyond the limit [43200 seconds]",
                  (long long)timeout);
        return OPERATION_E_FAULT;
    }
    reason = condition == QUEUE_E_HANDLE_EXPIRED
                 ? "The receipt handle has expired."
                 : "Message does not exist or is not available for visibility timeout change.";
    if (in_batch)
        fault_set(fault, ERROR_RECEIPT_HANDLE_IS_INVALID, "%s", reason);
    else
        fault_set(fault, ERROR_INVALID_PARAMETER_VALUE,
                  "Value %s for parameter ReceiptHandle is invalid. Reason: %s", handle, reason);
    return OPERATION_E_FAULT;
}

static int delete_one(struct call *call, const char *handle, bool in_batch, struct fault *fault)
{
    struct message *message = NULL;
    int r = queue_delete(call->queue, handle, call->now_usec, &message);

    if (message) {
        record_deleted(call->service->record, call->queue, message, handle, call->now_usec);
        message_free(message);
    }
    return handle_fault(fault, r, handle, 0, in_batch);
}

/* call_permit for an operation on one handle. Whether the handle is valid counts as a check of
 * parameters. */
static int permit_for(struct call *call, const char *handle)
{
    if (call->service->permissions->is_parameters_first && !queue_knows_handle(call->queue, handle))
        return handle_fault(&call->fault, QUEUE_E_HANDLE_INVALID, handle, 0, false);
    return call_permit(call);
}

int operation_delete_message(struct call *call)
{
    const char *handle;
    int r = parameter_required_text(call, call->input, "ReceiptHandle", &handle);

    if (r == 0)
        r = permit_for(call, handle);
    return r != 0 ? r : delete_one(call, handle, false, &call->fault);
}

/* Reads the parameters of ChangeMessageVisibility, or of an entry of its batch. A member that is
 * missing or of the wrong type fails the whole request, so *ret_timeout and *ret_handle are read
 * for all entries before any is acted on. */
static int read_change(struct call *call, struct json_object *object, const char **ret_handle,
                       bool *ret_present, int64_t *ret_timeout)
{
    int r = parameter_required_text(call, object, "ReceiptHandle", ret_handle);

    return r != 0 ? r
                  : parameter_integer(call, object, "VisibilityTimeout", ret_present, ret_timeout);
}

static int change_one(struct call *call, const char *handle, int64_t timeout, bool in_batch,
                      struct fault *fault)
{
    if (timeout < 0 || timeout > SQS_VISIBILITY_MAX_SEC) {
        fault_set(
            fault, ERROR_INVALID_PARAMETER_VALUE,
            "Value %lld for parameter VisibilityTimeout is invalid. Reason: VisibilityTimeout must "
            "be an integer between 0 and 43200.",
            (long long)timeout);
        return OPERATION_E_FAULT;
    }
    return handle_fault(
        fault, queue_change_visibility(call->queue, handle, (unsigned)timeout, call->now_usec),
        handle, timeout, in_batch);
}

int operation_change_message_visibility(struct call *call)
{
    const char *handle;
    bool present;
    int64_t timeout;
    int r = read_change(call, call->input, &handle, &present, &timeout);

    if (r != 0)
        return r;
    if (!present)
        return call_fail(call, ERROR_MISSING_PARAMETER,
                         "The request must contain the parameter VisibilityTimeout.");
    r = permit_for(call, handle);
    return r != 0 ? r : change_one(call, handle, timeout, false, &call->fault);
}

/* Runs both batches. All entries are read before the first one is acted on. */
static int run_batch(struct call *call, const char *entry_type, bool is_change)
{
    const char *handles[SQS_BATCH_MAX];
    int64_t timeouts[SQS_BATCH_MAX] = {};
    struct fault faults[SQS_BATCH_MAX] = {};
    struct batch batch;
    int r = batch_read(call, entry_type, &batch);

    for (size_t i = 0; r == 0 && i < batch.n; i++) {
        struct json_object *entry = json_object_array_get_idx(batch.entries, i);
        bool present;

        /* AWS treats a missing timeout as 0. */
        r = is_change ? read_change(call, entry, &handles[i], &present, &timeouts[i])
                      : parameter_required_text(call, entry, "ReceiptHandle", &handles[i]);
    }
    if (r == 0)
        r = call_permit(call);
    if (r != 0)
        return r;
    for (size_t i = 0; r >= 0 && i < batch.n; i++)
        if (!batch_entry_fails(call, i, &faults[i]))
            r = is_change ? change_one(call, handles[i], timeouts[i], true, &faults[i])
                          : delete_one(call, handles[i], true, &faults[i]);
    if (r >= 0)
        batch_reply(call, &batch, faults, NULL, NULL);
    for (size_t i = 0; i < SQS_BATCH_MAX; i++)
        fault_clear(&faults[i]);
    return r < 0 ? r : 0;
}

int operation_delete_message_batch(struct call *call)
{
    return run_batch(call, "DeleteMessageBatchRequestEntry", false);
}

int operation_change_message_visibility_batch(struct call *call)
{
    return run_batch(call, "ChangeMessageVisibilityBatchRequestEntry", true);
}
