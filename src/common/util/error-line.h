/* SPDX-License-Identifier: MIT */
/* Makes the line of text that explains an error: what is wrong, where, and what to do. */
#pragma once

#include "util/macro.h"

/* Prints the line into *error, which the caller frees. `error` may be NULL. Returns `condition`, or
 * -ENOMEM; then *error is unchanged. */
int error_line(int condition, char **error, const char *format, ...) PRINTF_FORMAT(3, 4);
