/* SPDX-License-Identifier: MIT */
/* Splits bytes that come in pieces, such as the output of a program, into lines of bounded
 * length. */
#pragma once

#include "util/macro.h"

enum { LINE_SPLITTER_MAX_BYTES = 2048 };

struct line_splitter { /* all zero: at the beginning of a line */
    size_t size;
    char held[LINE_SPLITTER_MAX_BYTES]; /* the line so far */
};

/* Gets a line without its line end. The bytes are borrowed for the length of the call. They are not
 * NUL-terminated, and there is at least one. */
typedef void (*line_fn)(void *userdata, const char *line, size_t size);

/* Takes more bytes and calls `line` for each line that they end. A line ends at a line feed, with
 * or without a carriage return before it, or at a NUL. Empty lines are left out. A line longer than
 * LINE_SPLITTER_MAX_BYTES is passed on in pieces of that size, or of up to three bytes less, so
 * that no UTF-8 character is cut. */
void line_splitter_feed(struct line_splitter *splitter, const char *bytes, size_t size,
                        line_fn line, void *userdata);

/* Called after the last bytes: calls `line` for the rest, which has no line end. */
void line_splitter_end(struct line_splitter *splitter, line_fn line, void *userdata);
