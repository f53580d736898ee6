/* SPDX-License-Identifier: MIT */
/* An error line names the damaged member, but never quotes its value: that may be somebody's
 * message. */
#include "sqs/reply-reader.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "util/ascii.h"
#include "util/error-line.h"

struct reply_chunk {
    struct reply_chunk *next;
    max_align_t data[];
};

void reply_storage_free(struct reply_storage *storage)
{
    if (!storage)
        return;
    while (storage->chunks) {
        struct reply_chunk *next = storage->chunks->next;

        free(storage->chunks);
        storage->chunks = next;
    }
    json_tree_free(storage->tree);
    free(storage);
}

void *reply_allocate(const struct reply_reader *reader, size_t n, size_t size)
{
    struct reply_chunk *chunk;
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX - sizeof(*chunk))
        return NULL;
    chunk = calloc(1, sizeof(*chunk) + bytes);
    if (!chunk)
        return NULL;
    chunk->next = reader->storage->chunks;
    reader->storage->chunks = chunk;
    return chunk->data;
}

int reply_damaged(const struct reply_reader *reader, const char *name, const char *format, ...)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(1024);
    char detail[200];
    va_list ap;

    if (!reader->error)
        return SQS_REPLY_E_DAMAGED;
    va_start(ap, format);
    vsnprintf(detail, sizeof(detail), format, ap);
    va_end(ap);
    buffer_printf(&line,
                  "the reply to %s is damaged: ", sqs_operation_name(reader->request->operation));
    if (reader->list)
        buffer_printf(&line, "%s[%zu]", reader->list, reader->list_at);
    if (reader->inner)
        buffer_printf(&line, ".%s[%zu]", reader->inner, reader->inner_at);
    if (name)
        buffer_printf(&line, "%s%s", reader->list ? "." : "", name);
    buffer_printf(&line, "%s%s", name || reader->list ? " " : "", detail);
    return error_line_take(SQS_REPLY_E_DAMAGED, reader->error, &line);
}

int reply_result(const struct reply_reader *reader, const char *name, int answer, bool required)
{
    if (answer == 0 || (answer == JSON_VALUE_E_ABSENT && !required))
        return 0;
    if (answer == JSON_VALUE_E_ABSENT)
        return reply_damaged(reader, name, "is missing");
    return reply_damaged(reader, name, "is of the wrong type");
}

int reply_read_string(const struct reply_reader *reader, const struct json_value *object,
                      const char *name, const char **ret)
{
    return reply_result(reader, name, json_value_get_string(object, name, ret), false);
}

int reply_read_required_string(const struct reply_reader *reader, const struct json_value *object,
                               const char *name, const char **ret)
{
    const char *text = "";
    int r = reply_result(reader, name, json_value_get_string(object, name, &text), true);

    if (r != 0)
        return r;
    if (text[0] == '\0')
        return reply_damaged(reader, name, "is empty");
    *ret = text;
    return 0;
}

int reply_read_number(const struct reply_reader *reader, const struct json_value *object,
                      const char *name, uint64_t max, uint64_t *ret)
{
    const char *text = NULL;
    uint64_t value = 0;
    int r = reply_read_string(reader, object, name, &text);

    if (r != 0 || !text)
        return r;
    if (text[0] == '\0')
        return reply_damaged(reader, name, "is not a number");
    for (; *text; text++) {
        if (!is_digit(*text))
            return reply_damaged(reader, name, "is not a number");
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return reply_damaged(reader, name, "is too large a number");
    }
    if (value > max)
        return reply_damaged(reader, name, "is too large a number");
    *ret = value;
    return 0;
}

int reply_read_unsigned(const struct reply_reader *reader, const struct json_value *object,
                        const char *name, unsigned *ret)
{
    uint64_t value = *ret;
    int r = reply_read_number(reader, object, name, UINT_MAX, &value);

    if (r == 0)
        *ret = (unsigned)value;
    return r;
}

int reply_read_md5(const struct reply_reader *reader, const struct json_value *object,
                   const char *name, const char *ours, bool *ret_differs)
{
    const char *theirs = NULL;
    int r = reply_read_string(reader, object, name, &theirs);

    if (r == 0 && theirs)
        *ret_differs = strcasecmp(theirs, ours) != 0;
    return r;
}
