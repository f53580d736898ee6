/* SPDX-License-Identifier: MIT */
#include "http/date.h"

#include <errno.h>

#include <curl/curl.h>

/* curl_getdate accepts many more forms. So the result is formatted again and must be equal to the
 * text. Only the day of the week may be wrong. */
int http_date_parse(const char *text, time_t *ret)
{
    static const char days[] = "Sun,Mon,Tue,Wed,Thu,Fri,Sat,";
    char strict[sizeof("Sun, 06 Nov 1994 08:49:37 GMT")];
    char *second = strict + strlen("Sun, 06 Nov 1994 08:49:");
    bool is_leap_second;
    struct tm tm;
    time_t t;

    if (strlen(text) != sizeof(strict) - 1 || !memmem(days, sizeof(days) - 1, text, 4))
        return -EINVAL;
    memcpy(strict, text, sizeof(strict));
    is_leap_second = memcmp(second, "60", 2) == 0;
    if (is_leap_second)
        memcpy(second, "59", 2);
    t = curl_getdate(strict, NULL);
    if (t == -1 || !gmtime_r(&t, &tm) ||
        strftime(strict, sizeof(strict), "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0)
        return -EINVAL;
    if (is_leap_second)
        memcpy(second, "60", 2);
    if (!streq(strict + 3, text + 3))
        return -EINVAL;
    *ret = t + is_leap_second;
    return 0;
}
