/* SPDX-License-Identifier: MIT */
/* Transactions, statements, and files that are moved while they are open. */
#include "database-fixture.h"

static void database_fifo_or_link_beside_it_is_refused(void **state)
{
    static const char *const ends[] = {"-journal", "-wal"};
    struct database *d = open_one();

    insert_committed(d, "a", DATABASE_SYNCED);
    database_free(d);
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        char beside[sizeof(path) + 16];

        snprintf(beside, sizeof(beside), "%s%s", path, ends[i]);
        assert_int_equal(mkfifo(beside, 0600), 0);
        refused_with(1, "not a regular file");
        assert_int_equal(unlink(beside), 0);
        assert_int_equal(symlink("/dev/null", beside), 0);
        refused_with(1, "not a regular file");
        assert_int_equal(unlink(beside), 0);
    }
}

/* --- Paths --- */

static void refused_commit(struct database *d, const char *name)
{
    assert_int_equal(database_begin(d, DATABASE_SYNCED), 0);
    assert_int_equal(insert(d, name), 0);
    assert_int_equal(database_commit(d), -ESTALE);
    assert_non_null(strstr(database_error(d), "while it was open"));
}

static void database_commit_to_a_removed_file_fails(void **state)
{
    for (int kind = 0; kind < 2; kind++) {
        const char *which = kind == 0 ? path : log_path;
        struct database *d = open_one();
        char aside[160];

        snprintf(aside, sizeof(aside), "%s.aside", which);
        insert_committed(d, kind == 0 ? "a" : "b", DATABASE_SYNCED);
        assert_int_equal(rename(which, aside), 0);
        refused_commit(d, "no");
        write_whole(which, "another", 7);
        refused_commit(d, "no");
        insert_committed(d, kind == 0 ? "c" : "d", DATABASE_UNSYNCED); /* nobody is told of it */
        assert_int_equal(rename(aside, which), 0);
        insert_committed(d, kind == 0 ? "e" : "f", DATABASE_SYNCED);
        database_free(d);
        d = open_one();
        assert_int_equal(count(d), 3 * (kind + 1));
        database_free(d);
    }
}

static void database_in_a_moved_folder_fails_and_stays_whole(void **state)
{
    struct database *d = open_one();
    char aside[128];

    snprintf(aside, sizeof(aside), "%s.aside", folder);
    insert_committed(d, "a", DATABASE_SYNCED);
    assert_int_equal(rename(folder, aside), 0);
    refused_commit(d, "no");
    database_free(d);
    assert_int_equal(rename(aside, folder), 0);
    d = open_one();
    assert_int_equal(count(d), 1);
    database_free(d);
}

static void database_close_saves_its_own_log_and_removes_no_other(void **state)
{
    CLEANUP(buffer_done) struct buffer after = BUFFER_INIT(4096);
    struct database *d = open_one();

    insert_committed(d, "a", DATABASE_SYNCED);
    assert_int_equal(unlink(log_path), 0);
    refused_commit(d, "no");
    database_free(d);
    d = open_one();
    assert_int_equal(count(d), 1);

    assert_int_equal(unlink(log_path), 0);
    write_whole(log_path, "restored", 8);
    database_free(d);
    read_whole(log_path, &after);
    assert_string_equal(buffer_string(&after), "restored");
}

/* --- Transactions --- */

static void two_that_are_killed(void)
{
    struct database *d = open_one();

    insert_committed(d, "synced", DATABASE_SYNCED);
    insert_committed(d, "unsynced", DATABASE_UNSYNCED);
    database_begin(d, DATABASE_SYNCED);
    insert(d, "never committed");
}

static void database_commit_survives_a_kill(void **state)
{
    struct database *d;

    for (int i = 1; i <= 3; i++) {
        unlink(path);
        unlink(log_path);
        run_and_kill(two_that_are_killed);
        d = open_one();
        assert_int_equal(count(d), 2);
        database_free(d);
    }
}

