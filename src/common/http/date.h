/* SPDX-License-Identifier: MIT */
/* Times in HTTP's headers (RFC 9110, 5.6.7). Pure. */
#pragma once

#include <time.h>

#include "util/macro.h"

/* "Sun, 30 Aug 2015 12:36:00 GMT", in seconds since the epoch. 0, or -EINVAL where the text is not
 * wholly such a time, as of the two older forms, or names a day that does not exist. */
int http_date_parse(const char *text, time_t *ret);
