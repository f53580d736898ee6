/* SPDX-License-Identifier: MIT */
#include "consumerd/memory-budget.h"
#include "test.h"

static void budget_before_the_first_message_knows_nothing(void **state)
{
    struct memory_budget budget = MEMORY_BUDGET_INIT(1000);

    assert_int_equal(memory_budget_messages(&budget, 0, 0), SIZE_MAX);
    assert_int_equal(memory_budget_messages(&budget, 0, 500), SIZE_MAX);
}

static void messages_held_and_reserved_take_memory(void **state)
{
    struct memory_budget budget = MEMORY_BUDGET_INIT(1000);

    memory_budget_received(&budget, 100, 1);
    assert_int_equal(memory_budget_messages(&budget, 0, 0), 10);
    assert_int_equal(memory_budget_messages(&budget, 400, 0), 6);
    assert_int_equal(memory_budget_messages(&budget, 400, 4), 2);
    assert_int_equal(memory_budget_messages(&budget, 401, 4), 1);
    assert_int_equal(memory_budget_messages(&budget, 400, 6), 0);
    assert_int_equal(memory_budget_messages(&budget, 2000, 0), 0);
    assert_int_equal(memory_budget_messages(&budget, 0, 100), 0);
}

static void budget_without_messages_always_lets_one_come(void **state)
{
    struct memory_budget budget = MEMORY_BUDGET_INIT(1000);

    memory_budget_received(&budget, 5000, 1);
    assert_int_equal(memory_budget_messages(&budget, 0, 0), 1);
    assert_int_equal(memory_budget_messages(&budget, 5000, 0), 0);
}

static void budget_counts_the_largest_of_the_last_messages(void **state)
{
    struct memory_budget budget = MEMORY_BUDGET_INIT(1600);

    memory_budget_received(&budget, 1600, 10);
    assert_int_equal(budget.message_bytes, 160);
    memory_budget_received(&budget, 400, 1);
    assert_int_equal(budget.message_bytes, 400);
    memory_budget_received(&budget, 10, 10);
    assert_int_equal(budget.message_bytes, 375);
    for (int i = 0; i < 100; i++)
        memory_budget_received(&budget, 100, 10);
    assert_in_range(budget.message_bytes, 10, 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budget_before_the_first_message_knows_nothing),
        cmocka_unit_test(messages_held_and_reserved_take_memory),
        cmocka_unit_test(budget_without_messages_always_lets_one_come),
        cmocka_unit_test(budget_counts_the_largest_of_the_last_messages),
    };

    return cmocka_run_group_tests_name("consumerd-memory-budget", tests, NULL, NULL);
}
