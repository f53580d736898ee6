/* SPDX-License-Identifier: MIT */
#include "aws/error.h"
#include "test.h"

#include <errno.h>

/* What else it offers is tested with the replies that it is asked about, by sqs/test-error.c. */

static void server_time_is_found_in_the_text(void **state)
{
    static const struct {
        const char *text;
        time_t time; /* 0: none */
    } rows[] = {
        {"(20150830T123600Z - 15 min.)", 1440938160},
        {"(20150830T123600Z + 15 min.)", 1440938160},
        {"a (b) (20150830T123600Z + 5 min", 1440938160},
        {"((20150830T123600Z - 15 min.)", 1440938160},
        {"(20150830T123601Z - x) (20150830T123600Z - 15 min.)", 1440938160},
        {"", 0},
        {"(", 0},
        {"20150830T123600Z - 15 min.", 0},
        {"(20150830T123600Z)", 0},
        {"(20150830T123600Z", 0},
        {"(20150830T123600Z ", 0},
        {"(20150830T123600Z -", 0},
        {"(20150830T123600Z - ", 0},
        {"(20150830T123600Z - min", 0},
        {"(20150830T123600Z - 15", 0},
        {"(20150830T123600Z * 15 min.)", 0},
        {"(20150830T123600 - 15 min.)", 0},
        {"(20151330T123600Z - 15 min.)", 0},
        {"(20150830T246100Z - 15 min.)", 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        time_t t = 42;

        assert_int_equal(aws_error_server_time(rows[i].text, &t), rows[i].time ? 0 : -EINVAL);
        assert_int_equal(t, rows[i].time ? rows[i].time : 42);
    }
}

static void aws_error_backoff_is_slow_where_a_person_must_help(void **state)
{
    assert_int_equal(aws_error_backoff(AWS_ERROR_TRANSIENT), BACKOFF_TRANSIENT);
    assert_int_equal(aws_error_backoff(AWS_ERROR_THROTTLED), BACKOFF_THROTTLED);
    assert_int_equal(aws_error_backoff(AWS_ERROR_CLOCK), BACKOFF_SLOW);
    assert_int_equal(aws_error_backoff(AWS_ERROR_CREDENTIALS), BACKOFF_SLOW);
    assert_int_equal(aws_error_backoff(AWS_ERROR_PERMANENT), BACKOFF_SLOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_time_is_found_in_the_text),
        cmocka_unit_test(aws_error_backoff_is_slow_where_a_person_must_help),
    };

    return cmocka_run_group_tests_name("aws-error", tests, NULL, NULL);
}
