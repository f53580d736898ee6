/* SPDX-License-Identifier: MIT */
#include "consumerd/ledger.h"
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/buffer.h"
#include "util/file.h"

#define SEC USEC_PER_SEC
#define DAY (24 * 3600 * SEC)
#define NOW (20000 * DAY)

static char folder[64], path[96], log_path[128];
static struct ledger *ledger;
static unsigned n_syncs;
static bool is_full;

/* --- In the place of the disk; SQLite's calls come here --- */

int fdatasync(int fd)
{
    n_syncs++;
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    n_syncs++;
    return (int)syscall(SYS_fsync, fd);
}

static ssize_t test_write(int fd, const void *data, size_t bytes, off_t offset)
{
    if (is_full) {
        errno = ENOSPC;
        return -1;
    }
    return pwrite(fd, data, bytes, offset);
}

static void replace_writes(sqlite3_syscall_ptr function)
{
    static const char *const names[] = {"pwrite", "pwrite64"};
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        vfs->xSetSystemCall(vfs, names[i], function);
}

/* --- Helpers --- */

static void reopen(uint64_t max_messages, uint64_t max_age_usec)
{
    CLEANUP(free) char *error = NULL;

    ledger = ledger_free(ledger);
    if (ledger_open(path, &(struct ledger_limits){max_messages, max_age_usec}, &ledger, &error) !=
        0)
        fail_msg("%s", error);
}

static int set_up(void **state)
{
    strcpy(folder, "/tmp/test-ledger.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/ledger.db", folder);
    snprintf(log_path, sizeof(log_path), "%s-wal", path);
    is_full = false;
    replace_writes((sqlite3_syscall_ptr)test_write);
    reopen(1000, 14 * DAY);
    return 0;
}

static int tear_down(void **state)
{
    is_full = false;
    ledger = ledger_free(ledger);
    replace_writes(NULL);
    unlink(path);
    unlink(log_path);
    return rmdir(folder);
}

static void add(const char *id, uint64_t now_usec)
{
    assert_int_equal(ledger_add(ledger, id, now_usec), 0);
}

static void commit(uint64_t now_usec)
{
    assert_int_equal(ledger_commit(ledger, now_usec), LEDGER_COMMITTED);
}

static bool has(const char *id, uint64_t now_usec)
{
    int r = ledger_has(ledger, id, now_usec);

    assert_true(r == 0 || r == LEDGER_HAS);
    return r == LEDGER_HAS;
}

/* --- Tests --- */

static void id_that_was_added_is_there_until_it_is_removed(void **state)
{
    assert_int_equal(ledger_commit(ledger, NOW), 0);
    assert_false(has("a", NOW));
    add("a", NOW);
    add("b", NOW);
    assert_true(has("a", NOW)); /* before the commit, too */
    commit(NOW);
    assert_int_equal(ledger_commit(ledger, NOW), 0);
    assert_true(has("a", NOW));
    assert_int_equal(ledger_count(ledger), 2);

    assert_int_equal(ledger_remove(ledger, "a"), 0);
    assert_int_equal(ledger_remove(ledger, "never there"), 0);
    assert_false(has("a", NOW));
    commit(NOW);
    assert_int_equal(ledger_count(ledger), 1);

    reopen(1000, 14 * DAY);
    assert_int_equal(ledger_count(ledger), 1);
    assert_false(has("a", NOW));
    assert_true(has("b", NOW));
}

static void addition_is_synced_and_a_removal_is_not(void **state)
{
    add("first", NOW);
    commit(NOW);
    for (int i = 0; i < 3; i++) {
        n_syncs = 0;
        add("a", NOW);
        add("b", NOW);
        assert_int_equal(n_syncs, 0);
        commit(NOW);
        assert_int_equal(n_syncs, 1); /* one for both */
        assert_int_equal(ledger_remove(ledger, "a"), 0);
        commit(NOW);
        assert_int_equal(n_syncs, 1);
        /* Both in one turn, in both orders. */
        add("a", NOW);
        assert_int_equal(ledger_remove(ledger, "b"), 0);
        commit(NOW);
        assert_int_equal(n_syncs, 2);
        assert_int_equal(ledger_remove(ledger, "a"), 0);
        add("c", NOW);
        commit(NOW);
        assert_int_equal(n_syncs, 3);
        assert_int_equal(ledger_count(ledger), 2);
        assert_int_equal(ledger_remove(ledger, "c"), 0);
        commit(NOW);
    }
}

