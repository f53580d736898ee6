/* SPDX-License-Identifier: MIT */
/* Reads the server's time from a reply that refuses a request for its time. */
#pragma once

#include <time.h>

#include "aws/clock-skew.h"
#include "aws/error.h"
#include "http/client.h"
#include "http/date.h"

/* Takes the time from the reply's Date header; if that is missing or implausible, from the error's
 * text (NULL: none), because a proxy may have set the Date. False: neither has a time. The result
 * may be implausible. */
static inline bool server_time_read(const struct http_reply *reply, const char *message,
                                    time_t *ret)
{
    const char *date = http_reply_header(reply, "Date");
    bool has_date = date && http_date_parse(date, ret) == 0;

    if (has_date && server_time_is_plausible(*ret))
        return true;
    return (message && aws_error_server_time(message, ret) == 0) || has_date;
}
