/* SPDX-License-Identifier: MIT */
/* Opening a database: new, older, newer, damaged, in use. */
#include "database-fixture.h"

/* --- Opening --- */

static void database_new_file_is_private_and_keeps_its_rows(void **state)
{
    struct database *d = open_one();
    struct stat st;

    insert_committed(d, "one", DATABASE_SYNCED);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(log_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    database_free(d);
    assert_int_equal(stat(log_path, &st), -1);

    d = open_one();
    assert_int_equal(count(d), 1);
    database_free(d);
}

static void database_older_file_is_migrated_and_a_newer_one_refused_unchanged(void **state)
{
    CLEANUP(buffer_done) struct buffer before = BUFFER_INIT(1 << 20), after = BUFFER_INIT(1 << 20);
    struct database *d = open_version(1);
    struct statement *s;

    insert_committed(d, "old", DATABASE_SYNCED);
    assert_int_equal(database_prepare(d, "SELECT more FROM t", &s), -EINVAL);
    assert_non_null(strstr(database_error(d), "more"));
    database_free(d);
    d = open_version(2);
    assert_int_equal(database_prepare(d, "SELECT name, more FROM t", &s), 0);
    assert_int_equal(statement_step(s), STATEMENT_ROW);
    assert_string_equal(statement_text(s, 0, NULL), "old");
    assert_true(statement_is_null(s, 1));
    database_free(d);

    read_whole(path, &before);
    refused_with(1, "newer version");
    read_whole(path, &after);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, after.size);
}

static void database_migration_that_fails_leaves_the_old_version(void **state)
{
    static const char *const bad[] = {
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, data BLOB)",
        "CREATE TABLE u (id INTEGER); CREATE TABLE t (id INTEGER)",
    };
    const struct database_schema schema = {.migrations = bad, .version = 2};
    struct database *d = open_one();
    char *error = NULL;

    database_free(d);
    assert_int_equal(database_open(path, &schema, &d, &error), DATABASE_E_UNUSABLE);
    free(error);
    d = open_version(2);
    database_free(d);
}

static void database_opened_twice_is_refused(void **state)
{
    const struct database_schema schema = {.migrations = migrations, .version = 1};
    struct database *d = open_one(), *second = NULL;
    CLEANUP(free) char *error = NULL;

    assert_int_equal(database_open(path, &schema, &second, &error), DATABASE_E_IN_USE);
    assert_null(second);
    assert_non_null(strstr(error, " is open in another process"));
    insert_committed(d, "still", DATABASE_SYNCED);
    database_free(d);
    database_free(open_one());
}

static void database_that_cannot_be_opened_is_an_error_with_the_reason(void **state)
{
    snprintf(path, sizeof(path), "%s/none/test.db", folder);
    refused_with(1, "No such file or directory");
    snprintf(path, sizeof(path), "%s", folder);
    refused_with(1, "Is a directory");
    snprintf(path, sizeof(path), "/dev/null");
    refused_with(1, "not a regular file");
    snprintf(path, sizeof(path), "%s/test.db", folder);
    if (geteuid() != 0) {
        chmod(folder, 0500);
        refused_with(1, "Permission denied");
        chmod(folder, 0700);
    }
}

static void make_with_log(void)
{
    insert_many(0, 2000);
}

static void make_with_log_again(void)
{
    insert_many(2000, 2100);
}

/* Every file that no sound database can be is refused and stays as it was, byte for byte. */
static void database_damaged_file_is_refused_unchanged(void **state)
{
    enum { TEXT, SHORT, HEAD, MIDDLE, OTHERS, N_KINDS };

    for (int kind = 0; kind < N_KINDS; kind++) {
        CLEANUP(buffer_done) struct buffer before = BUFFER_INIT(1 << 20);
        CLEANUP(buffer_done) struct buffer after = BUFFER_INIT(1 << 20);
        struct stat st;

        unlink(path);
        unlink(log_path);
        database_free(open_one());
        run_and_kill(make_with_log);
        database_free(open_one()); /* the log is in the file */
        read_whole(path, &before);
        assert_true(before.size > 16 * 4096);
        if (kind == TEXT)
            memset(before.data, 'x', before.size);
        if (kind == SHORT)
            before.size = 4096 * 3;
        if (kind == HEAD)
            memset(before.data + 100, 0xff, 100);
        if (kind == MIDDLE)
            memset(before.data + 4096 * 8, 0xa5, 4096);
        if (kind == OTHERS)
            memset(before.data + 60, 0, 4); /* user_version */
        write_whole(path, before.data, before.size);
        refused_with(1, kind == OTHERS ? "another program" : "damaged");
        read_whole(path, &after);
        assert_int_equal(before.size, after.size);
        assert_memory_equal(before.data, after.data, after.size);
        /* To look whether there is a log, SQLite makes an empty one. */
        assert_true(stat(log_path, &st) < 0 || st.st_size == 0);
    }
}

static void database_damaged_file_keeps_its_write_ahead_log(void **state)
{
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(8 << 20);
    CLEANUP(buffer_done) struct buffer before = BUFFER_INIT(8 << 20), after = BUFFER_INIT(8 << 20);
    CLEANUP(free) char *error = NULL;

    run_and_kill(make_with_log);
    database_free(open_one()); /* these rows are in the file, more of them in the log */
    run_and_kill(make_with_log_again);
    read_whole(path, &file);
    read_whole(log_path, &before);
    assert_true(before.size > 0);
    memset(file.data + 4096, 0xa5, file.size - 4096);
    write_whole(path, file.data, file.size);
    error = refused(1);
    read_whole(log_path, &after);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, after.size);
    read_whole(path, &after);
    assert_memory_equal(file.data, after.data + before.size, file.size);
}

