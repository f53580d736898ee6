/* See retry-after.h. The two obsolete forms of a date are written anew in the current one, which
 * encode.h reads; so a day that does not exist is refused there for all three. */
#include "retry-after.h"

#include <errno.h>
#include <stdio.h>

#include "encode.h"

enum { DATE_SIZE = sizeof("Sun, 06 Nov 1994 08:49:37 GMT") };

/* Whether the text looks like the pattern, in which 'a' stands for a letter, '0' for a digit, '_'
 * for a digit or a space, and anything else for itself. */
static bool is_like(const char *text, const char *pattern)
{
    for (; *pattern; text++, pattern++) {
        bool is_digit = *text >= '0' && *text <= '9';
        bool is_letter = (*text >= 'A' && *text <= 'Z') || (*text >= 'a' && *text <= 'z');

        if (*pattern == 'a'   ? !is_letter
            : *pattern == '0' ? !is_digit
            : *pattern == '_' ? !is_digit && *text != ' '
                              : *text != *pattern)
            return false;
    }
    return *text == '\0';
}

/* A year of two digits is the last one with them that is at most 50 years ahead. */
static long full_year(int last_digits, time_t now)
{
    struct tm tm;
    long most;

    if (!gmtime_r(&now, &tm))
        return last_digits;
    most = tm.tm_year + 1900L + 50;
    return most - (most - last_digits) % 100;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT", from RFC 850. */
static bool rewrite_rfc850(const char *text, time_t now, char ret[DATE_SIZE])
{
    static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
    const char *rest = strchr(text, ',');
    bool is_known = false;

    for (size_t i = 0; rest && i < ARRAY_SIZE(days); i++)
        is_known = is_known || (strlen(days[i]) == (size_t)(rest - text) &&
                                strncmp(text, days[i], (size_t)(rest - text)) == 0);
    if (!is_known || !is_like(rest, ", 00-aaa-00 00:00:00 GMT"))
        return false;
    snprintf(ret, DATE_SIZE, "%.3s, %.2s %.3s %04ld %s", text, rest + 2, rest + 5,
             full_year((rest[9] - '0') * 10 + rest[10] - '0', now) % 10000, rest + 12);
    return true;
}

/* "Sun Nov  6 08:49:37 1994", as C's asctime() writes it. */
static bool rewrite_asctime(const char *text, char ret[DATE_SIZE])
{
    if (!is_like(text, "aaa aaa _0 00:00:00 0000"))
        return false;
    snprintf(ret, DATE_SIZE, "%.3s, %c%c %.3s %.4s %.8s GMT", text, text[8] == ' ' ? '0' : text[8],
             text[9], text + 4, text + 20, text + 11);
    return true;
}

int retry_after_parse(const char *value, time_t now, unsigned max_sec, unsigned *ret_sec)
{
    size_t n_digits = strspn(value, "0123456789");
    char current[DATE_SIZE];
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
    if (rewrite_rfc850(value, now, current) || rewrite_asctime(value, current))
        value = current;
    if (http_date_parse(value, &date) < 0)
        return -EINVAL;
    *ret_sec = date <= now ? 0 : (unsigned)MIN((uint64_t)date - (uint64_t)now, (uint64_t)max_sec);
    return 0;
}
