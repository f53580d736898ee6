/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "util/database.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/buffer.h"
#include "util/file.h"

static char folder[64], path[96], log_path[128];

/* --- In the place of the disk --- */

static unsigned n_syncs;
static int write_error, sync_error; /* errno; 0: none */
static unsigned read_fault;         /* the read that fails with EIO, from 1 on; 0: none */
static bool read_fault_lasts;       /* and all after it do */
static unsigned n_reads;

/* SQLite's calls come here, for a program's symbols go before those of its libraries. */
int fdatasync(int fd)
{
    n_syncs++;
    errno = sync_error;
    return sync_error ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    n_syncs++;
    errno = sync_error;
    return sync_error ? -1 : (int)syscall(SYS_fsync, fd);
}

static ssize_t test_write(int fd, const void *data, size_t bytes, off_t offset)
{
    if (write_error) {
        errno = write_error;
        return -1;
    }
    return pwrite(fd, data, bytes, offset);
}

static ssize_t test_read(int fd, void *data, size_t bytes, off_t offset)
{
    if (++n_reads == read_fault || (read_fault > 0 && read_fault_lasts && n_reads > read_fault)) {
        errno = EIO;
        return -1;
    }
    return pread(fd, data, bytes, offset);
}

static void replace_calls(sqlite3_syscall_ptr write_function, sqlite3_syscall_ptr read_function)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    vfs->xSetSystemCall(vfs, "pwrite", write_function);
    vfs->xSetSystemCall(vfs, "pwrite64", write_function);
    vfs->xSetSystemCall(vfs, "pread", read_function);
    vfs->xSetSystemCall(vfs, "pread64", read_function);
}

/* --- Helpers --- */

static int set_up(void **state)
{
    strcpy(folder, "/tmp/test-database.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/test.db", folder);
    snprintf(log_path, sizeof(log_path), "%s-wal", path);
    write_error = sync_error = 0;
    read_fault = n_reads = 0;
    read_fault_lasts = false;
    replace_calls((sqlite3_syscall_ptr)test_write, (sqlite3_syscall_ptr)test_read);
    return 0;
}

static int tear_down(void **state)
{
    replace_calls(NULL, NULL);
    unlink(path);
    unlink(log_path);
    return rmdir(folder); /* fails where anything else is left, such as shared memory */
}

static const char *const migrations[] = {
    "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, data BLOB)",
    "ALTER TABLE t ADD COLUMN more TEXT; CREATE INDEX by_more ON t (more)",
};

static struct database *open_version(int version)
{
    const struct database_schema schema = {.migrations = migrations, .version = version};
    struct database *d = NULL;
    CLEANUP(free) char *error = NULL;
    int r = database_open(path, &schema, &d, &error);

    if (r != 0)
        fail_msg("%d: %s", r, error);
    return d;
}

static struct database *open_one(void)
{
    return open_version(1);
}

static char *refused(int version)
{
    const struct database_schema schema = {.migrations = migrations, .version = version};
    struct database *d = NULL;
    char *error = NULL;

    assert_int_equal(database_open(path, &schema, &d, &error), DATABASE_E_UNUSABLE);
    assert_null(d);
    assert_non_null(error);
    assert_null(strchr(error, '\n'));
    assert_non_null(strstr(error, path));
    return error;
}

static void refused_with(int version, const char *words)
{
    CLEANUP(free) char *error = refused(version);

    if (!strstr(error, words))
        fail_msg("\"%s\" is not in: %s", words, error);
}

static int insert(struct database *d, const char *name)
{
    struct statement *s;

    assert_int_equal(database_prepare(d, "INSERT INTO t (name, data) VALUES (?1, ?2)", &s), 0);
    statement_bind_text(s, 1, name);
    statement_bind_blob(s, 2, "\0\1\2", 3);
    return statement_step(s);
}

static void insert_committed(struct database *d, const char *name,
                             enum database_durability durability)
{
    assert_int_equal(database_begin(d, durability), 0);
    assert_int_equal(insert(d, name), 0);
    assert_int_equal(database_commit(d), 0);
}

static int64_t count(struct database *d)
{
    struct statement *s;
    int64_t n;

    assert_int_equal(database_prepare(d, "SELECT count(*) FROM t", &s), 0);
    assert_int_equal(statement_step(s), STATEMENT_ROW);
    n = statement_int(s, 0);
    statement_reset(s);
    return n;
}

static void read_whole(const char *name, struct buffer *b)
{
    assert_int_equal(file_read(name, b->max - 1, b), 0);
}

static void write_whole(const char *name, const void *data, size_t bytes)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, bytes), bytes);
    close(fd);
}

