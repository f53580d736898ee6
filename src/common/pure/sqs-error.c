/* See sqs-error.h. One table holds all that is known of each error. A reply is read in this order:
 * the code under either name, then who is at fault by x-amzn-query-error, then the HTTP status. The
 * code comes first because SQS throttles with 403 and a 503 may be throttling: the status alone
 * misleads.
 *
 * What comes from outside is copied only after it was made harmless: names are printable ASCII, the
 * message is one line of UTF-8. */
#include "sqs-error.h"

#include <errno.h>

#include "encode.h"
#include "json-tree.h"

enum {
    BODY_MAX_BYTES = 256 * 1024, /* of an error's body; a longer one is not looked into */
    BODY_MAX_DEPTH = 16,
    TEXT_MAX_BYTES = 511, /* of AWS's text that is kept */
};

#define SQS(name) "AWS.SimpleQueueService." name

static const struct sqs_known_error table[] = {
    {"QueueDoesNotExist", SQS("NonExistentQueue"), 400, SQS_ERROR_PERMANENT},
    {"QueueDeletedRecently", SQS("QueueDeletedRecently"), 400, SQS_ERROR_PERMANENT},
    {"QueueNameExists", "QueueAlreadyExists", 400, SQS_ERROR_PERMANENT},
    {"PurgeQueueInProgress", SQS("PurgeQueueInProgress"), 403, SQS_ERROR_PERMANENT},
    {"RequestThrottled", "RequestThrottled", 403, SQS_ERROR_THROTTLED},
    {"OverLimit", "OverLimit", 403, SQS_ERROR_THROTTLED},
    {"InvalidSecurity", "InvalidSecurity", 403, SQS_ERROR_PERMANENT},
    {"InvalidAddress", "InvalidAddress", 404, SQS_ERROR_PERMANENT},
    {"ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 404, SQS_ERROR_PERMANENT},
    {"MessageNotInflight", SQS("MessageNotInflight"), 400, SQS_ERROR_PERMANENT},
    {"UnsupportedOperation", SQS("UnsupportedOperation"), 400, SQS_ERROR_PERMANENT},
    {"BatchEntryIdsNotDistinct", SQS("BatchEntryIdsNotDistinct"), 400, SQS_ERROR_PERMANENT},
    {"BatchRequestTooLong", SQS("BatchRequestTooLong"), 400, SQS_ERROR_PERMANENT},
    {"EmptyBatchRequest", SQS("EmptyBatchRequest"), 400, SQS_ERROR_PERMANENT},
    {"InvalidBatchEntryId", SQS("InvalidBatchEntryId"), 400, SQS_ERROR_PERMANENT},
    {"TooManyEntriesInBatchRequest", SQS("TooManyEntriesInBatchRequest"), 400, SQS_ERROR_PERMANENT},
    {"InvalidMessageContents", "InvalidMessageContents", 400, SQS_ERROR_PERMANENT},
    {"InvalidAttributeName", "InvalidAttributeName", 400, SQS_ERROR_PERMANENT},
    {"InvalidAttributeValue", "InvalidAttributeValue", 400, SQS_ERROR_PERMANENT},
    {"InvalidIdFormat", "InvalidIdFormat", 400, SQS_ERROR_PERMANENT},
    {"KmsAccessDenied", "KMS.AccessDeniedException", 400, SQS_ERROR_PERMANENT},
    {"KmsDisabled", "KMS.DisabledException", 400, SQS_ERROR_PERMANENT},
    {"KmsInvalidKeyUsage", "KMS.InvalidKeyUsageException", 400, SQS_ERROR_PERMANENT},
    {"KmsInvalidState", "KMS.InvalidStateException", 400, SQS_ERROR_PERMANENT},
    {"KmsNotFound", "KMS.NotFoundException", 400, SQS_ERROR_PERMANENT},
    {"KmsThrottled", "KMS.ThrottlingException", 400, SQS_ERROR_THROTTLED},
    {"KmsOptInRequired", "KMS.OptInRequired", 403, SQS_ERROR_PERMANENT},
    {"ResourceNotFoundException", "ResourceNotFoundException", 404, SQS_ERROR_PERMANENT},
    {"InvalidParameterValueException", "InvalidParameterValue", 400, SQS_ERROR_PERMANENT},
    {"MissingRequiredParameterException", "MissingParameter", 400, SQS_ERROR_PERMANENT},

    /* Of the front door, before SQS itself. */
    {"InvalidSignatureException", "SignatureDoesNotMatch", 403, SQS_ERROR_CREDENTIALS},
    {"UnrecognizedClientException", "InvalidClientTokenId", 403, SQS_ERROR_CREDENTIALS},
    {"ExpiredTokenException", "ExpiredToken", 403, SQS_ERROR_CREDENTIALS},
    {"IncompleteSignatureException", "IncompleteSignature", 403, SQS_ERROR_CREDENTIALS},
    {"MissingAuthenticationTokenException", "MissingAuthenticationToken", 403,
     SQS_ERROR_CREDENTIALS},
    {"OptInRequired", "OptInRequired", 403, SQS_ERROR_PERMANENT},
    {"AuthFailure", "AuthFailure", 403, SQS_ERROR_CREDENTIALS},
    {"AccessDeniedException", "AccessDenied", 403, SQS_ERROR_PERMANENT},
    {"UnknownOperationException", "InvalidAction", 404, SQS_ERROR_PERMANENT},
    {"RequestAbortedException", "RequestAbortedException", 400, SQS_ERROR_TRANSIENT},
    {"RequestExpired", "RequestExpired", 400, SQS_ERROR_CLOCK},
    {"RequestInTheFuture", "RequestInTheFuture", 400, SQS_ERROR_CLOCK},
    {"RequestTimeTooSkewed", "RequestTimeTooSkewed", 403, SQS_ERROR_CLOCK},

    /* What the AWS SDKs try again, "standard" mode; the lists do not pair the names up. */
    {"ThrottlingException", "Throttling", 400, SQS_ERROR_THROTTLED},
    {"ThrottledException", "ThrottledException", 400, SQS_ERROR_THROTTLED},
    {"RequestThrottledException", "RequestThrottledException", 400, SQS_ERROR_THROTTLED},
    {"TooManyRequestsException", "TooManyRequestsException", 429, SQS_ERROR_THROTTLED},
    {"ProvisionedThroughputExceededException", "ProvisionedThroughputExceededException", 400,
     SQS_ERROR_THROTTLED},
    {"TransactionInProgressException", "TransactionInProgressException", 400, SQS_ERROR_THROTTLED},
    {"RequestLimitExceeded", "RequestLimitExceeded", 503, SQS_ERROR_THROTTLED},
    {"BandwidthLimitExceeded", "BandwidthLimitExceeded", 509, SQS_ERROR_THROTTLED},
    {"LimitExceededException", "LimitExceededException", 400, SQS_ERROR_THROTTLED},
    {"SlowDown", "SlowDown", 503, SQS_ERROR_THROTTLED},
    {"PriorRequestNotComplete", "PriorRequestNotComplete", 400, SQS_ERROR_THROTTLED},
    {"EC2ThrottledException", "EC2ThrottledException", 503, SQS_ERROR_THROTTLED},
    {"RequestTimeoutException", "RequestTimeout", 408, SQS_ERROR_TRANSIENT},
    {"InternalError", "InternalError", 500, SQS_ERROR_TRANSIENT},
    {"InternalServerError", "InternalServerError", 500, SQS_ERROR_TRANSIENT},
    {"InternalFailure", "InternalFailure", 500, SQS_ERROR_TRANSIENT},
    {"ServiceUnavailableException", "ServiceUnavailable", 503, SQS_ERROR_TRANSIENT},
    {"IDPCommunicationError", "IDPCommunicationError", 400, SQS_ERROR_TRANSIENT},
};

const char *sqs_error_class_name(enum sqs_error_class class)
{
    switch (class) {
    case SQS_ERROR_TRANSIENT:
        return "transient";
    case SQS_ERROR_THROTTLED:
        return "throttled";
    case SQS_ERROR_CLOCK:
        return "clock";
    case SQS_ERROR_CREDENTIALS:
        return "credentials";
    case SQS_ERROR_PERMANENT:
        return "permanent";
    }
    return "unknown";
}

const struct sqs_known_error *sqs_error_find(const char *code)
{
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (streq(table[i].name, code) || streq(table[i].query_code, code))
            return &table[i];
    return NULL;
}

enum sqs_error_class sqs_error_class_of_code(const char *code, bool sender_fault)
{
    const struct sqs_known_error *known = sqs_error_find(code);

    if (known)
        return known->class;
    return sender_fault ? SQS_ERROR_PERMANENT : SQS_ERROR_TRANSIENT;
}

const char *sqs_error_canonical_name(const char *code)
{
    const struct sqs_known_error *known = sqs_error_find(code);

    return known ? known->name : code;
}

bool sqs_error_is_outcome_unknown(const struct sqs_error *error)
{
    if (streq(error->name, SQS_ERROR_TOO_EARLY)) /* nothing was given out */
        return false;
    return error->was_repeated || (error->class == SQS_ERROR_TRANSIENT && !error->was_not_sent);
}

bool sqs_error_is_of_queue(const struct sqs_error *error)
{
    static const char *const names[] = {
        "QueueDoesNotExist",
        "QueueDeletedRecently",
        "InvalidSecurity",
        "InvalidAddress",
        "AccessDeniedException",
        "KmsAccessDenied",
        "KmsDisabled",
        "KmsInvalidKeyUsage",
        "KmsInvalidState",
        "KmsNotFound",
        "KmsOptInRequired",
        "ResourceNotFoundException",
        "UnknownOperationException",
        "OptInRequired",
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (error->class == SQS_ERROR_PERMANENT && streq(error->name, names[i]))
            return true;
    return false;
}

/* At " - 15 min" or " + 15 min". */
static bool is_tolerance(const char *text)
{
    if (text[0] != ' ' || (text[1] != '-' && text[1] != '+') || text[2] != ' ')
        return false;
    text += 3;
    if (*text < '0' || *text > '9')
        return false;
    while (*text >= '0' && *text <= '9')
        text++;
    return strncmp(text, " min", 4) == 0;
}

int sqs_error_server_time(const char *text, time_t *ret)
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

/* Copies one of AWS's names into `ret` if these bytes can be one, else leaves it: printable ASCII
 * that fits. Names AWS has not thought of yet may have other characters than today's. */
static bool copy_name(const char *bytes, size_t size, char *ret, size_t ret_size)
{
    while (size > 0 && (bytes[0] == ' ' || bytes[0] == '\t')) {
        bytes++;
        size--;
    }
    while (size > 0 && (bytes[size - 1] == ' ' || bytes[size - 1] == '\t'))
        size--;
    if (size == 0 || size >= ret_size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] <= 0x20 || bytes[i] >= 0x7f)
            return false;
    memcpy(ret, bytes, size);
    ret[size] = '\0';
    return true;
}

/* "com.amazonaws.sqs#QueueDoesNotExist:http://..." to "QueueDoesNotExist": up to the first ":",
 * then after the "#". */
static bool copy_shape_name(const char *bytes, size_t size, char *ret, size_t ret_size)
{
    const char *end = memchr(bytes, ':', size), *hash;

    if (end)
        size = (size_t)(end - bytes);
    hash = memchr(bytes, '#', size);
    if (hash) {
        size -= (size_t)(hash + 1 - bytes);
        bytes = hash + 1;
    }
    return copy_name(bytes, size, ret, ret_size);
}

/* Copies text as one line of UTF-8, cut between characters. */
static void copy_text(const char *bytes, size_t size, char *ret, size_t ret_size)
{
    size_t used = 0;

    for (size_t i = 0, n; i < size; i += n) {
        uint32_t c = 0;

        n = utf8_decode(bytes + i, size - i, &c);
        if (used + MAX(n, (size_t)1) >= ret_size)
            break;
        if (n == 0) {
            ret[used++] = '?';
            n = 1;
        } else if (!fits_into_line(c)) {
            ret[used++] = ' ';
        } else {
            memcpy(ret + used, bytes + i, n);
            used += n;
        }
    }
    ret[used] = '\0';
}

/* The body as a JSON object; NULL where it is none, as where memory ran out: then the headers and
 * the status say what they can. */
static struct json_tree *read_body(const char *body, size_t body_bytes)
{
    struct json_tree *tree = NULL;
    struct json_fault fault;

    if (!body || body_bytes > BODY_MAX_BYTES)
        return NULL;
    json_tree_read(body, body_bytes, BODY_MAX_DEPTH, JSON_LONE_SURROGATES_REPLACED, &tree, &fault);
    return tree;
}

/* Whether there is such a member, a string. */
static bool get_bytes(const struct json_value *root, const char *name, const char **ret,
                      size_t *ret_bytes)
{
    return root && json_value_get_bytes(root, name, ret, ret_bytes) == 0;
}

/* The shape's name, from the first of the places where it may stand. */
static void read_shape_name(const struct json_value *root, const char *error_type,
                            struct sqs_error *error)
{
    const char *text;
    size_t size = 0;

    if (get_bytes(root, "__type", &text, &size) &&
        copy_shape_name(text, size, error->name, sizeof(error->name)))
        return;
    if (error_type &&
        copy_shape_name(error_type, strlen(error_type), error->name, sizeof(error->name)))
        return;
    if (get_bytes(root, "code", &text, &size))
        copy_shape_name(text, size, error->name, sizeof(error->name));
}

/* x-amzn-query-error: "Code;Sender" or "Code;Receiver"; all else is as if it were not there. */
static void read_query_error(const char *query_error, struct sqs_error *error,
                             bool *ret_receiver_fault)
{
    const char *semicolon = query_error ? strchr(query_error, ';') : NULL;

    if (!semicolon || strchr(semicolon + 1, ';'))
        return;
    if (copy_name(query_error, (size_t)(semicolon - query_error), error->code, sizeof(error->code)))
        *ret_receiver_fault = streq(semicolon + 1, "Receiver");
}

/* The text's first line. What follows it after a wrong signature is the canonical request as AWS
 * saw it, with the session token in it. */
static void read_message(const struct json_value *root, struct sqs_error *error)
{
    const char *text, *line_end;
    size_t size = 0;

    if (!get_bytes(root, "message", &text, &size) && !get_bytes(root, "Message", &text, &size))
        return;
    line_end = memchr(text, '\n', size);
    copy_text(text, line_end ? (size_t)(line_end - text) : size, error->message,
              TEXT_MAX_BYTES + 1);
}

/* x-amz-retry-after: whole milliseconds. */
static uint64_t read_retry_after(const char *text)
{
    uint64_t msec = 0;

    if (!is_set(text))
        return USEC_INFINITY;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return USEC_INFINITY;
        if (msec > (UINT64_MAX / USEC_PER_MSEC - 9) / 10)
            return USEC_INFINITY;
        msec = msec * 10 + (uint64_t)(*text - '0');
    }
    return msec * USEC_PER_MSEC;
}

