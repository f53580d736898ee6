/* SPDX-License-Identifier: MIT */
/* Reading a queue's attributes from a request, setting them, and returning them. */
#include "operations.h"

#include <errno.h>
#include <stdio.h>

#include "json-writer.h"

#define INVALID_POLICY "Value %s for parameter %s is invalid. Reason: %s"

/* Makes a fault, in AWS's wording, from a condition of queue_settings_set. */
static int fault_attribute(struct fault *fault, int condition, const char *name, const char *value,
                           const struct policy_reason *reason)
{
    switch (condition) {
    case QUEUE_SETTINGS_E_NAME:
        fault_set(fault, ERROR_INVALID_ATTRIBUTE_NAME, "Unknown Attribute %s.", name);
        break;
    case QUEUE_SETTINGS_E_VALUE:
        fault_set(fault, ERROR_INVALID_ATTRIBUTE_VALUE, "Invalid value for the parameter %s.",
                  name);
        break;
    case QUEUE_SETTINGS_E_FORMAT:
        fault_set(fault, ERROR_INVALID_ATTRIBUTE_VALUE,
                  "Invalid value for the parameter %s. Reason: Amazon SQS can't create the redrive "
                  "allow policy, as it’s in an unsupported format.",
                  name);
        break;
    case QUEUE_SETTINGS_E_POLICY:
        fault_set(fault, ERROR_INVALID_PARAMETER_VALUE, INVALID_POLICY, value, name, reason->text);
        break;
    case QUEUE_SETTINGS_E_FIFO:
        fault_set(fault, ERROR_INVALID_ATTRIBUTE_VALUE,
                  "Invalid value for the parameter %s. Reason: Modifying queue type is not "
                  "supported.",
                  name);
        break;
    case QUEUE_SETTINGS_E_FIFO_ONLY:
        fault_set(fault, ERROR_INVALID_ATTRIBUTE_NAME,
                  "You can specify the %s only when FifoQueue is set to true.", name);
        break;
    default:
        return -ENOMEM;
    }
    return OPERATION_E_FAULT;
}

/* Checks that the dead-letter queue exists, and that the queue of that name may use it. */
static int check_dead_letters(const struct service *service, const char *region,
                              const char *queue_name, const struct queue_settings *settings,
                              const char *value, struct fault *fault)
{
    const struct queue *target = NULL;
    const char *wrong = NULL;
    char own_arn[QUEUE_ARN_SIZE];
    struct queue_arn arn;

    if (queue_arn_parse(settings->dead_letter_arn, &arn) != 0)
        return -EINVAL;
    queue_arn_format(own_arn, region, ACCOUNT_ID, queue_name);
    if (region && !queue_arn_is_in_region(&arn, region))
        wrong = "Dead-letter target must be in same region as the source.";
    else if (!queue_arn_is_of_account(&arn, ACCOUNT_ID))
        wrong = "Dead-letter target owner should be same as the source.";
    else
        target = account_find(&service->account, arn.name);
    if (!wrong && !target)
        wrong = "Dead letter target does not exist.";
    else if (!wrong && target->settings.is_fifo != settings->is_fifo)
        wrong = "Dead-letter queue must be same type of queue as the source.";
    else if (!wrong && !redrive_allow_policy_lets(target->settings.redrive_allow_policy, own_arn))
        wrong = "The redrive allow policy of the dead-letter queue does not permit this source "
                "queue.";
    if (!wrong)
        return 0;
    fault_set(fault, ERROR_INVALID_PARAMETER_VALUE, INVALID_POLICY, value, "RedrivePolicy", wrong);
    return OPERATION_E_FAULT;
}

/* Checks attributes that depend on each other. */
static int check_together(const struct queue_settings *settings, bool wants_sse,
                          struct fault *fault)
{
    if (wants_sse && settings->kms_master_key_id)
        fault_set(fault, ERROR_INVALID_ATTRIBUTE_NAME,
                  "You can use one type of server-side encryption (SSE) at one time. You can "
                  "either enable KMS SSE or SQS SSE.");
    else if (settings->throughput_per_group && !settings->deduplication_per_group)
        fault_set(fault, ERROR_INVALID_ATTRIBUTE_VALUE,
                  "Invalid value for the parameter FifoThroughputLimit. Reason: To set "
                  "FifoThroughputLimit to perMessageGroupId, the DeduplicationScope must be "
                  "messageGroup.");
    else
        return 0;
    return OPERATION_E_FAULT;
}

int attributes_apply(const struct service *service, const char *region, const char *queue_name,
                     struct queue_settings *settings, const struct text_attribute *attributes,
                     size_t n, bool is_new, struct fault *fault)
{
    const char *redrive_policy = NULL;
    struct policy_reason reason = {};
    bool wants_sse = false;
    int r;

    for (size_t i = 0; i < n; i++) {
        const char *name = attributes[i].name, *value = attributes[i].value;

        r = queue_settings_set(settings, name, value, is_new, &reason);
        if (r != 0)
            return fault_attribute(fault, r, name, value, &reason);
        if (streq(name, "RedrivePolicy"))
            redrive_policy = value;
        if (streq(name, "SqsManagedSseEnabled"))
            queue_settings_read_boolean(value, &wants_sse);
    }
    r = check_together(settings, wants_sse, fault);
    if (r == 0 && is_set(redrive_policy))
        r = check_dead_letters(service, region, queue_name, settings, redrive_policy, fault);
    return r;
}

