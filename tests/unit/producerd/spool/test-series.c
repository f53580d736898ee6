/* SPDX-License-Identifier: MIT */
#include "spool-fixture.h"

static void set_series(struct store_series *series, unsigned i, uint64_t number)
{
    *series = (struct store_series){.number = number};
    snprintf(series->id, sizeof(series->id), "%08x-5f0e-4a86-9a4f-3f6c0a7e1a11", i);
}

static int commit_with(struct spool *s, const char *message, struct store_series *series)
{
    add(s, message);
    spool_note_series(s, series);
    return spool_commit(s);
}

static void assert_number(struct spool *s, const struct store_series *series, uint64_t number)
{
    struct store_series found = {.number = 99};

    memcpy(found.id, series->id, sizeof(found.id));
    memset(found.refused, 0x55, sizeof(found.refused));
    assert_int_equal(spool_read_series(s, &found), 0);
    assert_int_equal(found.number, number);
    assert_memory_equal(found.refused, number > 0 ? series->refused : (uint8_t[512]){0},
                        sizeof(found.refused));
}

static void series_is_kept_with_its_messages(void **state)
{
    struct spool *s = reopen(*state);
    struct store_series a, b;

    set_series(&a, 1, 10);
    set_series(&b, 2, 3);
    a.refused[1] = 0x81;
    b.refused[511] = 0x10;
    assert_number(s, &a, 0);
    assert_int_equal(commit_with(s, "a1", &a), 0);
    assert_int_equal(commit_with(s, "b1", &b), 0);
    a.number = 12;
    a.refused[0] = 0x02;
    assert_int_equal(commit_with(s, "a2", &a), 0);
    s = reopen(*state);
    assert_number(s, &a, 12);
    assert_number(s, &b, 3);
}

static void failed_commit_keeps_the_former_number(void **state)
{
    struct spool *s = reopen(*state);
    struct store_series a;

    set_series(&a, 1, 1);
    assert_int_equal(commit_with(s, "a1", &a), 0);
    a.number = 2;
    write_error = EIO;
    assert_true(commit_with(s, "a2", &a) < 0);
    write_error = 0;
    assert_false(list_is_linked(&a.link)); /* the spool borrows it no more */
    assert_number(s, &a, 1);
    add(s, "b1");
    assert_int_equal(spool_commit(s), 0);
    assert_number(s, &a, 1);
}

static void series_used_last_are_kept(void **state)
{
    struct spool *s = reopen(*state);
    struct store_series series[8], first;

    set_series(&first, SPOOL_SERIES_MAX + 10, 1);
    assert_int_equal(commit_with(s, "a1", &first), 0);
    for (unsigned i = 0; i < SPOOL_SERIES_MAX; i += ARRAY_SIZE(series)) {
        add(s, "a1");
        for (unsigned k = 0; k < ARRAY_SIZE(series); k++) {
            set_series(&series[k], i + k, i + k + 1);
            spool_note_series(s, &series[k]);
        }
        assert_int_equal(spool_commit(s), 0);
        if (i == SPOOL_SERIES_MAX / 2) {
            first.number = 2;
            assert_int_equal(commit_with(s, "a1", &first), 0);
        }
    }
    assert_number(s, &first, 2); /* its second message saved it */
    assert_number(s, &series[7], SPOOL_SERIES_MAX);
    set_series(&series[0], 0, 1);
    assert_number(s, &series[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(series_is_kept_with_its_messages),
        TEST(failed_commit_keeps_the_former_number),
        TEST(series_used_last_are_kept),
    };

    return cmocka_run_group_tests_name("series", tests, NULL, NULL);
}