/* For a code that the table does not know, and for none. */
static enum sqs_error_class class_of_status(int http_status)
{
    if (http_status == 429 || http_status == 509)
        return SQS_ERROR_THROTTLED;
    /* No reply, a time-out, or a reply that is no error and yet was not understood. */
    if (http_status < 300 || http_status == 408 || http_status >= 500)
        return SQS_ERROR_TRANSIENT;
    return SQS_ERROR_PERMANENT;
}

/* AWS sends the same code and the same status for a signature whose time is off as for one that was
 * made with a wrong key, and no other member or header tells the two apart: so the text decides, in
 * this place alone. */
bool sqs_error_is_of_clock(const char *code, const char *message)
{
    const struct sqs_known_error *known = sqs_error_find(code);

    if (!known)
        return false;
    if (known->class == SQS_ERROR_CLOCK)
        return true;
    return message && streq(known->name, "InvalidSignatureException") &&
           (strstr(message, "Signature expired") || strstr(message, "Signature not yet current"));
}

/* So is one that was made for another region. */
static bool is_scope_text(const struct sqs_known_error *known, const char *message)
{
    return streq(known->name, "InvalidSignatureException") &&
           strcasestr(message, "should be scoped to a valid region");
}

void sqs_error_parse(int http_status, const char *query_error, const char *error_type,
                     const char *retry_after, const char *body, size_t body_bytes,
                     struct sqs_error *ret)
{
    CLEANUP(json_tree_free) struct json_tree *tree = read_body(body, body_bytes);
    const struct json_value *root = tree ? json_tree_root(tree) : NULL;
    const struct sqs_known_error *known = NULL;
    bool receiver_fault = false;

