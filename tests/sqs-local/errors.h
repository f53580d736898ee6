/* SPDX-License-Identifier: MIT */
/* AWS's errors as they are sent: "__type" of the JSON body; the query protocol's code, in
 * x-amzn-query-error and in the Failed entries of a batch; and the HTTP status (Amazon SQS API
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
    /* From KMS, on a queue with SSE-KMS (botocore's model of SQS). */
    ERROR_KMS_ACCESS_DENIED,
    ERROR_KMS_DISABLED,
    ERROR_KMS_INVALID_KEY_USAGE,
    ERROR_KMS_INVALID_STATE,
    ERROR_KMS_NOT_FOUND,
    ERROR_KMS_OPT_IN_REQUIRED,
    ERROR_KMS_THROTTLED,
    /* For too many calls on a FIFO queue. The name is from the Developer Guide ("Troubleshoot FIFO
     * throttling issues"). The form of the reply is inferred from other AWS services. */
    ERROR_THROTTLING,
    /* From AWS's front end, before SQS sees the request. */
    ERROR_ACCESS_DENIED,
    ERROR_EXPIRED_TOKEN,
    ERROR_INCOMPLETE_SIGNATURE,
    ERROR_INVALID_SIGNATURE,
    ERROR_MISSING_AUTHENTICATION_TOKEN,
    ERROR_UNRECOGNIZED_CLIENT,
    ERROR_SERIALIZATION,
    ERROR_UNKNOWN_OPERATION,
    ERROR_REQUEST_TOO_LARGE,
    ERROR_INTERNAL_ERROR,   /* for one entry of a batch */
    ERROR_INTERNAL_FAILURE, /* for a whole request */
    ERROR_UNAVAILABLE,      /* from a load balancer in front of SQS, in HTML */
    ERROR_N_KINDS,
};

struct error_type {
    const char *type; /* with its name space; NULL: the reply is an HTML page */
    const char *code; /* NULL: there is no x-amzn-query-error */
    unsigned status;
};

const struct error_type *error_type(enum error_kind kind);

/* What is wrong with a request, or with an entry of a batch. */
struct fault {
    enum error_kind kind;
    char *text; /* AWS's wording; owned. NULL: no fault */
};

/* Sets a fault and frees an earlier one. Returns 0 or -ENOMEM. */
int fault_set(struct fault *fault, enum error_kind kind, const char *format, ...)
    PRINTF_FORMAT(3, 4);
void fault_clear(struct fault *fault);

static inline void fault_clear_cleanup(struct fault *fault)
{
    fault_clear(fault);
}
