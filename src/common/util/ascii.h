/* SPDX-License-Identifier: MIT */
/* Classes of ASCII characters, and their case. Unlike those of <ctype.h> these functions depend on
 * no locale and take any char. */
#pragma once

#include "util/macro.h"

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static inline bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static inline bool is_letter(char c)
{
    return is_lower(c) || is_upper(c);
}

static inline bool is_letter_or_digit(char c)
{
    return is_letter(c) || is_digit(c);
}

static inline char to_lower(char c)
{
    if (is_upper(c))
        return (char)(c - 'A' + 'a');
    return c;
}

static inline char to_upper(char c)
{
    if (is_lower(c))
        return (char)(c - 'a' + 'A');
    return c;
}

/* Whether the text has `min` to `max` characters, each a letter, a digit, or one of `others`. */
static inline bool is_ascii_name(const char *text, size_t min, size_t max, const char *others)
{
    size_t n = 0;

    for (; n <= max && text[n] != '\0'; n++)
        if (!is_letter_or_digit(text[n]) && !strchr(others, text[n]))
            return false;
    return n >= min && n <= max;
}

/* The value of a hexadecimal digit of either case; -1: it is none. */
static inline int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    c = to_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
