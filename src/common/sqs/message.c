/* SPDX-License-Identifier: MIT */
/* The checks are SQS's own (Developer Guide, "Message quotas" and "Message metadata"). SQS does not
 * refuse the form of a message that passes them. So one bad message cannot make SQS refuse a batch
 * with nine good ones.
 *
 * MD5 is fetched from OpenSSL once in the life of the process, with one context that is used for
 * all digests. If OpenSSL has no MD5 (FIPS), that is remembered, too. */
#include "sqs/message.h"

#include <errno.h>
#include <stdio.h>

#include <openssl/evp.h>

#include "util/ascii.h"
#include "util/encode.h"
#include "util/error-line.h"

enum {
    NAME_MAX_BYTES = 256,
    DATA_TYPE_MAX_BYTES = 256,
    SHOWN_NAME_MAX_BYTES = 80,
};

size_t sqs_message_bytes(const struct sqs_message *message)
{
    size_t bytes = message->body_bytes;

    for (size_t i = 0; i < message->n_attributes; i++)
        bytes += strlen(message->attributes[i].name) + strlen(message->attributes[i].data_type) +
                 message->attributes[i].value_bytes;
    return bytes;
}

#define invalid(error, ...) error_line(SQS_MESSAGE_E_INVALID, error, __VA_ARGS__)

/* Whether all eight bytes are from 0x20 to 0x7f. For such bytes, the subtraction of 0x20 from each
 * never borrows from the next byte, and the highest bit of each byte stays 0. */
static bool is_plain_eight(const char bytes[8])
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t eight;

    memcpy(&eight, bytes, sizeof(eight));
    return ((eight | (eight - 0x20 * ones)) & (0x80 * ones)) == 0;
}

/* SQS allows the characters of XML 1.0. Most text is plain ASCII, which is checked eight bytes at a
 * time. */
static int check_text(const char *field, const char *text, size_t size, char **error)
{
    for (size_t i = 0, n; i < size; i += n) {
        unsigned char byte = (unsigned char)text[i];
        uint32_t c;

        n = 8;
        if (size - i >= n && is_plain_eight(text + i))
            continue;
        n = 1;
        if (byte >= 0x20 && byte < 0x80)
            continue;
        n = utf8_decode(text + i, size - i, &c);
        if (n == 0)
            return invalid(error, "%s: byte %zu (0x%02x) does not belong to UTF-8 text", field,
                           i + 1, byte);
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0xFFFE || c == 0xFFFF)
            return invalid(
                error,
                "%s: character U+%04X at byte %zu is not one that SQS takes (tab, "
                "newline, carriage return, and U+0020 or higher, except U+FFFE and U+FFFF)",
                field, (unsigned)c, i + 1);
    }
    return 0;
}

static int check_id(const char *field, const char *id, char **error)
{
    size_t size;

    if (!id)
        return 0;
    size = strlen(id);
    if (size == 0 || size > SQS_ID_MAX_BYTES)
        return invalid(error, "%s: %zu characters, SQS takes 1 to %d", field, size,
                       SQS_ID_MAX_BYTES);
    for (size_t i = 0; i < size; i++)
        if (id[i] <= 0x20 || id[i] >= 0x7f)
            return invalid(error,
                           "%s: character %zu (0x%02x) is not one that SQS takes (letters, digits "
                           "and punctuation of ASCII, no space)",
                           field, i + 1, (unsigned char)id[i]);
    return 0;
}

static bool is_name_char(char c)
{
    return is_letter_or_digit(c) || c == '_' || c == '-' || c == '.';
}

static int check_attribute_name(const char *field, const char *name, char **error)
{
    size_t size = strlen(name);

    if (size == 0 || size > NAME_MAX_BYTES)
        return invalid(error, "%s: a name of %zu characters, SQS takes 1 to %d", field, size,
                       NAME_MAX_BYTES);
    for (size_t i = 0; i < size; i++)
        if (!is_name_char(name[i]))
            return invalid(error,
                           "%s: character %zu of the name (0x%02x) is not one that SQS takes "
                           "(A-Z a-z 0-9 _ - .)",
                           field, i + 1, (unsigned char)name[i]);
    if (name[0] == '.' || name[size - 1] == '.' || strstr(name, ".."))
        return invalid(error, "%s: the name begins or ends with a dot or has two in a row", field);
    if (strncasecmp(name, "AWS.", 4) == 0 || strncasecmp(name, "Amazon.", 7) == 0)
        return invalid(error, "%s: names that begin with AWS. or Amazon. are SQS's own", field);
    return 0;
}

