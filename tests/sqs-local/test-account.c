/* SPDX-License-Identifier: MIT */
/* The names of queues, and names that were deleted a short time ago. */
#include "account.h"
#include "test.h"

static void names_and_deleted_names_are_checked(void **state)
{
    struct queue_settings s;
    struct account account;
    struct queue *q = NULL;
    uint64_t now = 1000 * USEC_PER_SEC;

    assert_true(queue_name_is_valid("a-B_9.fifo", true));
    assert_true(queue_name_is_valid("a-B_9", false));
    assert_false(queue_name_is_valid("a.fifo", false));
    assert_false(queue_name_is_valid("a", true));
    assert_false(queue_name_is_valid(".fifo", true));
    assert_false(queue_name_is_valid("a.b.fifo", true));
    assert_false(queue_name_is_valid("", false));
    assert_false(queue_name_is_valid("aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbb"
                                     "aaaaaaaaaabbbbbbbbbbx",
                                     false));

    account_init(&account);
    queue_settings_init(&s, false);
    assert_int_equal(account_add(&account, "q", &s, now, &q), 0);
    assert_ptr_equal(account_find(&account, "q"), q);
    assert_int_equal(account_remove(&account, q, now), 0);
    queue_free(q);
    assert_null(account_find(&account, "q"));
    queue_settings_init(&s, false);
    assert_int_equal(account_add(&account, "q", &s, now + 59 * USEC_PER_SEC, &q),
                     ACCOUNT_E_DELETED_RECENTLY);
    assert_int_equal(account_add(&account, "q", &s, now + 60 * USEC_PER_SEC, &q), 0);
    account_done(&account);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_deleted_names_are_checked),
    };

    return cmocka_run_group_tests_name("sqs-local-model-account", tests, NULL, NULL);
}
