/* SPDX-License-Identifier: MIT */
/* The class of an error is decided in this order: by the code, under either of its names; by the
 * fault in x-amzn-query-error; by the HTTP status. The code comes first because the status alone
 * misleads: SQS throttles with 403, and a 503 may be throttling.
 *
 * Text from the reply is made harmless when it is copied: names are printable ASCII, the message is
 * one line of UTF-8. */
#include "sqs/error.h"

#include <stdio.h>

#include "util/ascii.h"
#include "util/encode.h"
#include "util/json-tree.h"

enum {
    BODY_MAX_BYTES = 256 * 1024, /* of an error's body; a longer one is not read */
    BODY_MAX_DEPTH = 16,
    TEXT_MAX_BYTES = 511, /* AWS's text is cut at this */
};

#define ACCESS_DENIED "AccessDeniedException"

bool sqs_error_is_denial(const struct sqs_error *error)
{
    return streq(error->name, ACCESS_DENIED);
}

bool sqs_error_is_without_credentials(const struct sqs_error *error)
{
    return streq(error->name, SQS_ERROR_NO_CREDENTIALS) ||
           streq(error->name, SQS_ERROR_NO_CREDENTIALS_YET);
}

/* SQS has several answers for a receipt handle that has expired. One of them has the same code as
 * any other bad parameter, so only its text identifies it. */
bool sqs_error_is_lease_lost(const char *code, const char *text)
{
    const char *name = aws_error_canonical_name(code);

    return streq(name, "ReceiptHandleIsInvalid") || streq(name, "MessageNotInflight") ||
           (streq(name, "InvalidParameterValueException") &&
            (strstr(text, "receipt handle has expired") ||
             strstr(text, "not available for visibility timeout change")));
}

bool sqs_error_is_outcome_unknown(const struct sqs_error *error)
{
    if (streq(error->name, SQS_ERROR_TOO_EARLY)) /* SQS gave out no message */
        return false;
    return error->was_repeated || (error->class == AWS_ERROR_TRANSIENT && !error->was_not_sent);
}

bool sqs_error_is_about_setup(const struct sqs_error *error)
{
    static const char *const names[] = {
        "QueueDoesNotExist",
        "QueueDeletedRecently",
        "InvalidSecurity",
        "InvalidAddress",
        ACCESS_DENIED,
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
        if (error->class == AWS_ERROR_PERMANENT && streq(error->name, names[i]))
            return true;
    return false;
}

/* Copies an error name into `ret` if the bytes are printable ASCII and fit; else leaves `ret`
 * unchanged. The check is no stricter, because AWS's future names may have other characters. */
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

/* Copies "QueueDoesNotExist" from "com.amazonaws.sqs#QueueDoesNotExist:http://...": the part before
 * the first ":" and after the "#". */
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

/* Copies text as one line of UTF-8. Text that is too long is cut between characters. */
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
        } else if (!is_safe_in_line(c)) {
            ret[used++] = ' ';
        } else {
            memcpy(ret + used, bytes + i, n);
            used += n;
        }
    }
    ret[used] = '\0';
}

/* The body as a JSON object; NULL if it is none, or if memory ran out. Then only the headers and
 * the status are read. */
static struct json_tree *read_body(const char *body, size_t body_bytes)
{
    struct json_tree *tree = NULL;
    struct json_fault fault;

    if (!body || body_bytes > BODY_MAX_BYTES)
        return NULL;
    json_tree_read(body, body_bytes, BODY_MAX_DEPTH, JSON_LONE_SURROGATES_REPLACED, &tree, &fault);
    return tree;
}

/* Whether the member is there and is a string. */
static bool get_bytes(const struct json_value *root, const char *name, const char **ret,
                      size_t *ret_bytes)
{
    return root && json_value_get_bytes(root, name, ret, ret_bytes) == 0;
}

/* Reads the shape's name from the first place that has one. */
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

/* x-amzn-query-error: "Code;Sender" or "Code;Receiver". Any other form is ignored. */
static void read_query_error(const char *query_error, struct sqs_error *error,
                             bool *ret_receiver_fault)
{
    const char *semicolon = query_error ? strchr(query_error, ';') : NULL;

    if (!semicolon || strchr(semicolon + 1, ';'))
        return;
    if (copy_name(query_error, (size_t)(semicolon - query_error), error->code, sizeof(error->code)))
        *ret_receiver_fault = streq(semicolon + 1, "Receiver");
}

/* Keeps only the text's first line. After a wrong signature, the lines below it are the canonical
 * request that AWS made, which contains the session token. */
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
        if (!is_digit(*text))
            return USEC_INFINITY;
        if (msec > (UINT64_MAX / USEC_PER_MSEC - 9) / 10)
            return USEC_INFINITY;
        msec = msec * 10 + (uint64_t)(*text - '0');
    }
    return msec * USEC_PER_MSEC;
}

/* For a code that is not in the table, and for a reply without a code. */
static enum aws_error_class class_of_status(int http_status)
{
    if (http_status == 429 || http_status == 509)
        return AWS_ERROR_THROTTLED;
    /* No reply, a time-out, or a status that is no error with a reply that was not understood. */
    if (http_status < 300 || http_status == 408 || http_status >= 500)
        return AWS_ERROR_TRANSIENT;
    return AWS_ERROR_PERMANENT;
}

void sqs_error_parse(int http_status, const char *query_error, const char *error_type,
                     const char *retry_after, const char *body, size_t body_bytes,
                     struct sqs_error *ret)
{
    CLEANUP(json_tree_free) struct json_tree *tree = read_body(body, body_bytes);
    const struct json_value *root = tree ? json_tree_root(tree) : NULL;
    const struct aws_known_error *known = NULL;
    bool receiver_fault = false;

    *ret = (struct sqs_error){.http_status = http_status,
                              .retry_after_usec = read_retry_after(retry_after)};
    read_shape_name(root, error_type, ret);
    read_query_error(query_error, ret, &receiver_fault);
    read_message(root, ret);

    if (ret->name[0] != '\0')
        known = aws_error_find(ret->name);
    if (!known && ret->code[0] != '\0')
        known = aws_error_find(ret->code);
    if (known)
        copy_name(known->name, strlen(known->name), ret->name, sizeof(ret->name));
    else if (ret->name[0] == '\0')
        memcpy(ret->name, ret->code, sizeof(ret->name));
    if (ret->code[0] == '\0')
        memcpy(ret->code, ret->name, sizeof(ret->code));

    ret->class = known ? known->class : class_of_status(http_status);
    if (!known && receiver_fault && ret->class == AWS_ERROR_PERMANENT)
        ret->class = AWS_ERROR_TRANSIENT;
    if (known && aws_error_is_about_clock(known->name, ret->message))
        ret->class = AWS_ERROR_CLOCK;
    ret->is_wrong_region = known && aws_error_is_about_region(known->name, ret->message);
}

void sqs_error_set_name(struct sqs_error *error, const char *name)
{
    snprintf(error->name, sizeof(error->name), "%s", name);
    error->code[0] = '\0';
}

void sqs_error_set(struct sqs_error *ret, enum aws_error_class class, const char *name,
                   const char *text)
{
    *ret = (struct sqs_error){.class = class, .retry_after_usec = USEC_INFINITY};
    sqs_error_set_name(ret, name);
    snprintf(ret->message, sizeof(ret->message), "%s", text);
}
