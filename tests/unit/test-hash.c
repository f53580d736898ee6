#include "hash.h"
#include "test.h"

/* Of draft-eastlake-fnv's test vectors. */
static void it_is_fnv_1a(void **state)
{
    assert_int_equal(hash_string(""), UINT64_C(0xcbf29ce484222325));
    assert_int_equal(hash_string("a"), UINT64_C(0xaf63dc4c8601ec8c));
    assert_int_equal(hash_string("foobar"), UINT64_C(0x85944171f73967e8));
}

static void bytes_above_127_count_as_such(void **state)
{
    uint64_t empty = hash_string("");

    assert_int_equal(hash_string("\xff"), (empty ^ 0xff) * UINT64_C(0x100000001b3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_fnv_1a),
        cmocka_unit_test(bytes_above_127_count_as_such),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
