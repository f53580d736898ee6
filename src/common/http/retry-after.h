/* SPDX-License-Identifier: MIT */
/* HTTP's Retry-After header (RFC 9110, section 10.2.3). */
#pragma once

#include <time.h>

#include "util/macro.h"

/* Reads the header's value: a number of seconds, or a date in the current form or in the form of
 * asctime() (section 5.6.7). The form of RFC 850, with two digits for the year, is not read: it has
 * long been out of use. `now` is the wall clock's time in seconds since the epoch. *ret_sec is how
 * long to wait, at most `max_sec`; 0 for a date that has passed. Returns 0, or -EINVAL if the value
 * is neither a number nor such a date. */
int retry_after_parse(const char *value, time_t now, unsigned max_sec, unsigned *ret_sec);
