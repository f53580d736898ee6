/* SPDX-License-Identifier: MIT */
/* Times as text, in each of the forms, and a time as a number. */
#include "aws/sigv4-time.h"
#include "http/date.h"
#include "http/retry-after.h"
#include "sqs/error.h"
#include "util/iso8601.h"

#include <stdio.h>

#include "fuzz.h"

typedef int parse_time(const char *text, time_t *ret);

enum { UNTOUCHED = -987654321 };

/* `second` is where the seconds stand. A leap second is the one after the second before it, on a
 * day that exists. */
static bool check(parse_time *parse, const char *text, size_t second, time_t *ret)
{
    time_t t = UNTOUCHED, before;
    char *earlier;

    if (parse(text, &t) != 0) {
        assert(t == UNTOUCHED);
        return false;
    }
    if (strncmp(text + second, "60", 2) == 0) {
        earlier = fuzz_string(text, strlen(text));
        memcpy(earlier + second, "59", 2);
        assert(parse(earlier, &before) == 0 && before == t - 1);
        free(earlier);
        return false;
    }
    *ret = t;
    return true;
}

/* Whether it has the form 2015-08-30T12:36:00Z. */
static bool is_usual_iso8601(const char *text)
{
    static const char pattern[] = "0000-00-00T00:00:00Z";

    for (size_t i = 0; i < sizeof(pattern); i++)
        if (pattern[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != pattern[i])
            return false;
    return true;
}

static void check_iso8601(const char *text)
{
    char formatted[32];
    struct tm tm;
    time_t t = UNTOUCHED;

    if (!is_usual_iso8601(text)) {
        assert(iso8601_parse(text, &t) == 0 || t == UNTOUCHED);
        return;
    }
    /* The end of a day is the beginning of the next. */
    if (check(iso8601_parse, text, 17, &t) && t >= 0 && strncmp(text + 11, "24", 2) != 0) {
        assert(gmtime_r(&t, &tm) && strftime(formatted, sizeof(formatted), "%FT%TZ", &tm) > 0);
        assert(streq(formatted, text));
    }
}

static void check_text(const char *text)
{
    char formatted[AWS_TIME_SIZE];
    struct tm tm;
    char http[64];
    time_t t;

    if (check(aws_time_parse, text, 13, &t) && t >= 0) {
        aws_time_format(t, formatted);
        assert(streq(formatted, text));
    }
    check_iso8601(text);
    if (check(http_date_parse, text, 23, &t) && t >= 0) {
        assert(gmtime_r(&t, &tm) && strftime(http, sizeof(http), "%a, %d %b %Y %T GMT", &tm) > 0);
        assert(streq(http + 3, text + 3));
    }
    t = UNTOUCHED;
    if (aws_error_server_time(text, &t) != 0)
        assert(t == UNTOUCHED);
    else
        assert(strstr(text, " min"));
}

/* A date in the current form is the same time for both readers; what `now` is changes no more than
 * how far away that is. */
static void check_retry_after(const char *text, time_t now)
{
    unsigned sec = UINT32_MAX, later = UINT32_MAX;
    time_t t;

    if (retry_after_parse(text, now, 43200, &sec) != 0) {
        assert(sec == UINT32_MAX);
        return;
    }
    assert(sec <= 43200);
    if (http_date_parse(text, &t) == 0)
        assert(sec == (t <= now ? 0 : MIN((uint64_t)t - (uint64_t)now, UINT64_C(43200))));
    assert(retry_after_parse(text, now, 10, &later) == 0 && later == MIN(sec, 10U));
}

static void check_number(time_t t)
{
    char text[AWS_TIME_SIZE], sentence[128];
    time_t again;

    aws_time_format(t, text);
    assert(strlen(text) < sizeof(text));
    if (t < 0 || t > INT64_C(253402300799)) /* the year 10000 */
        return;
    assert(aws_time_parse(text, &again) == 0 && again == t);
    snprintf(sentence, sizeof(sentence), "Signature expired: x (y) (%s - 15 min.)", text);
    assert(aws_error_server_time(sentence, &again) == 0 && again == t);
}

FUZZ
{
    char *text = fuzz_string(data, size);
    time_t t = 0;

    check_text(text);
    check_retry_after(text, 1440938160);
    memcpy(&t, data, MIN(size, sizeof(t)));
    check_number(t);
    check_retry_after(text, t);
    check_number((time_t)((uint64_t)t % UINT64_C(253402300800)));
    free(text);
}
