/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "util/descriptor-limit.h"

#include <sys/resource.h>

static void descriptor_limit_is_raised_up_to_the_hard_limit(void **state)
{
    struct rlimit limit = {.rlim_cur = 100, .rlim_max = 200};
    uint64_t hard = 7;

    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(descriptor_limit_raise(50, &hard), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(limit.rlim_cur, 100);

    assert_int_equal(descriptor_limit_raise(150, &hard), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(limit.rlim_cur, 150);
    assert_int_equal(limit.rlim_max, 200);
    assert_int_equal(hard, 7);

    assert_int_equal(descriptor_limit_raise(201, &hard), DESCRIPTOR_LIMIT_E_HARD);
    assert_int_equal(hard, 200);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(limit.rlim_cur, 150);
}

static uint64_t soft_limit(void)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    return limit.rlim_cur;
}

static void descriptor_limit_original_is_that_before_the_first_raise(void **state)
{
    uint64_t hard, soft;

    assert_int_equal(descriptor_limit_raise(180, &hard), 0);
    soft = descriptor_limit_lower_for_spawn();
    assert_int_equal(soft_limit(), 100);
    descriptor_limit_restore_after_spawn(soft);
    assert_int_equal(soft_limit(), 180);
}

/* Before the others, which raise it. */
static void descriptor_limit_that_was_not_raised_is_not_restored(void **state)
{
    uint64_t before = soft_limit(), soft = descriptor_limit_lower_for_spawn();

    assert_int_equal(soft_limit(), before);
    descriptor_limit_restore_after_spawn(soft);
    assert_int_equal(soft_limit(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptor_limit_that_was_not_raised_is_not_restored),
        cmocka_unit_test(descriptor_limit_is_raised_up_to_the_hard_limit),
        cmocka_unit_test(descriptor_limit_original_is_that_before_the_first_raise),
    };

    return cmocka_run_group_tests_name("descriptor-limit", tests, NULL, NULL);
}
