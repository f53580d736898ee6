/* SPDX-License-Identifier: MIT */
/* Times as ISO 8601 writes them. */
#pragma once

#include <time.h>

#include "util/macro.h"

/* Reads each form that names one moment: a date by month and day, by week, or by the day of the
 * year, in the extended (2015-08-30) or the basic form (20150830); `T`, `t` or a space; hours,
 * hours and minutes, or all three, the last of them with a fraction after a point or a comma, 24:00
 * being the end of the day; `Z`, `UTC`, `GMT` or an offset as +hh, +hhmm or +hh:mm, after a space
 * or none. A time without a zone names no moment, nor does a date alone.
 *
 * 0 with the time in seconds since the epoch, without its fraction; -EINVAL for all else, and for
 * days that do not exist. */
int iso8601_parse(const char *text, time_t *ret);
