/* SPDX-License-Identifier: MIT */
/* What a server's clock shows, by a reply that refuses a request's time. */
#pragma once

#include <time.h>

#include "aws/clock-skew.h"
#include "aws/error.h"
#include "http/client.h"
#include "http/date.h"

/* By the reply's Date, or by the error's text (NULL: none): a Date that cannot be may be that of
 * something on the way. False where neither tells; the time may be one that cannot be. */
static inline bool server_time_read(const struct http_reply *reply, const char *message,
                                    time_t *ret)
{
    const char *date = http_reply_header(reply, "Date");
    bool has_date = date && http_date_parse(date, ret) == 0;

    if (has_date && server_time_is_plausible(*ret))
        return true;
    return (message && aws_error_server_time(message, ret) == 0) || has_date;
}