static void database_commit_syncs_only_when_asked(void **state)
{
    struct database *d = open_one();

    insert_committed(d, "first", DATABASE_SYNCED);
    for (int i = 0; i < 5; i++) {
        char name[16];

        snprintf(name, sizeof(name), "a%d", i);
        n_syncs = 0;
        insert_committed(d, name, DATABASE_UNSYNCED);
        assert_int_equal(n_syncs, 0);
        snprintf(name, sizeof(name), "b%d", i);
        insert_committed(d, name, DATABASE_SYNCED);
        assert_int_equal(n_syncs, 1);
    }
    database_free(d);
}

static void database_rollback_leaves_no_row(void **state)
{
    struct database *d = open_one();

    assert_int_equal(database_begin(d, DATABASE_SYNCED), 0);
    assert_true(database_is_in_transaction(d));
    assert_int_equal(insert(d, "gone"), 0);
    database_rollback(d);
    assert_false(database_is_in_transaction(d));
    assert_int_equal(count(d), 0);
    database_rollback(d);
    insert_committed(d, "gone", DATABASE_SYNCED);
    database_free(d);
}

static void database_sync_that_fails_undoes_the_transaction(void **state)
{
    struct database *d = open_one();

    insert_committed(d, "kept", DATABASE_SYNCED);
    assert_int_equal(database_begin(d, DATABASE_SYNCED), 0);
    assert_int_equal(insert(d, "lost"), 0);
    sync_error = EIO;
    assert_int_equal(database_commit(d), -EIO);
    sync_error = 0;
    assert_non_null(strstr(database_error(d), path));
    assert_false(database_is_in_transaction(d));
    assert_int_equal(count(d), 1);
    insert_committed(d, "again", DATABASE_SYNCED);
    database_free(d);
    d = open_one();
    assert_int_equal(count(d), 2);
    database_free(d);
}

/* Also where the transaction is so large that it is written before its commit. */
static void database_on_a_full_disk_fails_until_there_is_space(void **state)
{
    static const int errors[] = {ENOSPC, EDQUOT, EIO};
    struct database *d = open_one();

    insert_committed(d, "kept", DATABASE_SYNCED);
    for (size_t k = 0; k < ARRAY_SIZE(errors); k++) {
        int wanted = errors[k] == EIO ? -EIO : -ENOSPC, r = 0, n = 0;

        assert_int_equal(database_begin(d, DATABASE_SYNCED), 0);
        write_error = errors[k];
        assert_int_equal(insert(d, "small"), 0);
        assert_int_equal(database_commit(d), wanted);
        write_error = 0;

        assert_int_equal(database_begin(d, DATABASE_SYNCED), 0);
        write_error = errors[k];
        for (; r >= 0 && n < 1000000; n++) {
            char name[128];

            snprintf(name, sizeof(name), "large %0100d", n);
            r = insert(d, name);
        }
        assert_int_equal(r, wanted);
        write_error = 0;
        /* Whether or not SQLite has undone it by itself, it is never half kept. */
        assert_int_equal(insert(d, "after"), wanted);
        assert_int_equal(database_commit(d), wanted);
        assert_int_equal(count(d), 1);
    }
    insert_committed(d, "space again", DATABASE_SYNCED);
    database_free(d);
    d = open_one();
    assert_int_equal(count(d), 2);
    database_free(d);
}

static void database_write_ahead_log_is_bounded(void **state)
{
    CLEANUP(free) char *data = calloc(1, 100000);
    struct database *d = open_one();
    struct statement *s;
    struct stat st;

    assert_int_equal(database_prepare(d, "INSERT INTO t (data) VALUES (?1)", &s), 0);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(database_begin(d, DATABASE_UNSYNCED), 0);
        statement_bind_blob(s, 1, data, 100000);
        assert_int_equal(statement_step(s), 0);
        assert_int_equal(database_commit(d), 0);
        assert_int_equal(stat(log_path, &st), 0);
        assert_true(st.st_size < 2 * DATABASE_LOG_BYTES);
    }
    database_free(d);
}

