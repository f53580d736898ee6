/* SPDX-License-Identifier: MIT */
/* Times as ISO 8601 writes them. */
#pragma once

#include <time.h>

#include "util/macro.h"

/* Reads a time with a date, a time of day and a zone. The date is by month and day, by week, or by
 * the day of the year, in the extended form (2015-08-30) or the basic form (20150830). `T`, `t` or
 * a space follows. The time of day has hours, hours and minutes, or hours, minutes and seconds. The
 * last of these may have a fraction after a point or a comma. 24:00 is the end of the day. The zone
 * is `Z`, `UTC`, `GMT` or an offset as +hh, +hhmm or +hh:mm. A space may stand before it.
 *
 * Returns 0 with the time in seconds since the epoch, without its fraction; -EINVAL for all else,
 * such as a date alone or a time without a zone, and for days that do not exist. */
int iso8601_parse(const char *text, time_t *ret);

/* The UTC time with these parts: tm_year as people write it (2015), tm_mon from 1 to 12, tm_mday,
 * tm_hour, tm_min and tm_sec. Other members of `tm` are not read. A leap second counts as the
 * second after it. Returns 0, or -EINVAL if a part is out of range or the day does not exist. */
int utc_time_from_parts(const struct tm *tm, time_t *ret);
