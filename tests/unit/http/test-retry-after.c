/* SPDX-License-Identifier: MIT */
#include "http/retry-after.h"
#include "test.h"

enum { MAX_SEC = 43200, UNTOUCHED = 987654 };

#define NOW ((time_t)1440938160) /* Sunday, 30 August 2015, 12:36:00 */

static unsigned wait_of(const char *value)
{
    unsigned sec = UNTOUCHED;

    if (retry_after_parse(value, NOW, MAX_SEC, &sec) != 0)
        fail_msg("refused: %s", value);
    return sec;
}

static void retry_after_seconds_are_taken_up_to_the_most(void **state)
{
    assert_int_equal(wait_of("0"), 0);
    assert_int_equal(wait_of("120"), 120);
    assert_int_equal(wait_of("00007"), 7);
    assert_int_equal(wait_of("43200"), 43200);
    assert_int_equal(wait_of("43201"), 43200);
    assert_int_equal(wait_of("4294967297"), 43200);
    assert_int_equal(wait_of("99999999999999999999999999999999999999999"), 43200);
    assert_int_equal(wait_of("0000000000000000000000000000000000000000000000000001"), 1);
}

static void retry_after_date_in_both_forms_is_taken(void **state)
{
    assert_int_equal(wait_of("Sun, 30 Aug 2015 12:37:30 GMT"), 90);
    assert_int_equal(wait_of("Sun Aug 30 12:37:30 2015"), 90);
    /* The others' days. */
    assert_int_equal(wait_of("Wed, 02 Sep 2015 00:00:00 GMT"), MAX_SEC);
    assert_int_equal(wait_of("Wed Sep  2 00:00:00 2015"), MAX_SEC);
    assert_int_equal(wait_of("Thu, 31 Dec 2099 23:59:59 GMT"), MAX_SEC);
}

static void retry_after_date_that_has_passed_is_no_wait(void **state)
{
    assert_int_equal(wait_of("Sun, 30 Aug 2015 12:36:00 GMT"), 0);
    assert_int_equal(wait_of("Sun, 06 Nov 1994 08:49:37 GMT"), 0);
    assert_int_equal(wait_of("Sun Nov  6 08:49:37 1994"), 0);
}

static void retry_after_of_another_form_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "-1",
        "+1",
        "1.5",
        "1 ",
        " 1",
        "1s",
        "0x10",
        "1, 2",
        "soon",
        "Sun",
        "Sun, 30 Aug 2015 12:37:30",
        "Sun, 30 Aug 2015 12:37:30 CET",
        "Sun, 30 Aug 2015 12:37:30 GMT ",
        "Sun, 31 Feb 2016 12:37:30 GMT",
        "Sunday, 30-Aug-15 12:37:30 GMT", /* RFC 850 */
        "Sun-Aug 30 12:37:30 2015",
        "Sun Aug-30 12:37:30 2015",
        "Sun Aug 30-12:37:30 2015",
        "Sun Aug 30 12:37:30-2015",
        "Sun Feb 31 12:37:30 2016",
        "Sun, 30 Aug 2015 25:00:00 GMT",
        "Someday, 30-Aug-15 12:37:30 GMT",
        "Sun, 30-Aug-15 12:37:30 GMT",
        "Sunday, 30-Aug-2015 12:37:30 GMT",
        "Sunday, 30-Aug-15 12:37:30",
        "Sunday, 30-Foo-15 12:37:30 GMT",
        "Sunday,",
        ",",
        "Sun Aug 30 12:37:30 15",
        "Sun Aug 30 12:37:30 2015 GMT",
        "Foo Aug 30 12:37:30 2015",
        "2015-08-30T12:37:30Z",
        "1440938250 ",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        unsigned sec = UNTOUCHED;

        if (retry_after_parse(bad[i], NOW, MAX_SEC, &sec) != -EINVAL)
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(sec, UNTOUCHED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry_after_seconds_are_taken_up_to_the_most),
        cmocka_unit_test(retry_after_date_in_both_forms_is_taken),
        cmocka_unit_test(retry_after_date_that_has_passed_is_no_wait),
        cmocka_unit_test(retry_after_of_another_form_is_refused),
    };

    return cmocka_run_group_tests_name("http-retry-after", tests, NULL, NULL);
}
