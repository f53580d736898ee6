/* The operations on queues: make, find, list, set up, empty, delete. See operations.h. */
#include "operations.h"

#include <errno.h>
#include <stdio.h>

#include "encode.h"
#include "json-writer.h"

enum { ATTRIBUTES_MAX = 32, LIST_MAX = 1000 };

#define PURGE_INTERVAL_USEC (60 * USEC_PER_SEC)

static void fault_unknown_attribute(struct fault *fault, const char *name)
{
    fault_set(fault, ERROR_INVALID_ATTRIBUTE_NAME, "Unknown Attribute %s.", name);
}

/* Sets attributes, and checks the redrive policy against the queues that there are. */
static int apply(const struct service *service, struct queue_settings *settings,
                 const struct text_attribute *attributes, size_t n, bool is_new,
                 struct fault *fault)
{
    const struct queue *dead_letters;

    for (size_t i = 0; i < n; i++) {
        const char *name = attributes[i].name, *value = attributes[i].value, *reason = NULL;

        switch (queue_settings_set(settings, name, value, is_new, &reason)) {
        case 0:
            break;
        case QUEUE_SETTINGS_E_NAME:
            fault_unknown_attribute(fault, name);
            return OPERATION_E_FAULT;
        case QUEUE_SETTINGS_E_VALUE:
            fault_set(fault, ERROR_INVALID_ATTRIBUTE_VALUE, "Invalid value for the parameter %s.",
                      name);
            return OPERATION_E_FAULT;
        case QUEUE_SETTINGS_E_FIFO:
            fault_set(fault, ERROR_INVALID_ATTRIBUTE_VALUE,
                      "Invalid value for the parameter %s. Reason: Modifying queue type is not "
                      "supported.",
                      name);
            return OPERATION_E_FAULT;
        case QUEUE_SETTINGS_E_REDRIVE:
            fault_set(fault, ERROR_INVALID_PARAMETER_VALUE,
                      "Value %s for parameter RedrivePolicy is invalid. Reason: %s", value, reason);
            return OPERATION_E_FAULT;
        default:
            return -ENOMEM;
        }
    }
    if (!settings->dead_letter_queue)
        return 0;
    dead_letters = account_find(&service->account, settings->dead_letter_queue);
    if (!dead_letters || dead_letters->settings.is_fifo != settings->is_fifo) {
        fault_set(fault, ERROR_INVALID_PARAMETER_VALUE,
                  "Value %s for parameter RedrivePolicy is invalid. Reason: %s",
                  settings->redrive_policy,
                  dead_letters ? "Dead-letter queue must be same type of queue as the source."
                               : "Dead letter target does not exist.");
        return OPERATION_E_FAULT;
    }
    return 0;
}

static int check_name(const char *name, bool is_fifo, struct fault *fault)
{
    if (queue_name_is_valid(name, is_fifo))
        return 0;
    fault_set(fault, ERROR_INVALID_PARAMETER_VALUE, "%s",
              is_fifo
                  ? "The name of a FIFO queue can only include alphanumeric characters, hyphens, "
                    "or underscores, must end with .fifo suffix and be 1 to 80 in length."
                  : "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in "
                    "length");
    return OPERATION_E_FAULT;
}

int service_make_queue(struct service *service, const char *name,
                       const struct text_attribute *attributes, size_t n, uint64_t now_usec,
                       struct queue **ret, struct fault *fault)
{
    CLEANUP(queue_settings_done) struct queue_settings settings;
    bool is_fifo = false;
    int r;

    for (size_t i = 0; i < n; i++)
        is_fifo = is_fifo ||
                  (streq(attributes[i].name, "FifoQueue") && streq(attributes[i].value, "true"));
    queue_settings_init(&settings, is_fifo);
    r = check_name(name, is_fifo, fault);
    if (r == 0)
        r = apply(service, &settings, attributes, n, true, fault);
    if (r != 0)
        return r;

