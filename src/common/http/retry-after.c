/* SPDX-License-Identifier: MIT */
#include "http/retry-after.h"

#include <errno.h>
#include <stdio.h>

#include "http/date.h"

/* Rewrites a date as asctime() writes it, "Sun Nov  6 08:49:37 1994", into the current form.
 * http_date_parse then checks it. */
static bool rewrite_asctime(const char *text, char *ret, size_t size)
{
    if (strlen(text) != strlen("Sun Nov  6 08:49:37 1994") || text[3] != ' ' || text[7] != ' ' ||
        text[10] != ' ' || text[19] != ' ')
        return false;
    snprintf(ret, size, "%.3s, %c%c %.3s %.4s %.8s GMT", text, text[8] == ' ' ? '0' : text[8],
             text[9], text + 4, text + 20, text + 11);
    return true;
}

int retry_after_parse(const char *value, time_t now, unsigned max_sec, unsigned *ret_sec)
{
    size_t n_digits = strspn(value, "0123456789");
    char current[sizeof("Sun, 06 Nov 1994 08:49:37 GMT")];
    unsigned long long sec = 0;
    time_t date;

    if (n_digits > 0) {
        if (value[n_digits] != '\0')
            return -EINVAL;
        for (size_t i = 0; i < n_digits && sec < max_sec; i++)
            sec = sec * 10 + (unsigned)(value[i] - '0');
        *ret_sec = (unsigned)MIN(sec, max_sec);
        return 0;
    }
    if (rewrite_asctime(value, current, sizeof(current)))
        value = current;
    if (http_date_parse(value, &date) < 0)
        return -EINVAL;
    *ret_sec = date <= now ? 0 : (unsigned)MIN((uint64_t)date - (uint64_t)now, (uint64_t)max_sec);
    return 0;
}
