/* SPDX-License-Identifier: MIT */
#include "sqs/permission.h"

/* The error names that SQS and its emulators have been seen to give for each malformed probe, on
 * FIFO and on standard queues. Some are codes of the older query protocol. */
static const char *const of_an_empty_batch[] = {
    "EmptyBatchRequest",
    "MissingRequiredParameterException",
    "InvalidParameterValueException",
    NULL,
};
static const char *const of_no_handle[] = {
    "ReceiptHandleIsInvalid",
    "InvalidParameterValueException",
    NULL,
};
static const char *const of_too_many_messages[] = {
    "InvalidParameterValueException",
    "ReadCountOutOfRange",
    NULL,
};

static const char *const *refusals_of(enum sqs_operation operation)
{
    static const char *const none[] = {NULL};

    switch (sqs_operation_single(operation)) {
    case SQS_SEND_MESSAGE:
        return of_an_empty_batch;
    case SQS_RECEIVE_MESSAGE:
        return of_too_many_messages;
    case SQS_DELETE_MESSAGE:
    case SQS_CHANGE_MESSAGE_VISIBILITY:
        return of_no_handle;
    default:
        return none;
    }
}

enum permission_answer permission_answer_of(enum sqs_operation operation,
                                            const struct sqs_error *error)
{
    if (!error)
        return PERMISSION_ALLOWED;
    if (error->class != AWS_ERROR_PERMANENT)
        return PERMISSION_UNKNOWN;
    if (sqs_error_is_denial(error))
        return PERMISSION_DENIED;
    for (const char *const *name = refusals_of(operation); *name; name++)
        if (streq(error->name, *name))
            return PERMISSION_ALLOWED;
    return PERMISSION_UNKNOWN;
}

void permissions_init(struct permissions *permissions, unsigned operations)
{
    *permissions = (struct permissions){};
    for (unsigned i = 0; i < SQS_N_OPERATIONS; i++)
        permissions->by_operation[i].is_needed = (operations & PERMISSION_BIT(i)) != 0;
}

static struct permission *find(struct permissions *permissions, enum sqs_operation operation)
{
    return &permissions->by_operation[sqs_operation_single(operation)];
}

static bool is_unproven(const struct permission *p)
{
    return p->is_needed && !p->is_proven;
}

bool permissions_is_denial_fatal(const struct permissions *permissions,
                                 enum sqs_operation operation)
{
    return is_unproven(&permissions->by_operation[sqs_operation_single(operation)]);
}

bool permissions_needs_probe(const struct permissions *permissions, enum sqs_operation operation)
{
    const struct permission *p = &permissions->by_operation[sqs_operation_single(operation)];

    return is_unproven(p) && p->answer != PERMISSION_ALLOWED;
}

/* Whether it was denied, and the denial is not forgotten. */
static bool is_denied(const struct permission *p, uint64_t now_usec)
{
    return p->n_denials > 0 && now_usec - p->denied_last_usec <= PERMISSION_FORGET_USEC;
}

static bool add_denial(struct permission *p, uint64_t now_usec)
{
    if (!is_denied(p, now_usec)) {
        p->n_denials = 0;
        p->denied_since_usec = now_usec;
    }
    p->n_denials++;
    p->denied_last_usec = now_usec;
    return now_usec - p->denied_since_usec >= PERMISSION_DENIAL_USEC;
}

bool permissions_probed(struct permissions *permissions, enum sqs_operation operation,
                        enum permission_answer answer, uint64_t now_usec)
{
    struct permission *p = find(permissions, operation);

    if (!is_unproven(p) || answer == PERMISSION_UNKNOWN)
        return false;
    p->answer = answer;
    if (answer == PERMISSION_DENIED)
        return add_denial(p, now_usec);
    p->n_denials = 0;
    return false;
}

bool permissions_denied(struct permissions *permissions, enum sqs_operation operation,
                        uint64_t now_usec)
{
    struct permission *p = find(permissions, operation);

    return is_unproven(p) && add_denial(p, now_usec);
}

void permissions_proven(struct permissions *permissions, enum sqs_operation operation)
{
    struct permission *p = find(permissions, operation);

    p->is_proven = true;
    p->n_denials = 0;
}

unsigned permissions_count_denied(const struct permissions *permissions, uint64_t now_usec)
{
    unsigned n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(permissions->by_operation); i++)
        n += is_denied(&permissions->by_operation[i], now_usec);
    return n;
}

static uint64_t retry_usec(const struct permission *p, uint64_t now_usec)
{
    uint64_t lasted_usec = now_usec - p->denied_since_usec;
    uint64_t delay_usec = MIN(USEC_PER_SEC << MIN(p->n_denials - 1, 8U), PERMISSION_RETRY_MAX_USEC);

    if (lasted_usec >= PERMISSION_DENIAL_USEC)
        return PERMISSION_RETRY_SLOW_USEC;
    return MIN(delay_usec, PERMISSION_DENIAL_USEC - lasted_usec);
}

uint64_t permissions_retry_usec(const struct permissions *permissions, uint64_t now_usec)
{
    uint64_t longest_usec = 0;

    for (size_t i = 0; i < ARRAY_SIZE(permissions->by_operation); i++)
        if (is_denied(&permissions->by_operation[i], now_usec))
            longest_usec = MAX(longest_usec, retry_usec(&permissions->by_operation[i], now_usec));
    return longest_usec > 0 ? longest_usec : USEC_INFINITY;
}
