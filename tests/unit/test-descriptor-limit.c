#include "descriptor-limit.h"
#include "test.h"

#include <sys/resource.h>

static void the_soft_limit_is_raised_as_far_as_the_hard_one(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_soft_limit_is_raised_as_far_as_the_hard_one),
    };

    return cmocka_run_group_tests_name("descriptor-limit", tests, NULL, NULL);
}
