/* SPDX-License-Identifier: MIT */
/* The line that goes with a documented condition: what was wrong, where, what is allowed. */
#pragma once

#include "util/macro.h"

/* Prints the line into *error, which the caller frees; `error` may be NULL. Returns `condition`, or
 * -ENOMEM with *error untouched. */
int error_line(int condition, char **error, const char *format, ...) PRINTF_FORMAT(3, 4);
