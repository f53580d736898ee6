/* SPDX-License-Identifier: MIT */
#include "util/random.h"

#include "test.h"

/* Of 256 numbers, each bit is set in some and clear in others: by chance it is not so once in
 * 2^249. */
static void random_bits_all_vary(void **state)
{
    uint64_t any = 0, all = UINT64_MAX;

    for (int i = 0; i < 256; i++) {
        uint64_t n = random_u64();

        any |= n;
        all &= n;
    }
    assert_int_equal(any, UINT64_MAX);
    assert_int_equal(all, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_bits_all_vary),
    };

    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
