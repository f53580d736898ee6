/* SPDX-License-Identifier: MIT */
/* AWS's errors as they stand on the wire: the "__type" of the JSON body, the query protocol's code
 * in x-amzn-query-error and in a batch's Failed entries, the HTTP status (Amazon SQS API
 * Reference). */
#pragma once

#include "util/buffer.h"

enum error_kind {
    ERROR_BATCH_ENTRY_IDS_NOT_DISTINCT,
    ERROR_BATCH_REQUEST_TOO_LONG,
    ERROR_EMPTY_BATCH_REQUEST,
    ERROR_INVALID_ADDRESS,
    ERROR_INVALID_ATTRIBUTE_NAME,
    ERROR_INVALID_ATTRIBUTE_VALUE,
    ERROR_INVALID_BATCH_ENTRY_ID,
    ERROR_INVALID_MESSAGE_CONTENTS,
    ERROR_INVALID_PARAMETER_VALUE,
    ERROR_MISSING_PARAMETER,
    ERROR_OVER_LIMIT,
    ERROR_PURGE_QUEUE_IN_PROGRESS,
    ERROR_QUEUE_DELETED_RECENTLY,
    ERROR_QUEUE_DOES_NOT_EXIST,
    ERROR_QUEUE_NAME_EXISTS,
    ERROR_RECEIPT_HANDLE_IS_INVALID,
    ERROR_REQUEST_THROTTLED,
    ERROR_TOO_MANY_ENTRIES,
    ERROR_UNSUPPORTED_OPERATION,
    /* Of KMS, on a queue with SSE-KMS (botocore's model of SQS). */
    ERROR_KMS_ACCESS_DENIED,
    ERROR_KMS_DISABLED,
    ERROR_KMS_INVALID_KEY_USAGE,
    ERROR_KMS_INVALID_STATE,
    ERROR_KMS_NOT_FOUND,
    ERROR_KMS_OPT_IN_REQUIRED,
    ERROR_KMS_THROTTLED,
    /* Of too many calls on a FIFO queue. The name is the Developer Guide's ("Troubleshoot FIFO
     * throttling issues"); how it stands on the wire is inferred from other services of AWS's. */
    ERROR_THROTTLING,
    /* Of the front door, before SQS sees the request. */
    ERROR_ACCESS_DENIED,
    ERROR_EXPIRED_TOKEN,
    ERROR_INCOMPLETE_SIGNATURE,
    ERROR_INVALID_SIGNATURE,
    ERROR_MISSING_AUTHENTICATION_TOKEN,
    ERROR_UNRECOGNIZED_CLIENT,
    ERROR_SERIALIZATION,
    ERROR_UNKNOWN_OPERATION,
    ERROR_REQUEST_TOO_LARGE,
    ERROR_INTERNAL_ERROR,   /* of one entry of a batch */
    ERROR_INTERNAL_FAILURE, /* of a whole request */
    ERROR_UNAVAILABLE,      /* what a load balancer in front of SQS says, in HTML */
    ERROR_N_KINDS,
};

struct error_type {
    const char *type; /* with its name space; NULL: the reply is a page of HTML */
    const char *code; /* NULL: there is no x-amzn-query-error */
    unsigned status;
};

const struct error_type *error_type(enum error_kind kind);

/* What is wrong with a request, or with an entry of a batch. */
struct fault {
    enum error_kind kind;
    char *text; /* AWS's words; owned. NULL: no fault */
};

/* Sets a fault, in place of any earlier one. 0 or -ENOMEM. */
int fault_set(struct fault *fault, enum error_kind kind, const char *format, ...)
    PRINTF_FORMAT(3, 4);
void fault_clear(struct fault *fault);

static inline void fault_clear_cleanup(struct fault *fault)
{
    fault_clear(fault);
}
