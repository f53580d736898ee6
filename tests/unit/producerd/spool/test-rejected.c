/* SPDX-License-Identifier: MIT */
#include "spool-fixture.h"

static int drop(struct spool *s, const char *id, size_t *ret_n)
{
    struct store_dropped dropped = {};
    int r = spool_drop(s, id, &dropped);

    if (r == 0 || r == STORE_E_MORE)
        *ret_n = dropped.n;
    return r;
}

static void rejected_messages_are_listed_with_their_reason(void **state)
{
    struct spool *s = reopen(*state);
    struct page page = {.n_max = 2};
    const struct spool_message *m[4];

    add_many(s, "a", 1, 4);
    assert_int_equal(spool_commit(s), 0);
    m[0] = next(s, "a1");
    m[1] = next(s, "a2");
    m[2] = next(s, "a3");
    m[3] = next(s, "a4");
    spool_settle(s, m[2], "bad three", 33);
    spool_settle(s, m[0], "bad one", 11);
    assert_counts(s, 2, 2, 8);
    assert_int_equal(spool_commit(s), 0);
    spool_settle(s, m[1], "bad two", 22);
    assert_int_equal(spool_commit(s), 0);
    s = reopen(*state);
    assert_counts(s, 1, 3, 8);
    next(s, "a4");

    assert_int_equal(spool_rejected(s, 0, on_rejected, &page), 0);
    assert_int_equal(page.n, 2);
    assert_string_equal(page.text, "a1/a/bad one/2/11 a2/a/bad two/2/22 ");
    page = (struct page){.n_max = 100, .last = page.last};
    assert_int_equal(spool_rejected(s, page.last, on_rejected, &page), 0);
    assert_string_equal(page.text, "a3/a/bad three/2/33 ");
}

static bool on_long_reason(void *userdata, const struct rejected_message *m)
{
    *(size_t *)userdata = strlen(m->reason);
    return true;
}

static void long_reason_is_cut_between_characters(void **state)
{
    struct spool *s = reopen(*state);
    char reason[SPOOL_REASON_MAX_BYTES + 8];
    size_t found = 0;

    add(s, "a1");
    assert_int_equal(spool_commit(s), 0);
    memset(reason, 'x', sizeof(reason));
    strcpy(reason + SPOOL_REASON_MAX_BYTES - 1, "\xc3\xa9"); /* one character, two bytes */
    spool_settle(s, next(s, "a1"), reason, 1);
    assert_int_equal(spool_commit(s), 0);
    assert_int_equal(spool_rejected(s, 0, on_long_reason, &found), 0);
    assert_int_equal(found, SPOOL_REASON_MAX_BYTES - 1);
}

static void retried_message_is_last_and_keeps_its_ids(void **state)
{
    struct spool *s = reopen(*state);
    size_t n = 0;

    add_many(s, "a", 1, 3);
    assert_int_equal(spool_commit(s), 0);
    spool_settle(s, next(s, "a1"), "no", 1);
    next(s, "a2");
    assert_int_equal(spool_retry(s, "a2", &n), STORE_E_NO_SUCH_ID);
    assert_int_equal(spool_retry(s, "a1", &n), 0); /* its rejection was not written yet */
    assert_int_equal(n, 1);
    assert_counts(s, 3, 0, 6);
    add(s, "a4");
    assert_int_equal(spool_commit(s), 0);
    next(s, "a3");
    next(s, "a1");
    next(s, "a4");
    s = reopen(*state);
    assert_counts(s, 4, 0, 8);
    next(s, "a2");
    next(s, "a3");
    next(s, "a1");
    next(s, "a4");
    next_none(s);
    assert_int_equal(spool_retry(s, "a1", &n), STORE_E_NO_SUCH_ID);
}

static void rejected_messages_are_dropped_by_id_or_all(void **state)
{
    struct spool *s = reopen(*state);
    size_t n = 0;

    add_many(s, "a", 1, 4);
    assert_int_equal(spool_commit(s), 0);
    for (unsigned i = 0; i < 3; i++) {
        const struct spool_message *m = NULL;

        assert_int_equal(spool_next(s, &m), 0);
        spool_settle(s, m, "no", 1);
    }
    assert_int_equal(drop(s, "a4", &n), STORE_E_NO_SUCH_ID);
    assert_int_equal(drop(s, "a2", &n), 0);
    assert_int_equal(n, 1);
    assert_counts(s, 1, 2, 6);
    assert_int_equal(drop(s, NULL, &n), 0);
    assert_int_equal(n, 2);
    assert_counts(s, 1, 0, 2);
    assert_int_equal(drop(s, NULL, &n), 0);
    assert_int_equal(n, 0);
    s = reopen(*state);
    assert_counts(s, 1, 0, 2);
    next(s, "a4");
}