int attributes_read(struct call *call, struct text_attribute ret[QUEUE_ATTRIBUTES_MAX],
                    size_t *ret_n)
{
    struct json_object *object;
    size_t n = 0;
    int r = parameter_of_type(call, call->input, "Attributes", json_type_object, &object);

    if (r != 0)
        return r;
    if (object && json_object_object_length(object) > QUEUE_ATTRIBUTES_MAX)
        return call_fail(call, ERROR_SERIALIZATION, "Attributes: too many");
    if (object) {
        json_object_object_foreach (object, name, value) {
            ret[n].name = name;
            r = parameter_text(call, object, name, &ret[n].value);
            if (r != 0)
                return r;
            if (value)
                n++;
        }
    }
    *ret_n = n;
    return 0;
}

enum { KNOWN_MAX = 32, VALUE_SIZE = 32 };

/* All attributes of a queue at this moment. */
struct attribute_list {
    size_t n;
    struct {
        const char *name, *value;
        char number[VALUE_SIZE];
    } known[KNOWN_MAX];
};

static int add_attribute(const char *name, const char *value, void *data)
{
    struct attribute_list *list = data;

    list->known[list->n].name = name;
    /* The text of a number is only valid during this call. Longer texts stay valid. */
    if (strlen(value) < VALUE_SIZE) {
        snprintf(list->known[list->n].number, VALUE_SIZE, "%s", value);
        value = list->known[list->n].number;
    }
    list->known[list->n++].value = value;
    return 0;
}

static void add_number(struct attribute_list *list, const char *name, uint64_t value)
{
    char *text = list->known[list->n].number;

    snprintf(text, VALUE_SIZE, "%llu", (unsigned long long)value);
    list->known[list->n].name = name;
    list->known[list->n++].value = text;
}

static int collect(struct call *call, struct attribute_list *list, char arn[QUEUE_ARN_SIZE])
{
    struct queue *queue = call->queue;
    struct queue_counts counts;
    int r = queue_settings_each(&queue->settings, add_attribute, list);

    if (r < 0)
        return r;
    queue_count(queue, call->now_usec, &counts);
    add_number(list, "ApproximateNumberOfMessages", counts.visible);
    add_number(list, "ApproximateNumberOfMessagesNotVisible", counts.in_flight);
    add_number(list, "ApproximateNumberOfMessagesDelayed", counts.delayed);
    add_number(list, "CreatedTimestamp", queue->created_usec / USEC_PER_SEC);
    add_number(list, "LastModifiedTimestamp", queue->modified_usec / USEC_PER_SEC);
    queue_arn_format(arn, call_region(call), ACCOUNT_ID, queue->name);
    add_attribute("QueueArn", arn, list);
    return 0;
}

static bool attribute_is_known(const char *name)
{
    /* The names that are valid even if the queue has no such attribute now. All other valid names
     * are in its list. */
    static const char *const names[] = {
        "All",
        "Policy",
        "RedrivePolicy",
        "RedriveAllowPolicy",
        "KmsMasterKeyId",
        "KmsDataKeyReusePeriodSeconds",
        "FifoQueue",
        "ContentBasedDeduplication",
        "DeduplicationScope",
        "FifoThroughputLimit",
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (streq(names[i], name))
            return true;
    return false;
}

int operation_get_queue_attributes(struct call *call)
{
    struct attribute_list list = {};
    bool wanted[KNOWN_MAX] = {}, any = false;
    struct json_object *names;
    struct buffer *b = &call->output;
    char arn[QUEUE_ARN_SIZE];
    int r = parameter_of_type(call, call->input, "AttributeNames", json_type_array, &names);

    if (r == 0)
        r = collect(call, &list, arn);
    if (r != 0)
        return r;
    for (size_t i = 0; names && i < json_object_array_length(names); i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(names, i));
        bool found = false;

        for (size_t k = 0; name && k < list.n; k++)
            if (streq(name, "All") || streq(name, list.known[k].name))
                found = any = wanted[k] = true;
        if (!name || (!found && !attribute_is_known(name)))
            return call_fail(call, ERROR_INVALID_ATTRIBUTE_NAME, "Unknown Attribute %s.",
                             name ? name : "null");
    }
    r = call_permit(call);
    if (r != 0)
        return r;
    buffer_append_char(b, '{');
    if (any) {
        json_name(b, "Attributes");
        buffer_append_char(b, '{');
        for (size_t k = 0; k < list.n; k++)
            if (wanted[k])
                json_put(b, list.known[k].name, list.known[k].value);
        buffer_append_char(b, '}');
    }
    buffer_append_char(b, '}');
    return 0;
}

static int copy_setting(const char *name, const char *value, void *data)
{
    struct policy_reason reason;

    return queue_settings_set(data, name, value, true, &reason);
}

int operation_set_queue_attributes(struct call *call)
{
    CLEANUP(queue_settings_done) struct queue_settings settings;
    struct text_attribute attributes[QUEUE_ATTRIBUTES_MAX];
    struct queue_settings old;
    size_t n;
    int r;

    /* Changes a copy, so that either all attributes are set or none. */
    queue_settings_init(&settings, call->queue->settings.is_fifo);
    r = queue_settings_each(&call->queue->settings, copy_setting, &settings);
    if (r == 0)
        r = attributes_read(call, attributes, &n);
    if (r == 0 && n == 0)
        r = call_fail(call, ERROR_MISSING_PARAMETER,
                      "The request must contain the parameter Attribute.Name.");
    if (r == 0)
        r = attributes_apply(call->service, call_region(call), call->queue->name, &settings,
                             attributes, n, false, &call->fault);
    if (r == 0)
        r = call_permit(call);
    if (r != 0)
        return r;
    old = call->queue->settings;
    call->queue->settings = settings;
    settings = old;
    call->queue->modified_usec = call->now_usec;
    return 0;
}