/* From each read in turn, one fails or all do. Returns how many openings failed. */
static unsigned open_with_read_faults(void)
{
    const struct database_schema schema = {.migrations = migrations, .version = 1};
    unsigned n_failed = 0;

    for (read_fault = 1;; read_fault++) {
        CLEANUP(free) char *error = NULL;
        CLEANUP(database_free) struct database *d = NULL;
        int r;

        n_reads = 0;
        r = database_open(path, &schema, &d, &error);
        if (n_reads < read_fault)
            return n_failed;
        n_failed += r < 0;
        if (r != 0 && r != -EIO)
            fail_msg("read %u: %d, %s", read_fault, r, error);
        if (r == -EIO)
            assert_null(strstr(error, "damaged: move"));
    }
}

static void database_read_that_fails_is_not_reported_as_damage(void **state)
{
    struct database *d;

    run_and_kill(make_with_log);
    database_free(open_one()); /* the rows are in the file */
    run_and_kill(make_with_log_again);
    for (int lasts = 0; lasts < 2; lasts++) {
        read_fault_lasts = lasts;
        assert_true(open_with_read_faults() > 10);
    }
    read_fault = 0;
    d = open_one();
    assert_int_equal(count(d), 2100);
    database_free(d);
}

static void database_that_a_second_check_finds_good_is_not_reported_as_damaged(void **state)
{
    struct database *d = open_one();

    insert_committed(d, "one", DATABASE_SYNCED);
    assert_int_equal(database_recheck(d, 0), 0);
    assert_int_equal(database_recheck(d, -ENOSPC), -ENOSPC);
    assert_int_equal(database_recheck(d, -EUCLEAN), -EIO);
    assert_non_null(strstr(database_error(d), "a second read found no damage"));
    database_free(d);
}

static void database_write_ahead_log_without_its_file_is_refused(void **state)
{
    static const char *const words[] = {"is empty", "is missing"};

    for (size_t k = 0; k < ARRAY_SIZE(words); k++) {
        CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(8 << 20);
        CLEANUP(buffer_done) struct buffer before = BUFFER_INIT(8 << 20);
        CLEANUP(buffer_done) struct buffer after = BUFFER_INIT(8 << 20);
        struct database *d;
        struct stat st;

        unlink(path);
        unlink(log_path);
        run_and_kill(make_with_log);
        read_whole(path, &file);
        read_whole(log_path, &before);
        if (k == 0)
            assert_int_equal(truncate(path, 0), 0);
        else
            assert_int_equal(unlink(path), 0);
        refused_with(1, words[k]);
        refused_with(1, "restore both");
        assert_int_equal(stat(path, &st), k == 0 ? 0 : -1);
        read_whole(log_path, &after);
        assert_int_equal(before.size, after.size);
        assert_memory_equal(before.data, after.data, after.size);

        write_whole(path, file.data, file.size);
        d = open_one();
        assert_int_equal(count(d), 2000);
        database_free(d);
    }
    /* A log that has nothing in it says nothing. */
    assert_int_equal(unlink(path), 0);
    write_whole(log_path, "", 0);
    database_free(open_one());
}

static void insert_two(void)
{
    insert_many(0, 2);
}

/* tear_down fails where a file is left beside it. */
static void database_closed_file_is_looked_into_without_a_change(void **state)
{
    CLEANUP(buffer_done) struct buffer before = BUFFER_INIT(1 << 20), after = BUFFER_INIT(1 << 20);
    static const char sql[] = "SELECT count(*) FROM t";
    char odd[128];
    int64_t n = -1;

    assert_int_equal(database_peek(path, sql, &n), -ENOENT);
    run_and_kill(insert_two);
    assert_int_equal(database_peek(path, sql, &n), DATABASE_E_HAS_LOG);
    assert_int_equal(n, -1);
    database_free(open_one());
    read_whole(path, &before);
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(database_peek(path, sql, &n), 0);
    assert_int_equal(n, 2);
    read_whole(path, &after);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, after.size);

    snprintf(odd, sizeof(odd), "%s/a ?mode=rwc#%%41", folder);
    assert_int_equal(rename(path, odd), 0);
    assert_int_equal(database_peek(odd, sql, &n), 0);
    assert_int_equal(rename(odd, path), 0);
}

static void database_that_cannot_be_looked_into_is_an_error(void **state)
{
    int64_t n = -1;

    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(database_peek(path, "SELECT 1", &n), -EINVAL);
    unlink(path);
    write_whole(path, "no database", 11);
    assert_int_equal(database_peek(path, "SELECT count(*) FROM t", &n), -EUCLEAN);
    unlink(path);
    database_free(open_one());
    assert_int_equal(database_peek(path, "SELECT count(*) FROM other", &n), -EINVAL);
    assert_int_equal(n, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(database_new_file_is_private_and_keeps_its_rows),
        TEST(database_older_file_is_migrated_and_a_newer_one_refused_unchanged),
        TEST(database_migration_that_fails_leaves_the_old_version),
        TEST(database_opened_twice_is_refused),
        TEST(database_that_cannot_be_opened_is_an_error_with_the_reason),
        TEST(database_damaged_file_is_refused_unchanged),
        TEST(database_damaged_file_keeps_its_write_ahead_log),
        TEST(database_read_that_fails_is_not_reported_as_damage),
        TEST(database_that_a_second_check_finds_good_is_not_reported_as_damaged),
        TEST(database_write_ahead_log_without_its_file_is_refused),
        TEST(database_closed_file_is_looked_into_without_a_change),
        TEST(database_that_cannot_be_looked_into_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