static void id_that_was_committed_survives_a_kill(void **state)
{
    int status;
    pid_t pid;

    ledger = ledger_free(ledger);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        reopen(1000, 14 * DAY);
        add("gone", NOW);
        add("kept", NOW);
        commit(NOW);
        ledger_remove(ledger, "gone");
        commit(NOW);
        add("never committed", NOW);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    reopen(1000, 14 * DAY);
    assert_int_equal(ledger_count(ledger), 1);
    assert_true(has("kept", NOW));
}

static void ledger_that_is_freed_commits(void **state)
{
    add("late", NOW);
    reopen(1000, 14 * DAY);
    assert_true(has("late", NOW));
}

static void oldest_ids_beyond_the_limit_are_removed(void **state)
{
    char id[16];

    reopen(10, 14 * DAY);
    for (int i = 0; i < 25; i++) {
        snprintf(id, sizeof(id), "%d", i);
        add(id, NOW);
        commit(NOW);
        assert_int_equal(ledger_count(ledger), MIN(i + 1, 10));
    }
    assert_int_equal(ledger_crowded_out(ledger), 15);
    assert_false(has("14", NOW));
    assert_true(has("15", NOW));
    assert_true(has("24", NOW));
}

static void however_many_are_added_at_once_the_limit_is_kept(void **state)
{
    char id[16];

    reopen(10, 14 * DAY);
    for (int turn = 0; turn < 3; turn++) {
        for (int i = 0; i < 1000; i++) {
            snprintf(id, sizeof(id), "%d", turn * 1000 + i);
            add(id, NOW);
        }
        commit(NOW);
        assert_int_equal(ledger_count(ledger), 10);
    }
    assert_int_equal(ledger_crowded_out(ledger), 2990);
    assert_false(has("2989", NOW));
    assert_true(has("2990", NOW));
    /* And none goes for the sake of those before. */
    add("one more", NOW);
    commit(NOW);
    assert_int_equal(ledger_count(ledger), 10);
}

static void lowered_limit_is_kept_to_by_and_by(void **state)
{
    char id[16];

    for (int i = 0; i < 500; i++) {
        snprintf(id, sizeof(id), "%d", i);
        add(id, NOW);
    }
    commit(NOW);
    reopen(20, 14 * DAY);
    assert_int_equal(ledger_count(ledger), 500);
    for (int i = 0; i < 6; i++) {
        snprintf(id, sizeof(id), "new %d", i);
        add(id, NOW);
        commit(NOW);
    }
    assert_int_equal(ledger_count(ledger), 20);
    assert_true(has("new 0", NOW));
    assert_true(has("499", NOW));
    assert_false(has("485", NOW));
}

static void id_that_is_too_old_is_forgotten(void **state)
{
    reopen(1000, 2 * DAY);
    add("old", NOW);
    commit(NOW);
    add("newer", NOW + DAY);
    commit(NOW + DAY);
    assert_true(has("old", NOW + 2 * DAY - SEC));
    assert_false(has("old", NOW + 2 * DAY)); /* whether or not it still is in the file */
    assert_int_equal(ledger_count(ledger), 2);
    add("newest", NOW + 2 * DAY);
    commit(NOW + 2 * DAY);
    assert_int_equal(ledger_count(ledger), 2);
    assert_true(has("newer", NOW + 2 * DAY));
    assert_int_equal(ledger_crowded_out(ledger), 0);
}

static void id_that_is_added_again_is_as_new(void **state)
{
    reopen(1000, 2 * DAY);
    add("a", NOW);
    commit(NOW);
    add("a", NOW + DAY);
    commit(NOW + DAY);
    assert_int_equal(ledger_count(ledger), 1);
    assert_true(has("a", NOW + 2 * DAY));
    assert_false(has("a", NOW + 3 * DAY));
}

/* Were it still the first, it would be the next to be crowded out, and keep those behind it from
 * getting old. */