    *ret = (struct sqs_error){.http_status = http_status,
                              .retry_after_usec = read_retry_after(retry_after)};
    read_shape_name(root, error_type, ret);
    read_query_error(query_error, ret, &receiver_fault);
    read_message(root, ret);

    if (ret->name[0] != '\0')
        known = sqs_error_find(ret->name);
    if (!known && ret->code[0] != '\0')
        known = sqs_error_find(ret->code);
    if (known)
        copy_name(known->name, strlen(known->name), ret->name, sizeof(ret->name));
    else if (ret->name[0] == '\0')
        memcpy(ret->name, ret->code, sizeof(ret->name));
    if (ret->code[0] == '\0')
        memcpy(ret->code, ret->name, sizeof(ret->code));

    ret->class = known ? known->class : class_of_status(http_status);
    if (!known && receiver_fault && ret->class == SQS_ERROR_PERMANENT)
        ret->class = SQS_ERROR_TRANSIENT;
    if (known && sqs_error_is_of_clock(known->name, ret->message))
        ret->class = SQS_ERROR_CLOCK;
    ret->is_wrong_scope = known && is_scope_text(known, ret->message);
    if (ret->class == SQS_ERROR_CLOCK)
        ret->has_server_time = sqs_error_server_time(ret->message, &ret->server_time) == 0;
}