/* --- Statements --- */

static void database_values_are_read_as_they_were_written(void **state)
{
    struct database *d = open_one();
    struct statement *in, *out;
    size_t bytes = 0;

    assert_int_equal(database_prepare(d, "INSERT INTO t (id, name, data) VALUES (?1, ?2, ?3)", &in),
                     0);
    assert_int_equal(database_prepare(d, "SELECT id, name, data FROM t ORDER BY id", &out), 0);
    assert_int_equal(database_begin(d, DATABASE_SYNCED), 0);
    statement_bind_int(in, 1, INT64_MAX - 1);
    statement_bind_text(in, 2, NULL);
    statement_bind_blob(in, 3, NULL, 0);
    assert_int_equal(statement_step(in), 0);
    statement_bind_int(in, 1, -7);
    statement_bind_text_n(in, 2, "a\0b, not this", 3);
    statement_bind_blob(in, 3, "\0\0x", 3);
    assert_int_equal(statement_step(in), 0);
    assert_int_equal(database_changed_rows(d), 1);
    /* Parameters do not stay. */
    assert_int_equal(statement_step(in), 0);
    assert_int_equal(database_commit(d), 0);

    assert_int_equal(statement_step(out), STATEMENT_ROW);
    assert_int_equal(statement_int(out, 0), -7);
    assert_memory_equal(statement_text(out, 1, &bytes), "a\0b", 4);
    assert_int_equal(bytes, 3);
    assert_memory_equal(statement_blob(out, 2, &bytes), "\0\0x", 3);
    assert_int_equal(bytes, 3);
    assert_int_equal(statement_step(out), STATEMENT_ROW);
    assert_int_equal(statement_int(out, 0), INT64_MAX - 1);
    assert_true(statement_is_null(out, 1));
    assert_string_equal(statement_text(out, 1, &bytes), "");
    assert_int_equal(bytes, 0);
    assert_false(statement_is_null(out, 2));
    statement_blob(out, 2, &bytes);
    assert_int_equal(bytes, 0);
    assert_int_equal(statement_step(out), STATEMENT_ROW);
    assert_int_equal(statement_int(out, 0), INT64_MAX);
    assert_true(statement_is_null(out, 2));
    assert_int_equal(statement_step(out), 0);
    /* From the beginning again. */
    assert_int_equal(statement_step(out), STATEMENT_ROW);
    assert_int_equal(statement_int(out, 0), -7);
    database_free(d);
}

static void database_constraint_failure_fails_only_its_statement(void **state)
{
    struct database *d = open_one();

    assert_int_equal(database_begin(d, DATABASE_SYNCED), 0);
    assert_int_equal(insert(d, "same"), 0);
    assert_int_equal(insert(d, "same"), -EEXIST);
    assert_non_null(strstr(database_error(d), "UNIQUE"));
    assert_int_equal(insert(d, "other"), 0);
    assert_int_equal(database_commit(d), 0);
    assert_int_equal(count(d), 2);
    database_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(database_fifo_or_link_beside_it_is_refused),
        TEST(database_commit_to_a_removed_file_fails),
        TEST(database_in_a_moved_folder_fails_and_stays_whole),
        TEST(database_close_saves_its_own_log_and_removes_no_other),
        TEST(database_commit_survives_a_kill),
        TEST(database_commit_syncs_only_when_asked),
        TEST(database_rollback_leaves_no_row),
        TEST(database_sync_that_fails_undoes_the_transaction),
        TEST(database_on_a_full_disk_fails_until_there_is_space),
        TEST(database_write_ahead_log_is_bounded),
        TEST(database_values_are_read_as_they_were_written),
        TEST(database_constraint_failure_fails_only_its_statement),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