static void id_that_is_added_again_stands_last(void **state)
{
    reopen(2, 2 * DAY);
    add("a", NOW);
    add("b", NOW);
    commit(NOW);
    add("a", NOW);
    add("c", NOW);
    commit(NOW);
    assert_true(has("a", NOW) && has("c", NOW));
    assert_false(has("b", NOW));

    reopen(1000, 2 * DAY);
    add("a", NOW + DAY);
    commit(NOW + DAY);
    add("d", NOW + 2 * DAY);
    commit(NOW + 2 * DAY);
    assert_int_equal(ledger_count(ledger), 2); /* c was the oldest */
    assert_true(has("a", NOW + 2 * DAY) && has("d", NOW + 2 * DAY));
}

/* A wrong clock costs what was added under it, and does not keep the rest from getting old. */
static void clock_that_was_wrong_harms_little(void **state)
{
    reopen(1000, 2 * DAY);
    add("ahead", NOW + 1000 * DAY);
    commit(NOW + 1000 * DAY);
    add("right", NOW);
    commit(NOW);
    assert_false(has("ahead", NOW));
    assert_true(has("right", NOW));
    assert_int_equal(ledger_count(ledger), 1);
    /* A little behind is not old at all. */
    assert_true(has("right", NOW - DAY));
    assert_true(has("right", NOW - 2 * DAY + SEC));
    assert_false(has("right", 0));
}

static void full_disk_costs_what_was_added_and_passes(void **state)
{
    add("kept", NOW);
    add("to go", NOW);
    commit(NOW);

    is_full = true;
    add("lost", NOW);
    assert_int_equal(ledger_remove(ledger, "to go"), 0);
    assert_int_equal(ledger_commit(ledger, NOW), -ENOSPC);
    assert_non_null(strstr(ledger_error(ledger), path));
    assert_non_null(strstr(ledger_error(ledger), "full"));
    assert_int_equal(ledger_commit(ledger, NOW), 0);
    assert_int_equal(ledger_count(ledger), 2);
    assert_true(has("kept", NOW));
    assert_true(has("to go", NOW));
    assert_false(has("lost", NOW));
    /* A removal that fails before an addition. */
    assert_int_equal(ledger_remove(ledger, "to go"), 0);
    add("lost", NOW);
    assert_int_equal(ledger_commit(ledger, NOW), -ENOSPC);
    assert_int_equal(ledger_count(ledger), 2);

    is_full = false;
    assert_int_equal(ledger_remove(ledger, "to go"), 0);
    add("new", NOW);
    commit(NOW);
    reopen(1000, 14 * DAY);
    assert_int_equal(ledger_count(ledger), 2);
    assert_true(has("kept", NOW));
    assert_true(has("new", NOW));
}

static void refused(const char *words)
{
    struct ledger *l = NULL;
    CLEANUP(free) char *error = NULL;

    assert_int_equal(ledger_open(path, &(struct ledger_limits){10, DAY}, &l, &error),
                     LEDGER_E_UNUSABLE);
    assert_null(l);
    assert_non_null(strstr(error, path));
    if (!strstr(error, words))
        fail_msg("\"%s\" is not in: %s", words, error);
}

static void file_that_is_no_ledger_is_refused(void **state)
{
    static const char text[] = "This is not a database, however long it may be made.";
    char *message = NULL;
    sqlite3 *other;
    int fd;

    ledger = ledger_free(ledger);
    fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
    close(fd);
    refused("damaged");
    unlink(path);
    unlink(log_path);

    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(other, "CREATE TABLE u (v); PRAGMA user_version = 1", NULL, NULL, &message),
        SQLITE_OK);
    sqlite3_close(other);
    refused("no such table");
}

static void id_that_is_added_to_a_removed_file_is_not_in_it(void **state)
{
    char aside[160];

    snprintf(aside, sizeof(aside), "%s.aside", path);
    for (int kind = 0; kind < 2; kind++) {
        const char *which = kind == 0 ? path : log_path;

        assert_int_equal(rename(which, aside), 0);
        assert_int_equal(ledger_add(ledger, "lost", NOW), 0);
        assert_int_equal(ledger_commit(ledger, NOW), -ESTALE);
        assert_non_null(strstr(ledger_error(ledger), "while it was open"));
        assert_int_equal(ledger_has(ledger, "lost", NOW), 0);
        assert_int_equal(rename(aside, which), 0);
        assert_int_equal(ledger_add(ledger, "kept", NOW), 0);
        assert_int_equal(ledger_commit(ledger, NOW), LEDGER_COMMITTED);
        assert_int_equal(ledger_has(ledger, "kept", NOW), LEDGER_HAS);
    }
}

