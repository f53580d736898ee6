/* SPDX-License-Identifier: MIT */
/* Makes the line of text that explains an error: what is wrong, where, and what to do. */
#pragma once

#include "util/buffer.h"

/* Prints the line into *error, which the caller frees. `error` may be NULL. Returns `condition`, or
 * -ENOMEM; then *error is unchanged. */
int error_line(int condition, char **error, const char *format, ...) PRINTF_FORMAT(3, 4);

/* The same with a line that stands in a buffer, which it empties. Returns the buffer's error if it
 * has one. */
int error_line_take(int condition, char **error, struct buffer *line);