static void dropped_messages_are_named_up_to_a_bound(void **state)
{
    enum { N = STORE_DROPPED_IDS_MAX + 3 };
    struct spool *s = reopen(*state);
    struct store_dropped dropped = {};
    const struct spool_message *m;

    add_many(s, "a", 1, N);
    assert_int_equal(spool_commit(s), 0);
    while (spool_next(s, &m) == 0)
        spool_settle(s, m, "no", 1);
    assert_int_equal(spool_drop(s, "a2", &dropped), 0);
    assert_int_equal(dropped.n, 1);
    assert_int_equal(dropped.n_ids, 1);
    assert_string_equal(dropped.ids[0], "a2");
    assert_int_equal(spool_drop(s, NULL, &dropped), 0);
    assert_int_equal(dropped.n, N - 1);
    assert_int_equal(dropped.n_ids, STORE_DROPPED_IDS_MAX);
    assert_string_equal(dropped.ids[0], "a1");
    assert_string_equal(dropped.ids[1], "a3");
    assert_string_equal(dropped.ids[STORE_DROPPED_IDS_MAX - 1], "a11");
}

static void retry_and_drop_survive_a_restart(void **state)
{
    struct spool *s = reopen(*state);
    size_t n = 0;

    add_many(s, "a", 1, 4);
    assert_int_equal(spool_commit(s), 0);
    for (unsigned i = 0; i < 4; i++) {
        const struct spool_message *m = NULL;

        assert_int_equal(spool_next(s, &m), 0);
        spool_settle(s, m, "no", 1); /* written with the first retry, in no sync of its own */
    }
    n_syncs = 0;
    assert_int_equal(spool_retry(s, "a1", &n), 0);
    assert_syncs(1);
    assert_int_equal(drop(s, "a2", &n), 0);
    assert_syncs(2);
    assert_int_equal(spool_retry(s, "a2", &n), STORE_E_NO_SUCH_ID);
    assert_syncs(2);
    assert_int_equal(spool_retry(s, NULL, &n), 0); /* the two left */
    assert_int_equal(n, 2);
    assert_syncs(3);
}

static void bulk_command_is_bounded_in_messages(void **state)
{
    struct spool *s = reopen(*state);
    const struct spool_message *m = NULL;
    size_t n = 0;

    for (unsigned i = 0; i < STORE_BULK_MAX + 5; i++)
        add_many(s, "a", i + 1, 1);
    assert_int_equal(spool_commit(s), 0);
    while (spool_next(s, &m) == 0)
        spool_settle(s, m, "no", 1);
    assert_int_equal(spool_retry(s, NULL, &n), STORE_E_MORE);
    assert_int_equal(n, STORE_BULK_MAX);
    assert_counts(s, STORE_BULK_MAX, 5, spool_counts(s).bytes);
    assert_int_equal(spool_retry(s, NULL, &n), 0);
    assert_int_equal(n, 5);
    next(s, "a1");
}

/* One transaction of many large messages would keep the loop waiting. */
static void bulk_command_is_bounded_in_bytes(void **state)
{
    enum { LARGE_BYTES = 1024 * 1024, N = STORE_BULK_MAX_BYTES / LARGE_BYTES + 2 };
    struct spool *s = reopen(*state);
    CLEANUP(free) char *body = malloc(LARGE_BYTES);
    const struct spool_message *m = NULL;
    size_t n = 0;

    assert_non_null(body);
    memset(body, 'x', LARGE_BYTES);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(spool_add(s, "a",
                                   &(struct sqs_message){.body = body,
                                                         .body_bytes = LARGE_BYTES,
                                                         .group_id = "g",
                                                         .deduplication_id = "d",
                                                         .delay_sec = -1},
                                   NULL),
                         0);
        assert_int_equal(spool_commit(s), 0);
    }
    while (spool_next(s, &m) == 0)
        spool_settle(s, m, "no", 1);
    assert_int_equal(spool_retry(s, NULL, &n), STORE_E_MORE);
    assert_int_equal(n, STORE_BULK_MAX_BYTES / LARGE_BYTES);
    assert_int_equal(drop(s, NULL, &n), 0);
    assert_int_equal(n, 2);
    assert_counts(s, N - 2, 0, (uint64_t)(N - 2) * LARGE_BYTES);
}