    *ret = account_find(&service->account, name);
    if (*ret) {
        for (size_t i = 0; i < n; i++)
            if (!queue_settings_same(&settings, &(*ret)->settings, attributes[i].name)) {
                fault_set(fault, ERROR_QUEUE_NAME_EXISTS,
                          "A queue already exists with the same name and a different value for "
                          "attribute %s",
                          attributes[i].name);
                return OPERATION_E_FAULT;
            }
        return 0;
    }
    r = account_add(&service->account, name, &settings, now_usec, ret);
    if (r == ACCOUNT_E_DELETED_RECENTLY) {
        fault_set(
            fault, ERROR_QUEUE_DELETED_RECENTLY,
            "You must wait 60 seconds after deleting a queue before you can create another with "
            "the same name.");
        return OPERATION_E_FAULT;
    }
    return r;
}

void service_put_queue_url(const struct service *service, struct buffer *b, const char *name)
{
    /* Neither holds anything that JSON escapes. */
    buffer_printf(b, "\"%s/" ACCOUNT_ID "/%s\"", service->url, name);
}

static int read_attributes(struct call *call, struct text_attribute *ret, size_t *ret_n)
{
    struct json_object *object;
    size_t n = 0;
    int r = parameter_of_type(call, call->input, "Attributes", json_type_object, &object);

    if (r != 0)
        return r;
    if (object && json_object_object_length(object) > ATTRIBUTES_MAX)
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

static int reply_queue_url(struct call *call, const char *name)
{
    buffer_append_char(&call->output, '{');
    json_name(&call->output, "QueueUrl");
    service_put_queue_url(call->service, &call->output, name);
    buffer_append_char(&call->output, '}');
    return 0;
}

int operation_create_queue(struct call *call)
{
    struct text_attribute attributes[ATTRIBUTES_MAX];
    struct queue *queue = NULL;
    const char *name;
    size_t n;
    int r = parameter_required_text(call, call->input, "QueueName", &name);

    if (r == 0)
        r = read_attributes(call, attributes, &n);
    if (r == 0)
        r = service_make_queue(call->service, name, attributes, n, call->now_usec, &queue,
                               &call->fault);
    return r == 0 ? reply_queue_url(call, queue->name) : r;
}

int operation_get_queue_url(struct call *call)
{
    const char *name, *owner = NULL;
    int r = parameter_required_text(call, call->input, "QueueName", &name);

    if (r == 0)
        r = parameter_text(call, call->input, "QueueOwnerAWSAccountId", &owner);
    if (r != 0)
        return r;
    if ((is_set(owner) && !streq(owner, ACCOUNT_ID)) ||
        !account_find(&call->service->account, name))
        return call_fail(call, ERROR_QUEUE_DOES_NOT_EXIST, "The specified queue does not exist.");
    return reply_queue_url(call, name);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names that a ListQueues goes over, sorted; *ret is the caller's, the names are not. */
static int list_names(const struct account *account, const char *prefix, const char ***ret,
                      size_t *ret_n)
{
    const char **names = malloc((account->by_name.n_entries + 1) * sizeof(*names));
    size_t n = 0;

    if (!names)
        return -ENOMEM;
    LIST_FOREACH_SAFE(&account->queues, member)
    {
        const struct queue *queue = CONTAINER_OF(member, struct queue, of_account);

        if (strncmp(queue->name, prefix, strlen(prefix)) == 0)
            names[n++] = queue->name;
    }
    qsort(names, n, sizeof(*names), compare_names);
    *ret = names;
    *ret_n = n;
    return 0;
}

int operation_list_queues(struct call *call)
{
    CLEANUP(buffer_done) struct buffer after = BUFFER_INIT(QUEUE_NAME_MAX_BYTES);
    CLEANUP(free) const char **names = NULL;
    struct buffer *b = &call->output;
    const char *prefix = NULL, *token = NULL;
    size_t n, first = 0, end;
    bool has_max;
    int64_t max;
    int r = parameter_text(call, call->input, "QueueNamePrefix", &prefix);

    if (r == 0)
        r = parameter_text(call, call->input, "NextToken", &token);
    if (r == 0)
        r = parameter_integer(call, call->input, "MaxResults", &has_max, &max);
    if (r != 0)
        return r;
    if (has_max && (max < 1 || max > LIST_MAX))
        return call_fail(
            call, ERROR_INVALID_PARAMETER_VALUE,
            "Value %lld for parameter MaxResults is invalid. Reason: MaxResults must be an "
            "integer between 1 and 1000.",
            (long long)max);
    if (token && (!has_max || base64_decode(&after, token, strlen(token)) < 0))
        return call_fail(call, ERROR_INVALID_PARAMETER_VALUE, "Invalid or expired next token.");
    r = list_names(&call->service->account, prefix ? prefix : "", &names, &n);
    if (r < 0)
        return r;
    while (token && first < n && strcmp(names[first], buffer_string(&after)) <= 0)
        first++;
    end = MIN(n, first + (size_t)(has_max ? max : LIST_MAX));

    buffer_append_char(b, '{');
    if (first < end) {
        json_name(b, "QueueUrls");
        buffer_append_char(b, '[');
        for (size_t i = first; i < end; i++) {
            json_next(b);
            service_put_queue_url(call->service, b, names[i]);
        }
        buffer_append_char(b, ']');
    }
    if (has_max && end < n) {
        json_name(b, "NextToken");
        buffer_append_char(b, '"');
        base64_encode(b, names[end - 1], strlen(names[end - 1]));
        buffer_append_char(b, '"');
    }
    buffer_append_char(b, '}');
    return 0;
}

/* ---- attributes ---- */

enum { KNOWN_MAX = 32, VALUE_SIZE = 32 };

/* All that a queue's attributes are at this moment. */
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
    /* A number's text is gone after this call; longer texts stay where they are. */
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

static int collect(struct call *call, struct attribute_list *list, char arn[256])
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
    snprintf(arn, 256, "arn:aws:sqs:%s:" ACCOUNT_ID ":%s", call->service->region, queue->name);
    add_attribute("QueueArn", arn, list);
    return 0;
}

static bool attribute_is_known(const char *name)
{
    /* Those that a queue may have without having them now; the others are in its list. */
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
    char arn[256];
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
    const char *reason;

    return queue_settings_set(data, name, value, true, &reason);
}

int operation_set_queue_attributes(struct call *call)
{
    CLEANUP(queue_settings_done) struct queue_settings settings;
    struct text_attribute attributes[ATTRIBUTES_MAX];
    struct queue_settings old;
    size_t n;
    int r;

    /* On a copy, so that all are set or none. */
    queue_settings_init(&settings, call->queue->settings.is_fifo);
    r = queue_settings_each(&call->queue->settings, copy_setting, &settings);
    if (r == 0)
        r = read_attributes(call, attributes, &n);
    if (r == 0 && n == 0)
        r = call_fail(call, ERROR_MISSING_PARAMETER,
                      "The request must contain the parameter Attribute.Name.");
    if (r == 0)
        r = apply(call->service, &settings, attributes, n, false, &call->fault);
    if (r != 0)
        return r;
    old = call->queue->settings;
    call->queue->settings = settings;
    settings = old;
    call->queue->modified_usec = call->now_usec;
    return 0;
}

/* ---- emptying and deleting ---- */

int operation_purge_queue(struct call *call)
{
    struct queue *queue = call->queue;

    if (queue->purged_usec > 0 && call->now_usec < queue->purged_usec + PURGE_INTERVAL_USEC)
        return call_fail(call, ERROR_PURGE_QUEUE_IN_PROGRESS,
                         "Only one PurgeQueue operation on %s is allowed every 60 seconds.",
                         queue->name);
    queue_purge(queue, call->now_usec);
    return 0;
}

int operation_delete_queue(struct call *call)
{
    struct queue *queue = TAKE(call->queue);
    int r = account_remove(&call->service->account, queue, call->now_usec);

    if (r < 0)
        return r;
    call->service->queue_deleted(queue);
    queue_free(queue);
    return 0;
}
