/* See json-string.h. Two passes: the first counts what the text will take and sees whether there is
 * more in it than ASCII, so that the second writes into room that is there. */
#include "json-string.h"

#include <errno.h>

#include "encode.h"

/* What each byte takes: 1 for itself, 2 for \n and the like, 6 for \u00XX. */
static const unsigned char escaped_bytes[256] = {
    [0 ... 7] = 6,   [8 ... 10] = 2, [11] = 6,        [12 ... 13] = 2, [14 ... 31] = 6,
    [32 ... 33] = 1, ['"'] = 2,      [35 ... 91] = 1, ['\\'] = 2,      [93 ... 255] = 1,
};

enum { ESCAPED_BYTES_MAX = 6 };

static char *write_escaped(char *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                   ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};

    *out++ = '\\';
    if (escaped_bytes[c] == 2) {
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

int json_append_string(struct buffer *b, const char *bytes, size_t size)
{
    const unsigned char *p = (const unsigned char *)bytes;
    unsigned char all = 0;
    size_t total = 2;
    char *out;
    int r;

    if (b->error < 0)
        return b->error;
    if (size > SIZE_MAX / ESCAPED_BYTES_MAX - 2)
        return b->error = -E2BIG;
    for (size_t i = 0; i < size; i++) {
        all |= p[i];
        total += escaped_bytes[p[i]];
    }
    if (all >= 0x80 && !utf8_is_valid(bytes, size))
        return b->error = -EINVAL;
    r = buffer_reserve(b, total);
    if (r < 0)
        return r;

    out = b->data + b->size;
    *out++ = '"';
    for (size_t i = 0; i < size; i++) {
        if (escaped_bytes[p[i]] == 1)
            *out++ = (char)p[i];
        else
            out = write_escaped(out, p[i]);
    }
    *out++ = '"';
    *out = '\0';
    b->size += total;
    return 0;
}
