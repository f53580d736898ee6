/* SPDX-License-Identifier: MIT */
/* What the tests of databases share: a disk that fails when it is told to, and a file with one
 * table. To be included by one file of a test. */
#pragma once

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

static inline ssize_t test_write(int fd, const void *data, size_t bytes, off_t offset)
{
    if (write_error) {
        errno = write_error;
        return -1;
    }
    return pwrite(fd, data, bytes, offset);
}

static inline ssize_t test_read(int fd, void *data, size_t bytes, off_t offset)
{
    if (++n_reads == read_fault || (read_fault > 0 && read_fault_lasts && n_reads > read_fault)) {
        errno = EIO;
        return -1;
    }
    return pread(fd, data, bytes, offset);
}

static inline void replace_calls(sqlite3_syscall_ptr write_function,
                                 sqlite3_syscall_ptr read_function)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    vfs->xSetSystemCall(vfs, "pwrite", write_function);
    vfs->xSetSystemCall(vfs, "pwrite64", write_function);
    vfs->xSetSystemCall(vfs, "pread", read_function);
    vfs->xSetSystemCall(vfs, "pread64", read_function);
}

/* --- Helpers --- */

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
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

static inline struct database *open_version(int version)
{
    const struct database_schema schema = {.migrations = migrations, .version = version};
    struct database *d = NULL;
    CLEANUP(free) char *error = NULL;
    int r = database_open(path, &schema, &d, &error);

    if (r != 0)
        fail_msg("%d: %s", r, error);
    return d;
}

static inline struct database *open_one(void)
{
    return open_version(1);
}

static inline char *refused(int version)
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

static inline void refused_with(int version, const char *words)
{
    CLEANUP(free) char *error = refused(version);

    if (!strstr(error, words))
        fail_msg("\"%s\" is not in: %s", words, error);
}

static inline int insert(struct database *d, const char *name)
{
    struct statement *s;

    assert_int_equal(database_prepare(d, "INSERT INTO t (name, data) VALUES (?1, ?2)", &s), 0);
    statement_bind_text(s, 1, name);
    statement_bind_blob(s, 2, "\0\1\2", 3);
    return statement_step(s);
}

static inline void insert_committed(struct database *d, const char *name,
                                    enum database_durability durability)
{
    assert_int_equal(database_begin(d, durability), 0);
    assert_int_equal(insert(d, name), 0);
    assert_int_equal(database_commit(d), 0);
}

static inline int64_t count(struct database *d)
{
    struct statement *s;
    int64_t n;

    assert_int_equal(database_prepare(d, "SELECT count(*) FROM t", &s), 0);
    assert_int_equal(statement_step(s), STATEMENT_ROW);
    n = statement_int(s, 0);
    statement_reset(s);
    return n;
}

static inline void read_whole(const char *name, struct buffer *b)
{
    assert_int_equal(file_read(name, b->max - 1, b), 0);
}

static inline void write_whole(const char *name, const void *data, size_t bytes)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, bytes), bytes);
    close(fd);
}

/* Runs a part in a process of its own, which then is killed. */
static inline void run_and_kill(void (*part)(void))
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

static inline void insert_many(int from, int to)
{
    struct database *d = open_one();

    for (int i = from; i < to; i++) {
        char name[32];

        snprintf(name, sizeof(name), "name %d", i);
        insert_committed(d, name, DATABASE_UNSYNCED);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
