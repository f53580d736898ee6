/* SPDX-License-Identifier: MIT */
/* The number of adjacent digits tells the forms apart. Each part of the text has one reader. The
 * reader returns the text after its part, or NULL if the part is malformed. */
#include "util/iso8601.h"

#include <errno.h>
#include <strings.h>

#include "util/ascii.h"

enum { DAY_SEC = 24 * 3600, FRACTION_MAX_DIGITS = 9 };

int utc_time_from_parts(const struct tm *tm, time_t *ret)
{
    struct tm copy = {
        .tm_year = tm->tm_year - 1900,
        .tm_mon = tm->tm_mon - 1,
        .tm_mday = tm->tm_mday,
        .tm_hour = tm->tm_hour,
        .tm_min = tm->tm_min,
        .tm_sec = MIN(tm->tm_sec, 59),
    };
    struct tm check = copy;
    time_t t;

    if (tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 60)
        return -EINVAL;
    t = timegm(&check);
    if (check.tm_mday != copy.tm_mday || check.tm_mon != copy.tm_mon)
        return -EINVAL;
    if (tm->tm_mon < 1 || tm->tm_mon > 12 || tm->tm_mday < 1 || tm->tm_mday > 31)
        return -EINVAL;
    *ret = t + (tm->tm_sec - copy.tm_sec);
    return 0;
}

static size_t count_digits(const char *text)
{
    size_t n = 0;

    while (is_digit(text[n]))
        n++;
    return n;
}

static const char *read_number(const char *text, size_t digits, int *ret)
{
    int n = 0;

    for (size_t i = 0; i < digits; i++) {
        if (!is_digit(text[i]))
            return NULL;
        n = n * 10 + (text[i] - '0');
    }
    *ret = n;
    return text + digits;
}

/* ---- The date: its midnight in UTC ---- */

static int year_begin(int year, time_t *ret)
{
    return utc_time_from_parts(&(struct tm){.tm_year = year, .tm_mon = 1, .tm_mday = 1}, ret);
}

static const char *month_and_day(const char *p, int year, bool is_extended, time_t *ret)
{
    struct tm tm = {.tm_year = year};

    p = read_number(p, 2, &tm.tm_mon);
    if (p && is_extended)
        p = *p == '-' ? p + 1 : NULL;
    if (p)
        p = read_number(p, 2, &tm.tm_mday);
    return p && utc_time_from_parts(&tm, ret) == 0 ? p : NULL;
}

static const char *day_of_year(const char *p, int year, time_t *ret)
{
    time_t begin, next;
    int day = 0;

    p = read_number(p, 3, &day);
    if (!p || day < 1 || year_begin(year, &begin) < 0 || year_begin(year + 1, &next) < 0)
        return NULL;
    *ret = begin + (time_t)(day - 1) * DAY_SEC;
    return *ret < next ? p : NULL;
}

/* Weeks begin on Mondays; the first is the one with January 4 in it. */
static int first_monday(int year, time_t *ret)
{
    struct tm tm;
    time_t begin, fourth;

    if (year_begin(year, &begin) < 0)
        return -EINVAL;
    fourth = begin + (time_t)3 * DAY_SEC;
    if (!gmtime_r(&fourth, &tm))
        return -EINVAL;
    *ret = fourth - (time_t)((tm.tm_wday + 6) % 7) * DAY_SEC;
    return 0;
}

static const char *week_and_day(const char *p, int year, bool is_extended, time_t *ret)
{
    time_t first, next;
    int week = 0, day = 0;

    p = read_number(p, 2, &week);
    if (p && is_extended)
        p = *p == '-' ? p + 1 : NULL;
    if (p)
        p = read_number(p, 1, &day);
    if (!p || week < 1 || day < 1 || day > 7 || first_monday(year, &first) < 0 ||
        first_monday(year + 1, &next) < 0)
        return NULL;
    *ret = first + (time_t)((week - 1) * 7 + day - 1) * DAY_SEC;
    return *ret < next ? p : NULL;
}

static const char *read_date(const char *text, time_t *ret)
{
    size_t digits = count_digits(text);
    bool is_extended;
    const char *p;
    int year = 0;

    p = read_number(text, 4, &year);
    if (!p)
        return NULL;
    is_extended = *p == '-';
    if (is_extended)
        p++;
    if (*p == 'W')
        return week_and_day(p + 1, year, is_extended, ret);
    digits = is_extended ? count_digits(p) : digits - 4;
    return digits == 3 ? day_of_year(p, year, ret) : month_and_day(p, year, is_extended, ret);
}

/* ---- The time of the day, in seconds ---- */

/* Reads the fraction of a part that is `unit` seconds long, and adds it to *sec. */
static const char *read_fraction(const char *p, int unit, time_t *sec)
{
    int64_t fraction = 0, scale = 1;
    size_t digits;

    if (*p != '.' && *p != ',')
        return p;
    p++;
    digits = count_digits(p);
    for (size_t i = 0; i < digits && i < FRACTION_MAX_DIGITS; i++) {
        fraction = fraction * 10 + (p[i] - '0');
        scale *= 10;
    }
    *sec += fraction * unit / scale;
    return digits > 0 ? p + digits : NULL;
}

/* Whether another part of the time follows. Moves *p to its first digit. */
static bool is_next_part(const char **p, bool is_extended)
{
    if (is_extended ? **p != ':' : !is_digit(**p))
        return false;
    *p += is_extended ? 1 : 0;
    return true;
}

static const char *read_time(const char *text, time_t *ret)
{
    int hour = 0, minute = 0, second = 0, unit = 3600;
    const char *p = read_number(text, 2, &hour);
    bool is_extended = p && *p == ':';
    time_t sec;

    if (p && is_next_part(&p, is_extended)) {
        unit = 60;
        p = read_number(p, 2, &minute);
        if (p && is_next_part(&p, is_extended)) {
            unit = 1;
            p = read_number(p, 2, &second);
        }
    }
    if (!p || hour > 24 || minute > 59 || second > 60)
        return NULL;
    sec = (time_t)hour * 3600 + minute * 60 + second;
    p = read_fraction(p, unit, &sec);
    if (!p || (hour == 24 && sec > DAY_SEC))
        return NULL;
    *ret = sec;
    return p;
}

/* ---- The zone: seconds ahead of UTC ---- */

static int read_zone(const char *p, time_t *ret)
{
    static const char *const utc[] = {"Z", "UTC", "GMT"};
    int sign = *p == '-' ? -1 : 1, hour = 0, minute = 0;

    for (size_t i = 0; i < ARRAY_SIZE(utc); i++)
        if (strcasecmp(p, utc[i]) == 0) {
            *ret = 0;
            return 0;
        }
    if (*p != '+' && *p != '-')
        return -EINVAL;
    p = read_number(p + 1, 2, &hour);
    if (p && *p != '\0')
        p = read_number(*p == ':' ? p + 1 : p, 2, &minute);
    if (!p || *p != '\0' || hour > 23 || minute > 59)
        return -EINVAL;
    *ret = (time_t)sign * (hour * 3600 + minute * 60);
    return 0;
}

int iso8601_parse(const char *text, time_t *ret)
{
    time_t day, sec, ahead;
    const char *p = read_date(text, &day);

    if (!p || (*p != 'T' && *p != 't' && *p != ' '))
        return -EINVAL;
    p = read_time(p + 1, &sec);
    if (!p || read_zone(*p == ' ' ? p + 1 : p, &ahead) < 0)
        return -EINVAL;
    *ret = day + sec - ahead;
    return 0;
}
