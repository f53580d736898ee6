/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "util/adaptive-limit.h"

static void adaptive_limit_requests_that_stall_together_are_halved_once(void **state)
{
    struct adaptive_limit limit = ADAPTIVE_LIMIT_INIT(32);

    assert_int_equal(limit.current, 32);
    assert_true(adaptive_limit_stalled(&limit, 0));
    assert_int_equal(limit.current, 16);
    for (unsigned i = 0; i < 31; i++)
        assert_false(adaptive_limit_stalled(&limit, 0));
    assert_int_equal(limit.current, 16);
    assert_true(adaptive_limit_stalled(&limit, 1));
    assert_int_equal(limit.current, 8);
}

static void adaptive_limit_is_never_below_one(void **state)
{
    struct adaptive_limit limit = ADAPTIVE_LIMIT_INIT(3);

    for (unsigned i = 0; i < 5; i++)
        assert_true(adaptive_limit_stalled(&limit, i));
    assert_int_equal(limit.current, 1);
}

static void adaptive_limit_after_a_stall_recovers_step_by_step(void **state)
{
    struct adaptive_limit limit = ADAPTIVE_LIMIT_INIT(4);
    unsigned n = 0;

    adaptive_limit_stalled(&limit, 0);
    adaptive_limit_stalled(&limit, 1);
    assert_int_equal(limit.current, 1);
    /* One for the second, two for the third, three for the fourth. */
    for (unsigned wanted = 2; wanted <= 4; wanted++) {
        for (unsigned i = 1; i < wanted; i++, n++) {
            assert_int_equal(limit.current, wanted - 1);
            adaptive_limit_succeeded(&limit, 2);
        }
        assert_int_equal(limit.current, wanted);
    }
    for (unsigned i = 0; i < 10; i++)
        adaptive_limit_succeeded(&limit, 2);
    assert_int_equal(limit.current, 4);
    assert_int_equal(n, 6);
}

static void adaptive_limit_is_not_raised_by_requests_from_before_a_stall(void **state)
{
    struct adaptive_limit limit = ADAPTIVE_LIMIT_INIT(2);

    adaptive_limit_stalled(&limit, 0);
    for (unsigned i = 0; i < 10; i++)
        adaptive_limit_succeeded(&limit, 0);
    assert_int_equal(limit.current, 1);
}

static void adaptive_limit_with_another_maximum_uses_it_at_once(void **state)
{
    struct adaptive_limit limit = ADAPTIVE_LIMIT_INIT(8);

    adaptive_limit_set_max(&limit, 20);
    assert_int_equal(limit.current, 20);
    adaptive_limit_set_max(&limit, 3);
    assert_int_equal(limit.current, 3);
    adaptive_limit_set_max(&limit, 20);
    assert_int_equal(limit.current, 20);
}

static void adaptive_limit_with_another_maximum_keeps_a_halved_limit(void **state)
{
    struct adaptive_limit limit = ADAPTIVE_LIMIT_INIT(20);

    adaptive_limit_stalled(&limit, 0);
    assert_int_equal(limit.current, 10);
    adaptive_limit_set_max(&limit, 30);
    assert_int_equal(limit.current, 10);
    adaptive_limit_set_max(&limit, 6);
    assert_int_equal(limit.current, 6);
    adaptive_limit_set_max(&limit, 7);
    for (unsigned i = 0; i < 100; i++)
        adaptive_limit_succeeded(&limit, 1);
    assert_int_equal(limit.current, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adaptive_limit_requests_that_stall_together_are_halved_once),
        cmocka_unit_test(adaptive_limit_is_never_below_one),
        cmocka_unit_test(adaptive_limit_after_a_stall_recovers_step_by_step),
        cmocka_unit_test(adaptive_limit_is_not_raised_by_requests_from_before_a_stall),
        cmocka_unit_test(adaptive_limit_with_another_maximum_uses_it_at_once),
        cmocka_unit_test(adaptive_limit_with_another_maximum_keeps_a_halved_limit),
    };

    return cmocka_run_group_tests_name("util-adaptive-limit", tests, NULL, NULL);
}
