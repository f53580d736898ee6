/* SPDX-License-Identifier: MIT */
#include "bad-times.h"
#include "http/date.h"
#include "test.h"

#include <errno.h>

static void date_is_read(void **state)
{
    time_t t;

    assert_int_equal(http_date_parse("Sun, 30 Aug 2015 12:36:00 GMT", &t), 0);
    assert_int_equal(t, 1440938160);
    assert_int_equal(http_date_parse("Tue, 30 Jun 2015 23:59:60 GMT", &t), 0);
    assert_int_equal(t, 1435708800);
}

/* All of it curl_getdate takes, but for a few. */
static void http_date_that_is_nearly_one_is_refused(void **state)
{
    static const char *const bad[] = {
        "sun, 30 Aug 2015 12:36:00 GMT",
        "Sun, 30 aug 2015 12:36:00 GMT",
        "Sun, 30 Aug 2015 12:36:00 gmt",
        "Sun, 30 Aug 2015 12:36:00 EST",
        "Sun, 30 Aug 2015 12:36:00 +01",
        "Sun, 30 Aug 2015 12:36:00",
        "Sun, 30 Aug 2015 12:36 GMT",
        "Sun, 30 Aug 2015 12:36:00 GMT ",
        " Sun, 30 Aug 2015 12:36:00 GMT",
        "Sun, 30 Aug 15 12:36:00 GMT",
        "Sun, 30 Aug 0015 12:36:00 GMT",
        "Sun,  1 Aug 2015 12:36:00 GMT",
        "Sun, 1 Aug 2015 12:36:00 GMT",
        "Sun, 30-Aug-2015 12:36:00 GMT",
        "Sun, Aug 30 2015 12:36:00 GMT",
        "Sun, 30 Aug 12:36:00 2015 GMT",
        "Sunday, 30 Aug 2015 12:36 GMT",
        "Sunday, 30-Aug-15 12:36:00 GMT",
        "Sun Aug 30 12:36:00 2015",
        "30 Aug 2015 12:36:00 GMT",
        "20150830 12:36:00 GMT",
        "un,M 30 Aug 2015 12:36:00 GMT",
        "Aug, 30 Aug 2015 12:36:00 GMT",
        "Sun, 30 Aug 2015 24:00:00 GMT",
        "Sun, 30 Aug 2015 12:60:00 GMT",
        "Sun, 30 Aug 2015 12:36:61 GMT",
        "Sun, 31 Feb 2016 12:36:00 GMT",
        "Sun, 29 Feb 2015 12:36:00 GMT",
        "Sun, 00 Aug 2015 12:36:00 GMT",
        "Sun, 32 Aug 2015 12:36:00 GMT",
        "",
    };
    time_t t = 42;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (http_date_parse(bad[i], &t) != -EINVAL)
            fail_msg("accepted: %s", bad[i]);
    assert_int_equal(t, 42);
}

static void http_date_of_a_bad_time_is_refused(void **state)
{
    time_t t = 42;

    for (size_t i = 0; i < ARRAY_SIZE(bad_times); i++)
        assert_int_equal(http_date_parse(bad_times[i], &t), -EINVAL);
    assert_int_equal(t, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(date_is_read),
        cmocka_unit_test(http_date_that_is_nearly_one_is_refused),
        cmocka_unit_test(http_date_of_a_bad_time_is_refused),
    };

    return cmocka_run_group_tests_name("http-date", tests, NULL, NULL);
}