/* Whether a data type is `base`, or `base` with a label. */
static bool is_type(const char *data_type, const char *base)
{
    size_t size = strlen(base);

    return strncmp(data_type, base, size) == 0 &&
           (data_type[size] == '\0' || (data_type[size] == '.' && data_type[size + 1] != '\0'));
}

static size_t skip_digits(const char *text, size_t size, size_t from)
{
    while (from < size && is_digit(text[from]))
        from++;
    return from;
}

/* [+-]digits[.digits][e[+-]digits], with digits on at least one side of the point. */
static bool is_number(const char *text, size_t size)
{
    size_t i = 0, from, digits;

    if (i < size && (text[i] == '+' || text[i] == '-'))
        i++;
    from = i;
    i = skip_digits(text, size, i);
    digits = i - from;
    if (i < size && text[i] == '.') {
        from = ++i;
        i = skip_digits(text, size, i);
        digits += i - from;
    }
    if (digits == 0)
        return false;
    if (i < size && (text[i] == 'e' || text[i] == 'E')) {
        i++;
        if (i < size && (text[i] == '+' || text[i] == '-'))
            i++;
        from = i;
        i = skip_digits(text, size, i);
        if (i == from)
            return false;
    }
    return i == size;
}

static int check_attribute_value(const char *field, const struct sqs_attribute *attribute,
                                 char **error)
{
    bool is_binary = is_type(attribute->data_type, "Binary");

    if (!is_binary && !is_type(attribute->data_type, "String") &&
        !is_type(attribute->data_type, "Number"))
        return invalid(error,
                       "%s: the data type is not String, Number or Binary, or one of them with a "
                       "label as in Number.float",
                       field);
    if (strlen(attribute->data_type) > DATA_TYPE_MAX_BYTES)
        return invalid(error, "%s: a data type of %zu bytes, SQS takes at most %d", field,
                       strlen(attribute->data_type), DATA_TYPE_MAX_BYTES);
    if (is_binary != attribute->is_binary)
        return invalid(error, "%s: the value is%s binary, its data type is%s", field,
                       attribute->is_binary ? "" : " not", is_binary ? "" : " not");
    if (attribute->value_bytes == 0)
        return invalid(error, "%s: the value is empty", field);
    if (is_type(attribute->data_type, "Number") &&
        !is_number(attribute->value, attribute->value_bytes))
        return invalid(error, "%s: the value is not a number", field);
    return is_binary ? 0 : check_text(field, attribute->value, attribute->value_bytes, error);
}

static int check_attribute(const struct sqs_message *message, size_t i, char **error)
{
    const struct sqs_attribute *attribute = &message->attributes[i];
    CLEANUP(buffer_done) struct buffer field = BUFFER_INIT(1024);
    int r;

    buffer_printf(&field, "attribute %zu (", i + 1);
    escape_for_log(&field, attribute->name, strlen(attribute->name), SHOWN_NAME_MAX_BYTES);
    r = buffer_append_char(&field, ')');
    if (r < 0)
        return r;

    r = check_attribute_name(buffer_string(&field), attribute->name, error);
    if (r != 0)
        return r;
    for (size_t k = 0; k < i; k++)
        if (streq(message->attributes[k].name, attribute->name))
            return invalid(error, "%s: attribute %zu has the same name", buffer_string(&field),
                           k + 1);
    r = check_text(buffer_string(&field), attribute->data_type, strlen(attribute->data_type),
                   error);
    if (r != 0)
        return r;
    return check_attribute_value(buffer_string(&field), attribute, error);
}

static int check_ids_and_delay(const struct sqs_message *message, bool is_fifo, char **error)
{
    int r;

    if (is_fifo && !message->group_id)
        return invalid(error, "group id: missing, each message to a FIFO queue needs one");
    r = check_id("group id", message->group_id, error);
    if (r != 0)
        return r;
    if (!is_fifo && message->deduplication_id)
        return invalid(error, "deduplication id: set, but only FIFO queues take one");
    r = check_id("deduplication id", message->deduplication_id, error);
    if (r != 0)
        return r;
    if (message->delay_sec < -1 || message->delay_sec > SQS_DELAY_MAX_SEC)
        return invalid(error, "delay: %d s, SQS takes 0 to %d", message->delay_sec,
                       SQS_DELAY_MAX_SEC);
    if (is_fifo && message->delay_sec > 0)
        return invalid(error,
                       "delay: %d s, but on a FIFO queue all messages have the queue's delay",
                       message->delay_sec);
    return 0;
}

