/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "util/adaptive-limit.h"

static void requests_that_stall_together_halve_it_once(void **state)
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

static void it_never_falls_below_one(void **state)
{
    struct adaptive_limit limit = ADAPTIVE_LIMIT_INIT(3);

    for (unsigned i = 0; i < 5; i++)
        assert_true(adaptive_limit_stalled(&limit, i));
    assert_int_equal(limit.current, 1);
}

static void it_recovers_step_by_step(void **state)
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

static void what_went_out_before_a_stall_does_not_raise_it(void **state)
{
    struct adaptive_limit limit = ADAPTIVE_LIMIT_INIT(2);

    adaptive_limit_stalled(&limit, 0);
    for (unsigned i = 0; i < 10; i++)
        adaptive_limit_succeeded(&limit, 0);
    assert_int_equal(limit.current, 1);
}

static void another_maximum_holds_at_once(void **state)
{
    struct adaptive_limit limit = ADAPTIVE_LIMIT_INIT(8);

    adaptive_limit_set_max(&limit, 20);
    assert_int_equal(limit.current, 20);
    adaptive_limit_set_max(&limit, 3);
    assert_int_equal(limit.current, 3);
    adaptive_limit_set_max(&limit, 20);
    assert_int_equal(limit.current, 20);
}

static void another_maximum_leaves_what_was_halved(void **state)
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
        cmocka_unit_test(requests_that_stall_together_halve_it_once),
        cmocka_unit_test(it_never_falls_below_one),
        cmocka_unit_test(it_recovers_step_by_step),
        cmocka_unit_test(what_went_out_before_a_stall_does_not_raise_it),
        cmocka_unit_test(another_maximum_holds_at_once),
        cmocka_unit_test(another_maximum_leaves_what_was_halved),
    };

    return cmocka_run_group_tests_name("limit", tests, NULL, NULL);
}
