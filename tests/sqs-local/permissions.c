/* SPDX-License-Identifier: MIT */
#include "operations.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

enum { ACTION_SIZE = 64 };

/* The action that an operation needs, as AWS's policies name it. */
static void action_of(const struct operation *operation, char ret[ACTION_SIZE])
{
    size_t n = strlen(operation->name), batch = strlen("Batch");

    if (n > batch && streq(operation->name + n - batch, "Batch"))
        n -= batch;
    snprintf(ret, ACTION_SIZE, "%.*s", (int)n, operation->name);
}

int permissions_deny(struct permissions *permissions, const char *action)
{
    const struct operation *operation;
    bool found = false;

    for (size_t i = 0; (operation = operation_at(i)); i++) {
        char own[ACTION_SIZE];

        action_of(operation, own);
        if (!streq(action, "*") && !streq(action, own))
            continue;
        permissions->denied |= UINT64_C(1) << i;
        found = true;
    }
    return found ? 0 : (int)PERMISSIONS_E_UNKNOWN;
}

/* AWS writes the action in lower case here. */
static int refuse(struct call *call)
{
    char action[ACTION_SIZE], arn[QUEUE_ARN_SIZE];
    const char *name = call->queue ? call->queue->name : NULL;

    if (!name && parameter_text(call, call->input, "QueueName", &name) != 0)
        return OPERATION_E_FAULT;
    queue_arn_format(arn, call_region(call), ACCOUNT_ID, name ? name : "*");
    action_of(call->operation, action);
    for (char *p = action; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return call_fail(call, ERROR_ACCESS_DENIED,
                     "User: arn:aws:iam::" ACCOUNT_ID ":user/sqs-local is not authorized to "
                     "perform: sqs:%s on resource: %s because no identity-based policy allows the "
                     "sqs:%s action",
                     action, arn, action);
}

static bool is_denied(const struct call *call)
{
    const struct permissions *permissions = call->service->permissions;

    for (size_t i = 0; permissions->denied >> i; i++)
        if ((permissions->denied >> i & 1) && operation_at(i) == call->operation)
            return true;
    return false;
}

int call_permit_at_once(struct call *call)
{
    /* A long poll was checked when it began. */
    if (call->service->permissions->is_parameters_first || call->wait_until_usec > 0)
        return 0;
    return is_denied(call) ? refuse(call) : 0;
}

int call_permit(struct call *call)
{
    if (!call->service->permissions->is_parameters_first || call->wait_until_usec > 0)
        return 0;
    return is_denied(call) ? refuse(call) : 0;
}
