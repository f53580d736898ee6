/* SPDX-License-Identifier: MIT */
/* Writes text as JSON strings (RFC 8259) straight into a buffer. This runs for every message sent;
 * a tree of JSON objects would copy each body twice more. */
#pragma once

#include <endian.h>

#include "util/buffer.h"

/* Appends the text as a string in quotes. It escapes only quotes, backslashes and control
 * characters (a NUL becomes \u0000). `bytes` may be NULL if the size is 0. Returns 0, -ENOMEM,
 * -E2BIG, or -EINVAL if the bytes are not UTF-8. An error sticks to the buffer, and nothing is
 * appended. */
int json_append_string(struct buffer *b, const char *bytes, size_t size);

/* How many of the eight bytes come before the first quote, backslash or control character, which do
 * not stand for themselves inside a JSON string. 8: there is none. This does not check for
 * UTF-8. */
static inline size_t json_plain_of_eight(const char bytes[8])
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = 0x80 * ones;
    uint64_t eight, quotes, backslashes, found;

    memcpy(&eight, bytes, sizeof(eight));
    eight = le64toh(eight);
    quotes = eight ^ ('"' * ones);
    backslashes = eight ^ ('\\' * ones);
    /* Subtracting n from a byte below n sets the byte's highest bit, which was not set before. The
     * subtraction borrows from the next byte, so only later bytes may be marked wrongly. */
    found = (((quotes - ones) & ~quotes) | ((backslashes - ones) & ~backslashes) |
             ((eight - 0x20 * ones) & ~eight)) &
            highs;
    return found ? (size_t)__builtin_ctzll(found) / 8 : 8;
}

/* Whether a byte stands for itself inside a JSON string. */
static inline bool json_is_plain(char c)
{
    return (unsigned char)c >= 0x20 && c != '"' && c != '\\';
}
