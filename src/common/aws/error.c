/* SPDX-License-Identifier: MIT */
#include "aws/error.h"

#include <errno.h>

#include "aws/sigv4-time.h"
#include "util/ascii.h"

#define SQS(name) "AWS.SimpleQueueService." name

static const struct aws_known_error table[] = {
    {"QueueDoesNotExist", SQS("NonExistentQueue"), 400, AWS_ERROR_PERMANENT},
    {"QueueDeletedRecently", SQS("QueueDeletedRecently"), 400, AWS_ERROR_PERMANENT},
    {"QueueNameExists", "QueueAlreadyExists", 400, AWS_ERROR_PERMANENT},
    {"PurgeQueueInProgress", SQS("PurgeQueueInProgress"), 403, AWS_ERROR_PERMANENT},
    {"RequestThrottled", "RequestThrottled", 403, AWS_ERROR_THROTTLED},
    {"OverLimit", "OverLimit", 403, AWS_ERROR_THROTTLED},
    {"InvalidSecurity", "InvalidSecurity", 403, AWS_ERROR_PERMANENT},
    {"InvalidAddress", "InvalidAddress", 404, AWS_ERROR_PERMANENT},
    {"ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 404, AWS_ERROR_PERMANENT},
    {"MessageNotInflight", SQS("MessageNotInflight"), 400, AWS_ERROR_PERMANENT},
    {"UnsupportedOperation", SQS("UnsupportedOperation"), 400, AWS_ERROR_PERMANENT},
    {"BatchEntryIdsNotDistinct", SQS("BatchEntryIdsNotDistinct"), 400, AWS_ERROR_PERMANENT},
    {"BatchRequestTooLong", SQS("BatchRequestTooLong"), 400, AWS_ERROR_PERMANENT},
    {"EmptyBatchRequest", SQS("EmptyBatchRequest"), 400, AWS_ERROR_PERMANENT},
    {"InvalidBatchEntryId", SQS("InvalidBatchEntryId"), 400, AWS_ERROR_PERMANENT},
    {"TooManyEntriesInBatchRequest", SQS("TooManyEntriesInBatchRequest"), 400, AWS_ERROR_PERMANENT},
    {"InvalidMessageContents", "InvalidMessageContents", 400, AWS_ERROR_PERMANENT},
    {"InvalidAttributeName", "InvalidAttributeName", 400, AWS_ERROR_PERMANENT},
    {"InvalidAttributeValue", "InvalidAttributeValue", 400, AWS_ERROR_PERMANENT},
    {"InvalidIdFormat", "InvalidIdFormat", 400, AWS_ERROR_PERMANENT},
    {"KmsAccessDenied", "KMS.AccessDeniedException", 400, AWS_ERROR_PERMANENT},
    {"KmsDisabled", "KMS.DisabledException", 400, AWS_ERROR_PERMANENT},
    {"KmsInvalidKeyUsage", "KMS.InvalidKeyUsageException", 400, AWS_ERROR_PERMANENT},
    {"KmsInvalidState", "KMS.InvalidStateException", 400, AWS_ERROR_PERMANENT},
    {"KmsNotFound", "KMS.NotFoundException", 400, AWS_ERROR_PERMANENT},
    {"KmsThrottled", "KMS.ThrottlingException", 400, AWS_ERROR_THROTTLED},
    {"KmsOptInRequired", "KMS.OptInRequired", 403, AWS_ERROR_PERMANENT},
    {"ResourceNotFoundException", "ResourceNotFoundException", 404, AWS_ERROR_PERMANENT},
    {"InvalidParameterValueException", "InvalidParameterValue", 400, AWS_ERROR_PERMANENT},
    {"MissingRequiredParameterException", "MissingParameter", 400, AWS_ERROR_PERMANENT},

    /* From AWS's front end, which checks a request before SQS does. */
    {"InvalidSignatureException", "SignatureDoesNotMatch", 403, AWS_ERROR_CREDENTIALS},
    {"UnrecognizedClientException", "InvalidClientTokenId", 403, AWS_ERROR_CREDENTIALS},
    {"ExpiredTokenException", "ExpiredToken", 403, AWS_ERROR_CREDENTIALS},
    {"IncompleteSignatureException", "IncompleteSignature", 403, AWS_ERROR_CREDENTIALS},
    {"MissingAuthenticationTokenException", "MissingAuthenticationToken", 403,
     AWS_ERROR_CREDENTIALS},
    {"OptInRequired", "OptInRequired", 403, AWS_ERROR_PERMANENT},
    {"AuthFailure", "AuthFailure", 403, AWS_ERROR_CREDENTIALS},
    {"AccessDeniedException", "AccessDenied", 403, AWS_ERROR_PERMANENT},
    {"UnknownOperationException", "InvalidAction", 404, AWS_ERROR_PERMANENT},
    {"RequestAbortedException", "RequestAbortedException", 400, AWS_ERROR_TRANSIENT},
    {"RequestExpired", "RequestExpired", 400, AWS_ERROR_CLOCK},
    {"RequestInTheFuture", "RequestInTheFuture", 400, AWS_ERROR_CLOCK},
    {"RequestTimeTooSkewed", "RequestTimeTooSkewed", 403, AWS_ERROR_CLOCK},

    /* Errors that the AWS SDKs retry in "standard" mode. Their lists do not say which two names
     * belong together. */
    {"ThrottlingException", "Throttling", 400, AWS_ERROR_THROTTLED},
    {"ThrottledException", "ThrottledException", 400, AWS_ERROR_THROTTLED},
    {"RequestThrottledException", "RequestThrottledException", 400, AWS_ERROR_THROTTLED},
    {"TooManyRequestsException", "TooManyRequestsException", 429, AWS_ERROR_THROTTLED},
    {"ProvisionedThroughputExceededException", "ProvisionedThroughputExceededException", 400,
     AWS_ERROR_THROTTLED},
    {"TransactionInProgressException", "TransactionInProgressException", 400, AWS_ERROR_THROTTLED},
    {"RequestLimitExceeded", "RequestLimitExceeded", 503, AWS_ERROR_THROTTLED},
    {"BandwidthLimitExceeded", "BandwidthLimitExceeded", 509, AWS_ERROR_THROTTLED},
    {"LimitExceededException", "LimitExceededException", 400, AWS_ERROR_THROTTLED},
    {"SlowDown", "SlowDown", 503, AWS_ERROR_THROTTLED},
    {"PriorRequestNotComplete", "PriorRequestNotComplete", 400, AWS_ERROR_THROTTLED},
    {"EC2ThrottledException", "EC2ThrottledException", 503, AWS_ERROR_THROTTLED},
    {"RequestTimeoutException", "RequestTimeout", 408, AWS_ERROR_TRANSIENT},
    {"InternalError", "InternalError", 500, AWS_ERROR_TRANSIENT},
    {"InternalServerError", "InternalServerError", 500, AWS_ERROR_TRANSIENT},
    {"InternalFailure", "InternalFailure", 500, AWS_ERROR_TRANSIENT},
    {"ServiceUnavailableException", "ServiceUnavailable", 503, AWS_ERROR_TRANSIENT},
    {"IDPCommunicationError", "IDPCommunicationError", 400, AWS_ERROR_TRANSIENT},
};

const struct aws_known_error *aws_error_find(const char *code)
{
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (streq(table[i].name, code) || streq(table[i].query_code, code))
            return &table[i];
    return NULL;
}

enum backoff_kind aws_error_backoff(enum aws_error_class class)
{
    switch (class) {
    case AWS_ERROR_TRANSIENT:
        return BACKOFF_TRANSIENT;
    case AWS_ERROR_THROTTLED:
        return BACKOFF_THROTTLED;
    case AWS_ERROR_CLOCK:
    case AWS_ERROR_CREDENTIALS:
    case AWS_ERROR_PERMANENT:
        break;
    }
    return BACKOFF_SLOW;
}

enum aws_error_class aws_error_class_of_code(const char *code, bool sender_fault)
{
    const struct aws_known_error *known = aws_error_find(code);

    if (known)
        return known->class;
    return sender_fault ? AWS_ERROR_PERMANENT : AWS_ERROR_TRANSIENT;
}

const char *aws_error_canonical_name(const char *code)
{
    const struct aws_known_error *known = aws_error_find(code);

    return known ? known->name : code;
}

/* A signature with a wrong time, one for another region and one with a wrong key get the same code
 * and the same status, and no other member or header tells them apart. So for these errors the
 * text decides. */
static bool is_signature_refused(const struct aws_known_error *known, const char *message)
{
    return message && streq(known->name, "InvalidSignatureException");
}

bool aws_error_is_about_clock(const char *code, const char *message)
{
    const struct aws_known_error *known = aws_error_find(code);

    if (!known)
        return false;
    if (known->class == AWS_ERROR_CLOCK)
        return true;
    return is_signature_refused(known, message) &&
           (strstr(message, "Signature expired") || strstr(message, "Signature not yet current"));
}

bool aws_error_is_about_region(const char *code, const char *message)
{
    const struct aws_known_error *known = aws_error_find(code);

    return known && is_signature_refused(known, message) &&
           strcasestr(message, "should be scoped to a valid region");
}

/* Whether the text begins with " - 15 min" or " + 15 min". */
static bool is_tolerance(const char *text)
{
    if (text[0] != ' ' || (text[1] != '-' && text[1] != '+') || text[2] != ' ')
        return false;
    text += 3;
    if (!is_digit(*text))
        return false;
    while (is_digit(*text))
        text++;
    return strncmp(text, " min", 4) == 0;
}

int aws_error_server_time(const char *text, time_t *ret)
{
    for (const char *p = strchr(text, '('); p; p = strchr(p + 1, '(')) {
        char copy[AWS_TIME_SIZE];
        size_t size = strnlen(p + 1, AWS_TIME_SIZE - 1);

        memcpy(copy, p + 1, size);
        copy[size] = '\0';
        if (size == AWS_TIME_SIZE - 1 && is_tolerance(p + 1 + size) &&
            aws_time_parse(copy, ret) == 0)
            return 0;
    }
    return -EINVAL;
}
