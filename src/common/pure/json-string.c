/* See json-string.h. Runs of bytes that stand for themselves are found first and appended in one
 * go; most bodies are one or few such runs. */
#include "json-string.h"

#include <errno.h>

#include "encode.h"

/* The length of the run of plain ASCII, all but quotes and backslashes, at the start. */
static size_t plain_run(const char *bytes, size_t size)
{
    size_t i = 0;

    while (i < size) {
        unsigned char c = (unsigned char)bytes[i];

        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
            break;
        i++;
    }
    return i;
}

static int append_escaped(struct buffer *b, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";

    switch (c) {
    case '"':
        return buffer_append(b, "\\\"", 2);
    case '\\':
        return buffer_append(b, "\\\\", 2);
    case '\b':
        return buffer_append(b, "\\b", 2);
    case '\f':
        return buffer_append(b, "\\f", 2);
    case '\n':
        return buffer_append(b, "\\n", 2);
    case '\r':
        return buffer_append(b, "\\r", 2);
    case '\t':
        return buffer_append(b, "\\t", 2);
    default:
        return buffer_append(b, (char[]){'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]}, 6);
    }
}

int json_append_string(struct buffer *b, const char *bytes, size_t size)
{
    size_t begin = 0, i = 0;

    if (size == 0)
        return buffer_append(b, "\"\"", 2);
    if (size > SIZE_MAX - 2)
        return b->error = -E2BIG;
    buffer_reserve(b, size + 2);
    buffer_append_char(b, '"');
    while (i < size && b->error == 0) {
        unsigned char c;

        i += plain_run(bytes + i, size - i);
        if (i == size)
            break;
        c = (unsigned char)bytes[i];
        if (c >= 0x80) {
            uint32_t code_point;
            size_t length = utf8_decode(bytes + i, size - i, &code_point);

            if (length == 0)
                return b->error = -EINVAL;
            i += length;
        } else {
            buffer_append(b, bytes + begin, i - begin);
            append_escaped(b, c);
            begin = ++i;
        }
    }
    buffer_append(b, bytes + begin, size - begin);
    return buffer_append_char(b, '"');
}
