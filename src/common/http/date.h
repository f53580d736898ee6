/* SPDX-License-Identifier: MIT */
/* Times in HTTP's headers (RFC 9110, section 5.6.7). */
#pragma once

#include <time.h>

#include "util/macro.h"

/* Reads a time as "Sun, 30 Aug 2015 12:36:00 GMT" into seconds since the epoch. Returns 0, or
 * -EINVAL if the text is anything else, also one of the two older forms, or if the day does not
 * exist. */
int http_date_parse(const char *text, time_t *ret);
