/* SPDX-License-Identifier: MIT */
/* Classes of ASCII characters. Unlike those of <ctype.h> they depend on no locale and take any
 * char. */
#pragma once

#include "util/macro.h"

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool is_letter_or_digit(char c)
{
    return is_letter(c) || is_digit(c);
}