/* As a version before this one wrote it. */
static void file_of_the_version_before_goes_on(void **state)
{
    static const char id[] = "3290732d-8c7a-4a6b-8d39-cd7c96d9e494";
    CLEANUP(buffer_done) struct buffer sql = BUFFER_INIT(1 << 16);
    const uint64_t now = 1795974490 * SEC;
    sqlite3 *file;

    ledger = ledger_free(ledger);
    unlink(path);
    assert_int_equal(
        file_read(SOURCE_ROOT "/tests/unit/data/ledger-version-1.sql", sql.max - 1, &sql), 0);
    assert_int_equal(sqlite3_open(path, &file), SQLITE_OK);
    assert_int_equal(sqlite3_exec(file, buffer_string(&sql), NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(file);
    reopen(1000, 14 * DAY);
    assert_int_equal(ledger_count(ledger), 1);
    assert_int_equal(ledger_has(ledger, id, now), LEDGER_HAS);
    assert_int_equal(ledger_add(ledger, "other", now), 0);
    assert_int_equal(ledger_remove(ledger, id), 0);
    assert_int_equal(ledger_commit(ledger, now), LEDGER_COMMITTED);
    reopen(1000, 14 * DAY);
    assert_int_equal(ledger_has(ledger, id, now), 0);
    assert_int_equal(ledger_has(ledger, "other", now), LEDGER_HAS);
}

/* Places and times that no ledger has written harm no other message. */
static void damaged_rows_keep_nobody_from_being_added(void **state)
{
    static const char *const changes[] = {
        "UPDATE handled SET sequence = 9223372036854775807",
        "UPDATE handled SET sequence = -9223372036854775807",
        "UPDATE handled SET handled_sec = 9223372036854775807",
        "UPDATE handled SET handled_sec = -9223372036854775808",
        "UPDATE handled SET message_id = char(10)",
    };

    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        sqlite3 *file;

        ledger = ledger_free(ledger);
        unlink(path);
        reopen(1000, 14 * DAY);
        assert_int_equal(ledger_add(ledger, "one", NOW), 0);
        assert_int_equal(ledger_commit(ledger, NOW), LEDGER_COMMITTED);
        ledger = ledger_free(ledger);
        assert_int_equal(sqlite3_open(path, &file), SQLITE_OK);
        assert_int_equal(sqlite3_exec(file, changes[i], NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(file);
        reopen(1000, 14 * DAY);
        for (int round = 0; round < 2; round++) {
            assert_int_equal(ledger_add(ledger, "one", NOW), 0);
            assert_int_equal(ledger_add(ledger, "two", NOW), 0);
            if (ledger_commit(ledger, NOW) != LEDGER_COMMITTED)
                fail_msg("%s: %s", changes[i], ledger_error(ledger));
            assert_int_equal(ledger_has(ledger, "one", NOW), LEDGER_HAS);
            assert_int_equal(ledger_has(ledger, "two", NOW), LEDGER_HAS);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(id_that_was_added_is_there_until_it_is_removed),
        TEST(addition_is_synced_and_a_removal_is_not),
        TEST(id_that_was_committed_survives_a_kill),
        TEST(ledger_that_is_freed_commits),
        TEST(oldest_ids_beyond_the_limit_are_removed),
        TEST(however_many_are_added_at_once_the_limit_is_kept),
        TEST(lowered_limit_is_kept_to_by_and_by),
        TEST(id_that_is_too_old_is_forgotten),
        TEST(id_that_is_added_again_is_as_new),
        TEST(id_that_is_added_again_stands_last),
        TEST(clock_that_was_wrong_harms_little),
        TEST(full_disk_costs_what_was_added_and_passes),
        TEST(file_that_is_no_ledger_is_refused),
        TEST(id_that_is_added_to_a_removed_file_is_not_in_it),
        TEST(file_of_the_version_before_goes_on),
        TEST(damaged_rows_keep_nobody_from_being_added),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
