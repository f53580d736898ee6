/* SPDX-License-Identifier: MIT */
/* Cuts bytes that come in pieces, such as what a program prints, into lines of bounded length. */
#pragma once

#include "util/macro.h"

enum { LINE_SPLITTER_MAX_BYTES = 2048 };

struct line_splitter { /* all zero: at the beginning of a line */
    size_t size;
    char held[LINE_SPLITTER_MAX_BYTES]; /* the line so far */
};

/* A line without what ends it; borrowed for the length of the call, not NUL-terminated, never
 * empty. */
typedef void (*line_fn)(void *userdata, const char *line, size_t size);

/* Takes more bytes and hands on each line that ends in them: at a line feed, with or without a
 * carriage return before it, or at a NUL. Empty lines are left out. A longer line is handed on in
 * pieces of LINE_SPLITTER_MAX_BYTES, or up to three bytes less where that would cut a character of
 * UTF-8 in two. */
void line_splitter_feed(struct line_splitter *splitter, const char *bytes, size_t size,
                        line_fn line, void *userdata);

/* Nothing more comes: hands on what was not ended. */
void line_splitter_end(struct line_splitter *splitter, line_fn line, void *userdata);
