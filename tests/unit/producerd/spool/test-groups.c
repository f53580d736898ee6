/* SPDX-License-Identifier: MIT */
#include "producerd/spool/groups.h"
#include "test.h"

#include <stdio.h>

enum { OUT_MAX = 2, GROUPS_MAX = 3 };

static void spool_groups_is_free(struct spool_groups **g)
{
    assert_int_equal(spool_groups_count(*g), 0);
    spool_groups_free(*g);
}

static struct spool_groups *new_groups(void)
{
    struct spool_groups *g = NULL;

    assert_int_equal(spool_groups_new(OUT_MAX, GROUPS_MAX, &g), 0);
    return g;
}

/* Every test leaves no group behind. */
#define GROUPS(g)                                                                                  \
    __attribute__((cleanup(spool_groups_is_free))) struct spool_groups *g = new_groups()

static void assert_behind(struct spool_groups *g, const char *group_id, uint64_t number)
{
    uint64_t found_number = 0;
    const char *found = spool_groups_next_lagging(g, &found_number);

    if (!group_id) {
        assert_null(found);
        return;
    }
    assert_non_null(found);
    assert_string_equal(found, group_id);
    assert_int_equal(found_number, number);
}

static void assert_turn(struct spool_groups *g, const char *group_id, uint64_t number,
                        enum group_decision turn)
{
    assert_int_equal(spool_groups_decide(g, group_id, number), turn);
}

static void group_at_maximum_is_skipped(void **state)
{
    GROUPS(g);

    assert_turn(g, "a", 1, GROUP_TAKE);
    assert_turn(g, "a", 2, GROUP_TAKE);
    assert_turn(g, "a", 3, GROUP_SKIP);
    assert_turn(g, "b", 4, GROUP_TAKE);
    assert_behind(g, NULL, 0);
    spool_groups_done(g, "b");
    spool_groups_done(g, "a");
    assert_behind(g, "a", 3);
    spool_groups_caught_up(g);
    spool_groups_done(g, "a");
}

static void lagging_group_is_read_until_it_has_caught_up(void **state)
{
    GROUPS(g);

    for (uint64_t i = 1; i <= 6; i++)
        assert_turn(g, "a", i, i <= OUT_MAX ? GROUP_TAKE : GROUP_SKIP);
    spool_groups_done(g, "a");
    assert_behind(g, "a", 3);
    spool_groups_lagging_found(g, 3);
    assert_behind(g, NULL, 0); /* as many are out as may be */
    /* One is done, but the reading in order must not take a message behind the skipped ones. */
    spool_groups_done(g, "a");
    assert_turn(g, "a", 7, GROUP_SKIP);
    assert_behind(g, "a", 4);
    spool_groups_lagging_found(g, 7); /* 4 to 6 are not there: it goes on after what was found */
    spool_groups_done(g, "a");
    assert_behind(g, "a", 8);
    spool_groups_caught_up(g);
    assert_turn(g, "a", 8, GROUP_TAKE);
    spool_groups_done(g, "a");
    spool_groups_done(g, "a");
}

static void lagging_groups_take_turns(void **state)
{
    static const char *const names[] = {"a", "b"};
    static const uint64_t from[] = {5, 6, 6, 7}; /* from behind what was found */
    GROUPS(g);

    for (uint64_t i = 0; i < 12; i++)
        spool_groups_decide(g, names[i % 2], i + 1);
    for (int i = 0; i < 4; i++)
        spool_groups_done(g, names[i % 2]);
    for (uint64_t i = 0; i < 4; i++) {
        assert_behind(g, names[i % 2], from[i]);
        spool_groups_lagging_found(g, i + 5);
    }
    assert_behind(g, NULL, 0);
    for (int i = 0; i < 4; i++)
        spool_groups_done(g, names[i % 2]);
    for (int i = 0; i < 2; i++) {
        assert_behind(g, names[i], 8 + (uint64_t)i);
        spool_groups_caught_up(g);
    }
}

static void too_many_groups_stop_reading_until_one_is_done(void **state)
{
    GROUPS(g);

    assert_turn(g, "a", 1, GROUP_TAKE);
    assert_turn(g, "b", 2, GROUP_TAKE);
    assert_turn(g, "c", 3, GROUP_TAKE);
    assert_turn(g, "d", 4, GROUP_STOP);
    assert_turn(g, "a", 4, GROUP_TAKE);
    spool_groups_done(g, "b");
    assert_turn(g, "d", 4, GROUP_TAKE);
    assert_int_equal(spool_groups_count(g), GROUPS_MAX);
    spool_groups_done(g, "a");
    spool_groups_done(g, "a");
    spool_groups_done(g, "c");
    spool_groups_done(g, "d");
}

/* A slot that is used again has nothing left of the longer id in it. */
static void shorter_id_in_reused_slot_is_found(void **state)
{
    GROUPS(g);

    assert_turn(g, "a-long-id", 1, GROUP_TAKE);
    spool_groups_done(g, "a-long-id");
    for (uint64_t i = 2; i <= 4; i++)
        assert_turn(g, "b", i, i < 4 ? GROUP_TAKE : GROUP_SKIP);
    assert_int_equal(spool_groups_count(g), 1);
    spool_groups_done(g, "b");
    assert_behind(g, "b", 4);
    spool_groups_caught_up(g);
    spool_groups_done(g, "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(group_at_maximum_is_skipped),
        cmocka_unit_test(lagging_group_is_read_until_it_has_caught_up),
        cmocka_unit_test(lagging_groups_take_turns),
        cmocka_unit_test(shorter_id_in_reused_slot_is_found),
        cmocka_unit_test(too_many_groups_stop_reading_until_one_is_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
