/* SPDX-License-Identifier: MIT */
/* Text as JSON strings (RFC 8259), written straight into a buffer: on the way of every message
 * sent, a tree of JSON objects would copy each body twice more. */
#pragma once

#include <endian.h>

#include "util/buffer.h"

/* Appends the text as a string in quotes. Only what must be escaped is: quotes, backslashes,
 * control characters (a NUL as \u0000). `bytes` may be NULL where the size is 0. 0, -ENOMEM,
 * -E2BIG; -EINVAL where the bytes are not UTF-8. Any of them sticks to the buffer; nothing was
 * appended then. */
int json_append_string(struct buffer *b, const char *bytes, size_t size);

/* Which of eight bytes, as they stand in memory, do not stand for themselves inside a JSON string:
 * quotes, backslashes and control characters. How many bytes come before the first such one; 8:
 * there is none. Whether they are UTF-8 is not looked at. */
static inline size_t json_plain_of_eight(const char bytes[8])
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = 0x80 * ones;
    uint64_t eight, quotes, backslashes, found;

    memcpy(&eight, bytes, sizeof(eight));
    eight = le64toh(eight);
    quotes = eight ^ ('"' * ones);
    backslashes = eight ^ ('\\' * ones);
    /* A byte below n gets its highest bit by taking n away, and had it not before. What is borrowed
     * then only blurs bytes that come after it. */
    found = (((quotes - ones) & ~quotes) | ((backslashes - ones) & ~backslashes) |
             ((eight - 0x20 * ones) & ~eight)) &
            highs;
    return found ? (size_t)__builtin_ctzll(found) / 8 : 8;
}

/* Whether one byte does. */
static inline bool json_is_plain(char c)
{
    return (unsigned char)c >= 0x20 && c != '"' && c != '\\';
}
