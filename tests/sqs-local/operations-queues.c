/* SPDX-License-Identifier: MIT */
/* The operations on queues: create, find, purge, delete. */
#include "operations.h"

#include <errno.h>
#include <stdio.h>

#include "json-writer.h"

#define PURGE_INTERVAL_USEC (60 * USEC_PER_SEC)

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

int service_make_queue(struct service *service, const char *region, const char *name,
                       const struct text_attribute *attributes, size_t n, uint64_t now_usec,
                       struct queue **ret, struct fault *fault)
{
    CLEANUP(queue_settings_done) struct queue_settings settings;
    bool is_fifo = false;
    int r;

    for (size_t i = 0; i < n; i++)
        if (streq(attributes[i].name, "FifoQueue"))
            queue_settings_read_boolean(attributes[i].value, &is_fifo);
    queue_settings_init(&settings, is_fifo);
    r = check_name(name, is_fifo, fault);
    if (r == 0)
        r = attributes_apply(service, region, name, &settings, attributes, n, true, fault);
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
    /* No part needs a JSON escape. */
    buffer_printf(b, "\"%s/" ACCOUNT_ID "/%s\"", service->url, name);
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
    struct text_attribute attributes[QUEUE_ATTRIBUTES_MAX];
    struct json_object *tags = NULL;
    struct queue *queue = NULL;
    const char *name;
    bool is_new;
    size_t n;
    int r = parameter_required_text(call, call->input, "QueueName", &name);

    if (r == 0)
        r = attributes_read(call, attributes, &n);
    if (r == 0)
        r = tags_read(call, "tags", NULL, name, &tags);
    if (r == 0)
        r = call_permit(call);
    if (r != 0)
        return r;
    is_new = !account_find(&call->service->account, name);
    r = service_make_queue(call->service, call_region(call), name, attributes, n, call->now_usec,
                           &queue, &call->fault);
    /* If the queue exists already, only the attributes are compared. */
    if (r == 0 && is_new)
        r = tags_apply(queue, tags);
    return r == 0 ? reply_queue_url(call, queue->name) : r;
}

int operation_get_queue_url(struct call *call)
{
    const char *name, *owner = NULL;
    int r = parameter_required_text(call, call->input, "QueueName", &name);

    if (r == 0)
        r = parameter_text(call, call->input, "QueueOwnerAWSAccountId", &owner);
    if (r == 0)
        r = call_permit(call);
    if (r != 0)
        return r;
    if ((is_set(owner) && !streq(owner, ACCOUNT_ID)) ||
        !account_find(&call->service->account, name))
        return call_fail(call, ERROR_QUEUE_DOES_NOT_EXIST, "The specified queue does not exist.");
    return reply_queue_url(call, name);
}

/* ---- purging and deleting ---- */

int operation_purge_queue(struct call *call)
{
    struct queue *queue = call->queue;
    int r = call_permit(call);

    if (r != 0)
        return r;
    if (queue->purged_usec > 0 && call->now_usec < queue->purged_usec + PURGE_INTERVAL_USEC)
        return call_fail(call, ERROR_PURGE_QUEUE_IN_PROGRESS,
                         "Only one PurgeQueue operation on %s is allowed every 60 seconds.",
                         queue->name);
    queue_purge(queue, call->now_usec);
    return 0;
}

int operation_delete_queue(struct call *call)
{
    struct queue *queue = call->queue;
    int r = call_permit(call);

    if (r == 0)
        r = account_remove(&call->service->account, queue, call->now_usec);
    if (r != 0)
        return r;
    call->queue = NULL;
    call->service->queue_deleted(queue);
    queue_free(queue);
    return 0;
}
