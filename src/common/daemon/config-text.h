/* SPDX-License-Identifier: MIT */
/* Prepares a configuration's text for libconfig. Private to the config files. */
#pragma once

#include "util/buffer.h"

enum config_text_fault {
    CONFIG_TEXT_NUL = 1,      /* a NUL byte: libconfig silently stops there; or its escape \x00 in a
                                string: libconfig leaves it out */
    CONFIG_TEXT_INCLUDE,      /* @include, which would open another file */
    CONFIG_TEXT_OPEN_STRING,  /* a string without its closing quote */
    CONFIG_TEXT_OPEN_COMMENT, /* a comment without its closing mark */
    CONFIG_TEXT_LEADING_ZERO, /* an integer like 0010: libconfig 1.5 reads 10, and 1.7 octal 8 */
    CONFIG_TEXT_BAD_NUMBER,   /* not a number: digits with a unit, a fraction without digits, or the
                                 prefix 0b, which only newer versions of libconfig know */
    CONFIG_TEXT_DOTTED_NAME,  /* a name with a dot, as documentation writes producer.source */
    CONFIG_TEXT_LAST_COMMA,   /* a comma before ] or ): libconfig 1.5 refuses it */
    CONFIG_TEXT_TOO_MANY,     /* more names of settings and groups than CONFIG_TEXT_NAMES_MAX:
                                 libconfig compares each name with all names before it */
};

enum { CONFIG_TEXT_NAMES_MAX = 1000 };

/* Where a fault is. `bytes` points into the text, and is set only for a fault in a number. */
struct config_text_place {
    unsigned line; /* from 1 */
    const char *bytes;
    size_t size;
};

/* The characters that libconfig takes for the first and the further ones of a name. */
bool config_text_begins_name(char c);
bool config_text_continues_name(char c);

/* Appends the text to `out`, changed so that libconfig 1.5 to 1.8 all read the same:
 *
 *  - A leading byte order mark is removed.
 *  - An integer that does not fit 32 bits gets the suffix L: without it, libconfig truncates it.
 *  - An integer that does not fit 64 bits becomes the largest that does.
 *  - A comment on the last line gets a line break.
 *
 * What these versions would still read differently is a fault. Lines keep their numbers. Returns 0,
 * -ENOMEM, -E2BIG, or a config_text_fault with the place where it begins in *ret_place. */
int config_text_prepare(const char *text, size_t size, struct buffer *out,
                        struct config_text_place *ret_place);