static void failed_command_leaves_rejected_messages_unchanged(void **state)
{
    struct spool *s = reopen(*state);
    size_t n = 0;

    add(s, "a1");
    assert_int_equal(spool_commit(s), 0);
    spool_settle(s, next(s, "a1"), "no", 1);
    assert_int_equal(spool_commit(s), 0);
    write_error = ENOSPC;
    assert_int_equal(spool_retry(s, "a1", &n), -ENOSPC);
    assert_int_equal(drop(s, NULL, &n), -ENOSPC);
    write_error = 0;
    assert_counts(s, 0, 1, 2);
    next_none(s);
    assert_int_equal(spool_retry(s, "a1", &n), 0);
    next(s, "a1");
}

static void fifo_messages_are_retried_on_standard_queue(void **state)
{
    struct fixture *f = *state;
    struct spool *s = reopen(f);
    const struct spool_message *m = NULL;
    size_t n = 0;

    add_many(s, "a", 1, 2);
    assert_int_equal(spool_commit(s), 0);
    reject_next(s);
    reject_next(s);
    assert_int_equal(spool_sync(s), 0);
    s = change_kind(f, false);
    assert_counts(s, 0, 2, 4);
    assert_int_equal(spool_retry(s, NULL, &n), 0);
    assert_int_equal(n, 2);
    s = reopen(f);
    for (n = 1; n <= 2; n++) {
        assert_int_equal(spool_next(s, &m), 0);
        assert_string_equal(m->head.message.group_id, "a");
        assert_null(m->head.message.deduplication_id);
        assert_int_equal(m->head.id[1], '0' + n);
    }
}

static void add_standard(struct spool *s, const char *id, const char *group)
{
    assert_int_equal(spool_add(s, id,
                               &(struct sqs_message){
                                   .body = "x", .body_bytes = 1, .group_id = group, .delay_sec = 9},
                               NULL),
                     0);
}

static void groupless_messages_are_not_retried_on_fifo_queue(void **state)
{
    struct fixture *f = *state;
    struct spool *s = change_kind(f, false);
    const struct spool_message *m = NULL;
    size_t n = 0;

    add_standard(s, "none", NULL);
    add_standard(s, "some", "g");
    assert_int_equal(spool_commit(s), 0);
    reject_next(s);
    reject_next(s);
    assert_int_equal(spool_sync(s), 0);
    s = change_kind(f, true);
    assert_int_equal(spool_retry(s, "none", &n), STORE_E_NO_GROUP);
    assert_int_equal(spool_retry(s, "other", &n), STORE_E_NO_SUCH_ID);
    assert_int_equal(spool_retry(s, NULL, &n), STORE_E_MORE);
    assert_int_equal(n, 1);
    assert_int_equal(spool_retry(s, NULL, &n), STORE_E_NO_GROUP);
    assert_counts(s, 1, 1, 2);
    s = reopen(f);
    assert_int_equal(spool_next(s, &m), 0);
    assert_string_equal(m->head.message.deduplication_id, "some");
    assert_int_equal(m->head.message.delay_sec, -1);
    next_none(s);
    assert_int_equal(drop(s, "none", &n), 0);
    assert_counts(s, 1, 0, 1);
}

/* A waiting row with the same number could never be rejected; a row with a number out of range
 * would never be listed. */
static void rejected_rows_of_wrong_numbers_are_renumbered(void **state)
{
    static const char *const numbers[] = {"2", "-2", "0", "9223372036854775807"};

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        struct fixture *f = *state;
        struct page page = {.n_max = 100};
        char sql[128];
        struct spool *s;

        f->spool = spool_free(f->spool);
        unlink(path);
        s = reopen(f);
        add_many(s, "a", 1, 2);
        assert_int_equal(spool_commit(s), 0);
        spool_settle(s, next(s, "a1"), "no", 1);
        assert_int_equal(spool_sync(s), 0);
        f->spool = spool_free(f->spool);
        snprintf(sql, sizeof(sql), "UPDATE rejected SET number = %s", numbers[i]);
        change(sql);
        s = reopen(f);
        spool_settle(s, next(s, "a2"), "no", 2);
        assert_int_equal(spool_sync(s), 0);
        assert_int_equal(spool_rejected(s, 0, on_rejected, &page), 0);
        assert_int_equal(page.n, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rejected_messages_are_listed_with_their_reason),
        TEST(long_reason_is_cut_between_characters),
        TEST(retried_message_is_last_and_keeps_its_ids),
        TEST(rejected_messages_are_dropped_by_id_or_all),
        TEST(dropped_messages_are_named_up_to_a_bound),
        TEST(retry_and_drop_survive_a_restart),
        TEST(bulk_command_is_bounded_in_messages),
        TEST(bulk_command_is_bounded_in_bytes),
        TEST(failed_command_leaves_rejected_messages_unchanged),
        TEST(fifo_messages_are_retried_on_standard_queue),
        TEST(groupless_messages_are_not_retried_on_fifo_queue),
        TEST(rejected_rows_of_wrong_numbers_are_renumbered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
