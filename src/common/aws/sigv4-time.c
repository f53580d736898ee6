/* SPDX-License-Identifier: MIT */
#include "aws/sigv4-time.h"

#include <errno.h>

#include "util/ascii.h"
#include "util/iso8601.h"

/* Writes the number with `n` decimal digits. */
static void write_digits(char *ret, size_t n, int number)
{
    while (n > 0) {
        ret[--n] = (char)('0' + number % 10);
        number /= 10;
    }
}

/* Not by strftime, which reads the locale: this runs for every request. */
void aws_time_format(time_t t, char ret[AWS_TIME_SIZE])
{
    struct tm tm;

    memcpy(ret, "19700101T000000Z", AWS_TIME_SIZE);
    if (!gmtime_r(&t, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
        return;
    write_digits(ret, 4, tm.tm_year + 1900);
    write_digits(ret + 4, 2, tm.tm_mon + 1);
    write_digits(ret + 6, 2, tm.tm_mday);
    write_digits(ret + 9, 2, tm.tm_hour);
    write_digits(ret + 11, 2, tm.tm_min);
    write_digits(ret + 13, 2, tm.tm_sec);
}

/* Reads text whose start must match `pattern`. Each of the letters Y m d H M S matches one digit of
 * that part of the time. Any other character matches itself. Returns the text after the match, or
 * NULL. */
static const char *read_digits(const char *text, const char *pattern, struct tm *tm)
{
    for (; *pattern; pattern++, text++) {
        int *part = NULL;

        switch (*pattern) {
        case 'Y':
            part = &tm->tm_year;
            break;
        case 'm':
            part = &tm->tm_mon;
            break;
        case 'd':
            part = &tm->tm_mday;
            break;
        case 'H':
            part = &tm->tm_hour;
            break;
        case 'M':
            part = &tm->tm_min;
            break;
        case 'S':
            part = &tm->tm_sec;
            break;
        default:
            if (*text != *pattern)
                return NULL;
            continue;
        }
        if (!is_digit(*text))
            return NULL;
        *part = *part * 10 + (*text - '0');
    }
    return text;
}

int aws_time_parse(const char *text, time_t *ret)
{
    struct tm tm = {};
    const char *rest = read_digits(text, "YYYYmmddTHHMMSSZ", &tm);

    /* 'T' and 'Z' in the pattern stand for themselves. */
    if (!rest || *rest != '\0')
        return -EINVAL;
    return utc_time_from_parts(&tm, ret);
}
