/* SPDX-License-Identifier: MIT */
/* Makes a configuration's text fit for libconfig: an inner part of config.c. */
#pragma once

#include "util/buffer.h"

enum config_text_fault {
    CONFIG_TEXT_NUL = 1,     /* a NUL byte, at which libconfig would silently stop, or its escape in
                                a string, \x00, which it would leave out */
    CONFIG_TEXT_INCLUDE,     /* @include, which would open another file */
    CONFIG_TEXT_OPEN_STRING, /* a string without its closing quote */
    CONFIG_TEXT_OPEN_COMMENT, /* a comment without its closing mark */
    CONFIG_TEXT_LEADING_ZERO, /* an integer such as 0010: libconfig 1.5 reads 10, and 1.7 octal 8 */
    CONFIG_TEXT_BAD_NUMBER,   /* digits that are no number: a unit, a fraction without digits, or a
                                 prefix that only newer libconfig knows, 0b101 */
    CONFIG_TEXT_DOTTED_NAME,  /* producer.source, as documents write a setting of a group */
    CONFIG_TEXT_LAST_COMMA,   /* a comma before ] or ), which libconfig 1.5 does not take */
    CONFIG_TEXT_TOO_MANY,     /* names, of settings and of groups: libconfig compares each with all
                                 that stand before it */
};

enum { CONFIG_TEXT_NAMES_MAX = 1000 };

/* Where a fault is. The bytes are a part of the text; only numbers have them. */
struct config_text_place {
    unsigned line; /* from 1 */
    const char *bytes;
    size_t size;
};

/* Appends the text, changed where a libconfig from 1.5 to 1.8 would misread it: a leading byte
 * order mark goes; an integer that does not fit 32 bits gets the suffix without which it is
 * silently cut down, one that does not fit 64 bits becomes the largest that does; a last line that
 * is a comment gets an end. What these versions read differently is a fault. Lines stay where they
 * were. 0, -ENOMEM, -E2BIG, or a config_text_fault with *ret_place where it begins. */
int config_text_prepare(const char *text, size_t size, struct buffer *out,
                        struct config_text_place *ret_place);
