/* SPDX-License-Identifier: MIT */
/* Most text needs no escaping and is copied eight bytes at a time. The buffer always has space for
 * the rest of the text unescaped, so it grows only when a character is escaped. */
#include "util/json-string.h"

#include <errno.h>

#include "util/encode.h"

/* The letters of the two-byte escapes. */
static const char letters[256] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                  ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};

/* Writes 2 bytes if the byte has a letter, else 6. The buffer must have space for them. */
static char *write_escaped(char *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";

    *out++ = '\\';
    if (letters[c]) {
        *out++ = letters[c];
        return out;
    }
    *out++ = 'u';
    *out++ = '0';
    *out++ = '0';
    *out++ = digits[c >> 4];
    *out++ = digits[c & 15];
    return out;
}

/* Copies the bytes up to the first that needs an escape. Returns their number. There must be space
 * for `size` bytes. */
static size_t copy_plain(char *out, const char *bytes, size_t size)
{
    size_t i = 0, n;

    while (size - i >= 8) {
        memcpy(out + i, bytes + i, 8);
        n = json_plain_of_eight(bytes + i);
        i += n;
        if (n < 8)
            return i;
    }
    for (; i < size && json_is_plain(bytes[i]); i++)
        out[i] = bytes[i];
    return i;
}

/* How many bytes can still be written at `out` in the buffer, without the NUL. */
static size_t free_bytes(const struct buffer *b, const char *out)
{
    return MIN(b->allocated - 1, b->max) - (size_t)(out - b->data);
}

int json_append_string(struct buffer *b, const char *bytes, size_t size)
{
    size_t start = b->size, left = size;
    char *out;
    int r;

    if (b->error < 0)
        return b->error;
    if (size > SIZE_MAX - 2)
        return b->error = -E2BIG;
    r = buffer_reserve(b, size + 2);
    if (r < 0)
        return r;
    if (!utf8_is_valid(bytes, size))
        return b->error = -EINVAL;

    out = b->data + start;
    *out++ = '"';
    while (left > 0) {
        size_t n = copy_plain(out, bytes, left);

        out += n;
        bytes += n;
        left -= n;
        if (left == 0)
            break;
        n = letters[(unsigned char)*bytes] ? 2 : 6;
        if (free_bytes(b, out) < n + left) { /* the quote at the end takes this byte's place */
            b->size = (size_t)(out - b->data);
            r = buffer_reserve(b, n + left);
            if (r < 0) {
                b->size = start;
                b->data[start] = '\0';
                return r;
            }
            out = b->data + b->size;
        }
        out = write_escaped(out, (unsigned char)*bytes);
        bytes++;
        left--;
    }
    *out++ = '"';
    *out = '\0';
    b->size = (size_t)(out - b->data);
    return 0;
}
