/* SPDX-License-Identifier: MIT */
#include "errors.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define SQS "com.amazonaws.sqs#"
#define FRONT "com.amazon.coral.service#"
#define QUERY "AWS.SimpleQueueService."

static const struct error_type types[ERROR_N_KINDS] = {
    [ERROR_BATCH_ENTRY_IDS_NOT_DISTINCT] = {SQS "BatchEntryIdsNotDistinct",
                                            QUERY "BatchEntryIdsNotDistinct", 400},
    [ERROR_BATCH_REQUEST_TOO_LONG] = {SQS "BatchRequestTooLong", QUERY "BatchRequestTooLong", 400},
    [ERROR_EMPTY_BATCH_REQUEST] = {SQS "EmptyBatchRequest", QUERY "EmptyBatchRequest", 400},
    [ERROR_INVALID_ADDRESS] = {SQS "InvalidAddress", "InvalidAddress", 404},
    [ERROR_INVALID_ATTRIBUTE_NAME] = {SQS "InvalidAttributeName", "InvalidAttributeName", 400},
    [ERROR_INVALID_ATTRIBUTE_VALUE] = {SQS "InvalidAttributeValue", "InvalidAttributeValue", 400},
    [ERROR_INVALID_BATCH_ENTRY_ID] = {SQS "InvalidBatchEntryId", QUERY "InvalidBatchEntryId", 400},
    [ERROR_INVALID_MESSAGE_CONTENTS] = {SQS "InvalidMessageContents", "InvalidMessageContents",
                                        400},
    [ERROR_INVALID_PARAMETER_VALUE] = {SQS "InvalidParameterValueException",
                                       "InvalidParameterValue", 400},
    [ERROR_MISSING_PARAMETER] = {SQS "MissingRequiredParameterException", "MissingParameter", 400},
    [ERROR_OVER_LIMIT] = {SQS "OverLimit", "OverLimit", 403},
    [ERROR_PURGE_QUEUE_IN_PROGRESS] = {SQS "PurgeQueueInProgress", QUERY "PurgeQueueInProgress",
                                       403},
    [ERROR_QUEUE_DELETED_RECENTLY] = {SQS "QueueDeletedRecently", QUERY "QueueDeletedRecently",
                                      400},
    [ERROR_QUEUE_DOES_NOT_EXIST] = {SQS "QueueDoesNotExist", QUERY "NonExistentQueue", 400},
    [ERROR_QUEUE_NAME_EXISTS] = {SQS "QueueNameExists", "QueueAlreadyExists", 400},
    [ERROR_RECEIPT_HANDLE_IS_INVALID] = {SQS "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid",
                                         404},
    [ERROR_REQUEST_THROTTLED] = {SQS "RequestThrottled", "RequestThrottled", 403},
    [ERROR_TOO_MANY_ENTRIES] = {SQS "TooManyEntriesInBatchRequest",
                                QUERY "TooManyEntriesInBatchRequest", 400},
    [ERROR_UNSUPPORTED_OPERATION] = {SQS "UnsupportedOperation", QUERY "UnsupportedOperation", 400},
    [ERROR_KMS_ACCESS_DENIED] = {SQS "KmsAccessDenied", "KMS.AccessDeniedException", 400},
    [ERROR_KMS_DISABLED] = {SQS "KmsDisabled", "KMS.DisabledException", 400},
    [ERROR_KMS_INVALID_KEY_USAGE] = {SQS "KmsInvalidKeyUsage", "KMS.InvalidKeyUsageException", 400},
    [ERROR_KMS_INVALID_STATE] = {SQS "KmsInvalidState", "KMS.InvalidStateException", 400},
    [ERROR_KMS_NOT_FOUND] = {SQS "KmsNotFound", "KMS.NotFoundException", 400},
    [ERROR_KMS_OPT_IN_REQUIRED] = {SQS "KmsOptInRequired", "KMS.OptInRequired", 403},
    [ERROR_KMS_THROTTLED] = {SQS "KmsThrottled", "KMS.ThrottlingException", 400},
    [ERROR_THROTTLING] = {"com.amazon.coral.availability#ThrottlingException", "Throttling", 400},
    [ERROR_ACCESS_DENIED] = {FRONT "AccessDeniedException", "AccessDenied", 403},
    [ERROR_EXPIRED_TOKEN] = {FRONT "ExpiredTokenException", "ExpiredToken", 403},
    [ERROR_INCOMPLETE_SIGNATURE] = {FRONT "IncompleteSignatureException", "IncompleteSignature",
                                    403},
    [ERROR_INVALID_SIGNATURE] = {FRONT "InvalidSignatureException", "SignatureDoesNotMatch", 403},
    [ERROR_MISSING_AUTHENTICATION_TOKEN] = {FRONT "MissingAuthenticationTokenException",
                                            "MissingAuthenticationToken", 403},
    [ERROR_UNRECOGNIZED_CLIENT] = {FRONT "UnrecognizedClientException", "InvalidClientTokenId",
                                   403},
    [ERROR_SERIALIZATION] = {FRONT "SerializationException", "MalformedInput", 400},
    [ERROR_UNKNOWN_OPERATION] = {FRONT "UnknownOperationException", "InvalidAction", 400},
    [ERROR_REQUEST_TOO_LARGE] = {FRONT "RequestEntityTooLargeException", "RequestEntityTooLarge",
                                 413},
    [ERROR_INTERNAL_ERROR] = {SQS "InternalError", "InternalError", 500},
    [ERROR_INTERNAL_FAILURE] = {FRONT "InternalFailure", "InternalFailure", 500},
    [ERROR_UNAVAILABLE] = {NULL, NULL, 503},
};

const struct error_type *error_type(enum error_kind kind)
{
    return &types[kind];
}

int fault_set(struct fault *fault, enum error_kind kind, const char *format, ...)
{
    char *text = NULL;
    va_list ap;
    int n;

    va_start(ap, format);
    n = vasprintf(&text, format, ap);
    va_end(ap);
    if (n < 0)
        return -ENOMEM;
    free(fault->text);
    *fault = (struct fault){kind, text};
    return 0;
}

void fault_clear(struct fault *fault)
{
    free(TAKE(fault->text));
}
