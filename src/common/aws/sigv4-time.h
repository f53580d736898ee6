/* SPDX-License-Identifier: MIT */
/* Times as SigV4 and the errors about it write them. */
#pragma once

#include <time.h>

#include "util/macro.h"

enum { AWS_TIME_SIZE = sizeof("20150830T123600Z") };

/* Writes a wall-clock time in the format of SigV4: "20150830T123600Z". */
void aws_time_format(time_t t, char ret[AWS_TIME_SIZE]);

/* Reads a time in the format of SigV4, as seconds since the epoch. Returns 0, or -EINVAL if the
 * text has another format, has anything before or after the time, or names a day that does not
 * exist. http/date.h and util/iso8601.h read other formats. */
int aws_time_parse(const char *text, time_t *ret);
