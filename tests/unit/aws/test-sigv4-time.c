/* SPDX-License-Identifier: MIT */
#include "aws/sigv4-time.h"
#include "bad-times.h"
#include "test.h"

static void time_is_written_and_read_in_each_form(void **state)
{
    char text[AWS_TIME_SIZE];
    time_t t = 0;

    aws_time_format(1440938160, text);
    assert_string_equal(text, "20150830T123600Z");
    assert_int_equal(aws_time_parse(text, &t), 0);
    assert_int_equal(t, 1440938160);
    aws_time_format(253402300799, text);
    assert_string_equal(text, "99991231T235959Z");
    aws_time_format(253402300800, text);
    assert_string_equal(text, "19700101T000000Z");
    aws_time_format(-1, text);
    assert_string_equal(text, "19691231T235959Z");
}

static void time_invalid_text_is_refused(void **state)
{
    time_t t = 42;

    for (size_t i = 0; i < ARRAY_SIZE(bad_times); i++)
        assert_int_equal(aws_time_parse(bad_times[i], &t), -EINVAL);
    assert_int_equal(t, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_is_written_and_read_in_each_form),
        cmocka_unit_test(time_invalid_text_is_refused),
    };

    return cmocka_run_group_tests_name("sigv4-time", tests, NULL, NULL);
}
