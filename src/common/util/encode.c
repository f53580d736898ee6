/* SPDX-License-Identifier: MIT */
/* AWS's times are parsed without strptime, which depends on the locale. */
#include "util/encode.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include <openssl/evp.h>

#include "util/ascii.h"

void hex_encode(const void *bytes, size_t size, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = bytes;

    for (size_t i = 0; i < size; i++) {
        ret[2 * i] = digits[p[i] >> 4];
        ret[2 * i + 1] = digits[p[i] & 15];
    }
    ret[2 * size] = '\0';
}

static bool is_unreserved(char c)
{
    return is_letter_or_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

int uri_encode(struct buffer *b, const char *bytes, size_t size, const char *keep)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];

        if (is_unreserved(bytes[i]) || (c != '\0' && strchr(keep, c)))
            buffer_append_char(b, bytes[i]);
        else
            buffer_append(b, (char[]){'%', digits[c >> 4], digits[c & 15]}, 3);
    }
    return b->error;
}

int base64_encode(struct buffer *b, const void *bytes, size_t size)
{
    size_t encoded = (size / 3 + 1) * 4;
    int r, n;

    if (size > INT_MAX / 2)
        return b->error = -E2BIG;
    r = buffer_reserve(b, encoded);
    if (r < 0)
        return r;
    n = EVP_EncodeBlock((unsigned char *)b->data + b->size, bytes, (int)size);
    b->size += (size_t)n;
    b->data[b->size] = '\0';
    return 0;
}

int base64_decode(struct buffer *b, const char *text, size_t size)
{
    size_t padding = 0;
    int r, n;

    if (size % 4 != 0 || size > INT_MAX)
        return -EINVAL;
    if (size == 0)
        return buffer_append(b, "", 0);
    while (padding < 2 && text[size - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < size - padding; i++)
        if (!is_letter_or_digit(text[i]) && text[i] != '+' && text[i] != '/')
            return -EINVAL;

    r = buffer_reserve(b, size / 4 * 3);
    if (r < 0)
        return r;
    n = EVP_DecodeBlock((unsigned char *)b->data + b->size, (const unsigned char *)text, (int)size);
    if (n < 0)
        return -EINVAL;
    /* EVP_DecodeBlock counts the padding as bytes. */
    b->size += (size_t)n - padding;
    b->data[b->size] = '\0';
    return 0;
}

size_t utf8_decode(const char *bytes, size_t size, uint32_t *ret_code_point)
{
    const unsigned char *p = (const unsigned char *)bytes;
    uint32_t code_point;
    size_t length;

    if (size == 0)
        return 0;
    if (p[0] < 0x80) {
        *ret_code_point = p[0];
        return 1;
    }
    if (p[0] >= 0xC2 && p[0] <= 0xDF)
        length = 2;
    else if ((p[0] & 0xF0) == 0xE0)
        length = 3;
    else if (p[0] >= 0xF0 && p[0] <= 0xF4)
        length = 4;
    else
        return 0;
    if (size < length)
        return 0;

    code_point = p[0] & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        code_point = code_point << 6 | (p[i] & 0x3F);
    }
    if ((length == 3 && code_point < 0x800) || (length == 4 && code_point < 0x10000) ||
        code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF))
        return 0;
    *ret_code_point = code_point;
    return length;
}

/* Whether all of 8 * n bytes are ASCII. */
static bool is_ascii(const char *bytes, size_t n)
{
    uint64_t all = 0, eight;

    for (size_t i = 0; i < n; i++) {
        memcpy(&eight, bytes + i * sizeof(eight), sizeof(eight));
        all |= eight;
    }
    return (all & UINT64_C(0x8080808080808080)) == 0;
}

size_t utf8_valid_bytes(const char *bytes, size_t size)
{
    uint32_t code_point;

    for (size_t i = 0, n; i < size; i += n) {
        /* Most text is ASCII, so check many bytes at a time. */
        n = 64;
        if (size - i >= n && is_ascii(bytes + i, 8))
            continue;
        n = 8;
        if (size - i >= n && is_ascii(bytes + i, 1))
            continue;
        n = utf8_decode(bytes + i, size - i, &code_point);
        if (n == 0)
            return i;
    }
    return size;
}

bool is_safe_in_line(uint32_t c)
{
    return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && c != 0x061c && c != 0x200e && c != 0x200f &&
           !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069);
}

int escape_for_log(struct buffer *b, const char *bytes, size_t size, size_t max_bytes)
{
    size_t end = MIN(size, max_bytes), i = 0;
    uint32_t c;

    for (size_t n; i < end; i += n) {
        n = utf8_decode(bytes + i, size - i, &c);
        if (n == 0) {
            buffer_printf(b, "\\x%02x", (unsigned char)bytes[i]);
            n = 1;
        } else if (c == '\n') {
            buffer_append_string(b, "\\n");
        } else if (c == '\t') {
            buffer_append_string(b, "\\t");
        } else if (c == '\r') {
            buffer_append_string(b, "\\r");
        } else if (c == '\\') {
            buffer_append_string(b, "\\\\");
        } else if (!is_safe_in_line(c)) {
            for (size_t k = 0; k < n; k++)
                buffer_printf(b, "\\x%02x", (unsigned char)bytes[i + k]);
        } else {
            buffer_append(b, bytes + i, n);
        }
    }
    /* A character that begins before the cut is written whole, and the text may end with it. */
    if (i < size)
        buffer_printf(b, "... (%zu bytes)", size);
    return b->error;
}
