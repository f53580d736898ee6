/* SPDX-License-Identifier: MIT */
#include "util/log-rate-limit.h"

#include "test.h"

#define SEC USEC_PER_SEC

static void log_rate_limit_same_kind_one_line_an_interval(void **state)
{
    struct log_rate_limit limit = {};
    uint64_t n_suppressed = 7;

    assert_true(log_rate_limit_take(&limit, "", 1, 0, &n_suppressed)); /* at any time, 0 as well */
    assert_int_equal(n_suppressed, 0);
    assert_true(log_rate_limit_is_spent(&limit));
    assert_false(log_rate_limit_take(&limit, "", 1, 1, NULL));
    n_suppressed = 7;
    assert_false(log_rate_limit_take(&limit, "", 4, 60 * SEC - 1, &n_suppressed));
    assert_int_equal(n_suppressed, 7); /* untouched */
    assert_true(log_rate_limit_take(&limit, "", 2, 60 * SEC, &n_suppressed));
    assert_int_equal(n_suppressed, 5);
    assert_false(log_rate_limit_take(&limit, "", 1, 61 * SEC, NULL));
    assert_true(log_rate_limit_take(&limit, "", 1, 120 * SEC, &n_suppressed));
    assert_int_equal(n_suppressed, 1);
}

static void log_rate_limit_other_kind_is_written_at_once(void **state)
{
    struct log_rate_limit limit = {};
    char long_a[LOG_RATE_LIMIT_KIND_SIZE + 8], long_b[sizeof(long_a)];

    assert_true(log_rate_limit_take(&limit, "a", 1, SEC, NULL));
    assert_false(log_rate_limit_take(&limit, "a", 1, 2 * SEC, NULL));
    assert_true(log_rate_limit_take(&limit, "b", 1, 3 * SEC, NULL));
    assert_false(log_rate_limit_take(&limit, "b", 1, 62 * SEC, NULL));
    assert_true(log_rate_limit_take(&limit, "b", 1, 63 * SEC, NULL));
    assert_true(log_rate_limit_take(&limit, "a", 1, 64 * SEC, NULL));

    /* What differs behind the end is the same. */
    memset(long_a, 'x', sizeof(long_a) - 1);
    long_a[sizeof(long_a) - 1] = '\0';
    memcpy(long_b, long_a, sizeof(long_a));
    long_b[sizeof(long_b) - 2] = 'y';
    assert_true(log_rate_limit_take(&limit, long_a, 1, 65 * SEC, NULL));
    assert_false(log_rate_limit_take(&limit, long_b, 1, 66 * SEC, NULL));
}

static void log_rate_limit_alternating_kinds_have_one_line_each(void **state)
{
    static const char *const kinds[] = {"a", "b", "c", "d"};
    struct log_rate_limit limit = {};
    uint64_t n_suppressed = 7;

    for (uint64_t i = 0; i < 400; i++)
        assert_int_equal(log_rate_limit_take(&limit, kinds[i % 4], 1, i * SEC / 10, NULL), i < 4);
    assert_true(log_rate_limit_take(&limit, "e", 1, 50 * SEC, &n_suppressed)); /* in a's place */
    assert_int_equal(n_suppressed, 396);
    assert_false(log_rate_limit_take(&limit, "b", 1, 51 * SEC, NULL));
    assert_true(log_rate_limit_take(&limit, "a", 1, 52 * SEC, &n_suppressed)); /* in b's */
    assert_int_equal(n_suppressed, 1);
}

static void log_rate_limit_lines_max_is_spent_then_counted(void **state)
{
    struct log_rate_limit limit = {.lines_max = 3};
    uint64_t n_suppressed;

    for (unsigned i = 1; i <= 3; i++) {
        assert_true(log_rate_limit_take(&limit, "", 1, 10 * SEC + i, &n_suppressed));
        assert_int_equal(n_suppressed, 0);
        assert_int_equal(log_rate_limit_is_spent(&limit), i == 3);
    }
    for (unsigned i = 0; i < 10; i++)
        assert_false(log_rate_limit_take(&limit, "", 1, 11 * SEC, NULL));
    assert_false(
        log_rate_limit_take(&limit, "", 1, 70 * SEC, NULL)); /* the interval began at 10 s + 1 */
    assert_true(log_rate_limit_take(&limit, "", 1, 70 * SEC + 1, &n_suppressed));
    assert_int_equal(n_suppressed, 11);
    assert_false(log_rate_limit_is_spent(&limit));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_rate_limit_same_kind_one_line_an_interval),
        cmocka_unit_test(log_rate_limit_other_kind_is_written_at_once),
        cmocka_unit_test(log_rate_limit_alternating_kinds_have_one_line_each),
        cmocka_unit_test(log_rate_limit_lines_max_is_spent_then_counted),
    };

    return cmocka_run_group_tests_name("util-log-rate-limit", tests, NULL, NULL);
}