int sqs_message_check(const struct sqs_message *message, bool is_fifo, size_t max_bytes,
                      char **error)
{
    size_t bytes;
    int r;

    if (message->body_bytes == 0)
        return invalid(error, "body: empty, SQS takes at least 1 character");
    if (message->n_attributes > SQS_ATTRIBUTES_MAX)
        return invalid(error, "attributes: %zu of them, SQS takes at most %d",
                       message->n_attributes, SQS_ATTRIBUTES_MAX);
    /* The size is checked before the texts are: this bounds the work. */
    bytes = sqs_message_bytes(message);
    if (bytes > max_bytes)
        return invalid(error, "message: %zu bytes with its attributes, the queue takes at most %zu",
                       bytes, max_bytes);
    r = check_ids_and_delay(message, is_fifo, error);
    if (r != 0)
        return r;
    for (size_t i = 0; i < message->n_attributes; i++) {
        r = check_attribute(message, i, error);
        if (r != 0)
            return r;
    }
    return check_text("body", message->body, message->body_bytes, error);
}

/* One context is enough: each digest is finished before the next begins. */
static struct {
    EVP_MD *algorithm; /* NULL: OpenSSL has none */
    EVP_MD_CTX *context;
    bool was_fetched;
} md5;

static int md5_begin(EVP_MD_CTX **ret)
{
    if (!md5.was_fetched) {
        md5.algorithm = EVP_MD_fetch(NULL, "MD5", NULL);
        md5.was_fetched = true;
    }
    if (!md5.algorithm)
        return SQS_MD5_E_UNAVAILABLE;
    if (!md5.context)
        md5.context = EVP_MD_CTX_new();
    if (!md5.context || EVP_DigestInit_ex2(md5.context, md5.algorithm, NULL) != 1)
        return -ENOMEM;
    *ret = md5.context;
    return 0;
}

static int md5_end(EVP_MD_CTX *context, char ret[SQS_MD5_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    if (EVP_DigestFinal_ex(context, digest, &size) != 1 || size * 2 + 1 != SQS_MD5_SIZE)
        return -ENOMEM;
    hex_encode(digest, size, ret);
    return 0;
}

int sqs_md5_body(const char *body, size_t body_bytes, char ret[SQS_MD5_SIZE])
{
    EVP_MD_CTX *context;
    int r = md5_begin(&context);

    if (r != 0)
        return r;
    if (EVP_DigestUpdate(context, body, body_bytes) != 1)
        return -ENOMEM;
    return md5_end(context, ret);
}

static int compare_names(const void *a, const void *b)
{
    const struct sqs_attribute *const *left = a, *const *right = b;

    return strcmp((*left)->name, (*right)->name);
}

/* Adds the length as four bytes, the highest first, and then the bytes. */
static bool add_counted(EVP_MD_CTX *context, const void *bytes, size_t size)
{
    const unsigned char length[4] = {(unsigned char)(size >> 24), (unsigned char)(size >> 16),
                                     (unsigned char)(size >> 8), (unsigned char)size};

    return EVP_DigestUpdate(context, length, sizeof(length)) == 1 &&
           EVP_DigestUpdate(context, bytes, size) == 1;
}

int sqs_md5_attributes(const struct sqs_attribute *attributes, size_t n, char ret[SQS_MD5_SIZE])
{
    CLEANUP(free) const struct sqs_attribute **sorted = NULL;
    EVP_MD_CTX *context;
    int r = md5_begin(&context);

    if (r != 0)
        return r;
    sorted = calloc(MAX(n, (size_t)1), sizeof(const struct sqs_attribute *));
    if (!sorted)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &attributes[i];
    qsort(sorted, n, sizeof(const struct sqs_attribute *), compare_names);

    for (size_t i = 0; i < n; i++) {
        const struct sqs_attribute *attribute = sorted[i];
        const unsigned char transport = attribute->is_binary ? 2 : 1;

        if (!add_counted(context, attribute->name, strlen(attribute->name)) ||
            !add_counted(context, attribute->data_type, strlen(attribute->data_type)) ||
            EVP_DigestUpdate(context, &transport, 1) != 1 ||
            !add_counted(context, attribute->value, attribute->value_bytes))
            return -ENOMEM;
    }
    return md5_end(context, ret);
}