/* Runs a part in a process of its own, which then is killed. */
static void run_and_kill(void (*part)(void))
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        part();
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* --- Opening --- */

static void a_new_file_is_private_and_rows_stay(void **state)
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

static void an_older_file_is_migrated_and_a_newer_one_left_alone(void **state)
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

static void a_migration_that_fails_leaves_the_version_before(void **state)
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

static void a_second_one_is_told_that_the_file_is_open(void **state)
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

static void what_cannot_be_opened_says_why(void **state)
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

static void insert_many(int from, int to)
{
    struct database *d = open_one();

    for (int i = from; i < to; i++) {
        char name[32];

        snprintf(name, sizeof(name), "name %d", i);
        insert_committed(d, name, DATABASE_UNSYNCED);
    }
}

static void what_stands_beside_and_is_no_file_is_refused(void **state)
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

static void make_with_log(void)
{
    insert_many(0, 2000);
}

static void make_with_log_again(void)
{
    insert_many(2000, 2100);
}

/* Every file that no sound database can be is refused and stays as it was, byte for byte. */
static void a_damaged_file_is_refused_and_untouched(void **state)
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

static void the_log_of_a_damaged_file_stays_too(void **state)
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

static void a_read_that_fails_is_no_damage(void **state)
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

static void what_a_second_look_finds_sound_is_no_damage(void **state)
{
    struct database *d = open_one();

    insert_committed(d, "one", DATABASE_SYNCED);
    assert_int_equal(database_recheck(d, 0), 0);
    assert_int_equal(database_recheck(d, -ENOSPC), -ENOSPC);
    assert_int_equal(database_recheck(d, -EUCLEAN), -EIO);
    assert_non_null(strstr(database_error(d), "second look"));
    database_free(d);
}

static void a_log_whose_file_is_gone_is_not_begun_anew(void **state)
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

/* --- Paths --- */

static void refused_commit(struct database *d, const char *name)
{
    assert_int_equal(database_begin(d, DATABASE_SYNCED), 0);
    assert_int_equal(insert(d, name), 0);
    assert_int_equal(database_commit(d), -ESTALE);
    assert_non_null(strstr(database_error(d), "while it is open"));
}

static void what_is_committed_to_a_removed_file_is_refused(void **state)
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

static void a_folder_that_is_moved_is_noticed_and_stays_whole(void **state)
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

static void the_end_removes_no_log_of_others_and_saves_what_was_in_its_own(void **state)
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

static void what_was_committed_survives_a_kill(void **state)
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

static void a_synced_commit_syncs_and_another_does_not(void **state)
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

static void a_rollback_leaves_nothing(void **state)
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

static void a_sync_that_fails_undoes_the_transaction(void **state)
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
static void a_full_disk_is_told_and_passes(void **state)
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
    insert_committed(d, "room again", DATABASE_SYNCED);
    database_free(d);
    d = open_one();
    assert_int_equal(count(d), 2);
    database_free(d);
}

static void the_log_is_bounded(void **state)
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

static void values_come_back_as_they_went_in(void **state)
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
    assert_int_equal(database_last_row_id(d), INT64_MAX - 1);
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

static void a_broken_rule_fails_one_statement_alone(void **state)
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_file_is_private_and_rows_stay),
        TEST(an_older_file_is_migrated_and_a_newer_one_left_alone),
        TEST(a_migration_that_fails_leaves_the_version_before),
        TEST(a_second_one_is_told_that_the_file_is_open),
        TEST(what_cannot_be_opened_says_why),
        TEST(what_stands_beside_and_is_no_file_is_refused),
        TEST(a_damaged_file_is_refused_and_untouched),
        TEST(the_log_of_a_damaged_file_stays_too),
        TEST(a_read_that_fails_is_no_damage),
        TEST(what_a_second_look_finds_sound_is_no_damage),
        TEST(a_log_whose_file_is_gone_is_not_begun_anew),
        TEST(what_is_committed_to_a_removed_file_is_refused),
        TEST(a_folder_that_is_moved_is_noticed_and_stays_whole),
        TEST(the_end_removes_no_log_of_others_and_saves_what_was_in_its_own),
        TEST(what_was_committed_survives_a_kill),
        TEST(a_synced_commit_syncs_and_another_does_not),
        TEST(a_rollback_leaves_nothing),
        TEST(a_sync_that_fails_undoes_the_transaction),
        TEST(a_full_disk_is_told_and_passes),
        TEST(the_log_is_bounded),
        TEST(values_come_back_as_they_went_in),
        TEST(a_broken_rule_fails_one_statement_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
