/* SPDX-License-Identifier: MIT */
/* A spool in a folder of its own, for the tests of the spool. The disk is real, but it never syncs,
 * and it fails when a test says so: this file replaces fdatasync(2), posix_fallocate(3), SQLite's
 * writes and two calls of SQLite. One file of a test program includes it. */
#pragma once

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include "producerd/spool/spool.h"
#include "test.h"

enum { MIB = 1024 * 1024 };

static char folder[64], path[96], log_path[128], reserve_path[128];
static int write_error; /* errno of every write to the disk; 0: writes succeed */
static unsigned n_syncs;
static bool has_unsynced; /* something was written after the last sync */

/* The tests need no real sync, since the power does not fail. SQLite calls these functions: a
 * program's symbols replace those of its libraries. */
int fdatasync(int fd)
{
    n_syncs++;
    has_unsynced = false;
    return 0;
}

int fsync(int fd)
{
    return fdatasync(fd);
}

static bool no_fallocate;        /* the disk has no space for the reserve */
static bool no_room_but_reserve; /* nor for anything else, until the reserve is released */

int posix_fallocate(int fd, off_t offset, off_t bytes)
{
    return no_fallocate || no_room_but_reserve   ? ENOSPC
           : fallocate(fd, 0, offset, bytes) < 0 ? errno
                                                 : 0;
}

static inline ssize_t test_write(int fd, const void *data, size_t bytes, off_t offset)
{
    int error = no_room_but_reserve && access(reserve_path, F_OK) == 0 ? ENOSPC : write_error;

    if (error) {
        errno = error;
        return -1;
    }
    has_unsynced = true;
    return pwrite(fd, data, bytes, offset);
}

static inline void replace_writes(sqlite3_syscall_ptr function)
{
    static const char *const names[] = {"pwrite", "pwrite64"};
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        vfs->xSetSystemCall(vfs, names[i], function);
}

/* SQLite has no memory for this column; -1: for all columns it has. */
static int lacking_column = -1;

const unsigned char *sqlite3_column_text(sqlite3_stmt *statement, int i)
{
    static const unsigned char *(*real)(sqlite3_stmt *, int);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "sqlite3_column_text");
    return i == lacking_column ? NULL : real(statement, i);
}

int sqlite3_errcode(sqlite3 *database)
{
    static int (*real)(sqlite3 *);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "sqlite3_errcode");
    return lacking_column >= 0 ? SQLITE_NOMEM : real(database);
}

struct fixture {
    struct spool_options options;
    struct spool *spool;
};

static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(folder, "/tmp/test-spool.XXXXXX");
    if (!f || !mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/" SPOOL_FILE_NAME, folder);
    snprintf(log_path, sizeof(log_path), "%s-wal", path);
    snprintf(reserve_path, sizeof(reserve_path), "%s-reserve", path);
    write_error = 0;
    lacking_column = -1;
    no_fallocate = no_room_but_reserve = false;
    replace_writes((sqlite3_syscall_ptr)test_write);
    f->options = (struct spool_options){
        .path = path, .is_fifo = true, .messages_max = 100000, .bytes_max = 1024 * MIB};
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;

    spool_free(f->spool);
    free(f);
    replace_writes(NULL);
    unlink(path);
    unlink(log_path);
    unlink(reserve_path);
    return rmdir(folder);
}

static inline struct spool *reopen(struct fixture *f)
{
    CLEANUP(free) char *error = NULL;

    f->spool = spool_free(f->spool);
    if (spool_open(&f->options, &f->spool, &error) != 0)
        fail_msg("%s", error);
    return f->spool;
}

/* Adds a message named like "g1": the letters are its group, the whole name its body and its id. */
static inline void add(struct spool *s, const char *name)
{
    CLEANUP(free) char *group = strndup(name, strcspn(name, "0123456789"));

    assert_int_equal(spool_add(s, name,
                               &(struct sqs_message){.body = name,
                                                     .body_bytes = strlen(name),
                                                     .group_id = group,
                                                     .deduplication_id = name,
                                                     .delay_sec = -1},
                               NULL),
                     0);
}

static inline void add_many(struct spool *s, const char *group, unsigned first, unsigned n)
{
    char name[32];

    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "%s%u", group, first + i);
        add(s, name);
    }
}

static inline const struct spool_message *next(struct spool *s, const char *name)
{
    const struct spool_message *m = NULL;

    assert_int_equal(spool_next(s, &m), 0);
    assert_string_equal(m->head.id, name);
    assert_string_equal(m->head.message.deduplication_id, name);
    return m;
}

static inline void next_none(struct spool *s)
{
    const struct spool_message *m;

    assert_int_equal(spool_next(s, &m), SPOOL_E_NOT_YET);
}

static inline void sent(struct spool *s, const struct spool_message *m)
{
    spool_settle(s, m, NULL, 1);
}

static inline void assert_counts(struct spool *s, uint64_t waiting, uint64_t rejected,
                                 uint64_t bytes)
{
    struct spool_counts counts = spool_counts(s);

    assert_int_equal(counts.waiting, waiting);
    assert_int_equal(counts.rejected, rejected);
    assert_int_equal(counts.bytes, bytes);
}

struct page {
    char text[4096];
    unsigned n, n_max;
    uint64_t last;
};

static inline bool on_rejected(void *userdata, const struct rejected_message *m)
{
    struct page *page = userdata;
    size_t size = strlen(page->text);

    snprintf(page->text + size, sizeof(page->text) - size, "%s/%s/%s/%zu/%u ", m->id,
             m->group_id ? m->group_id : "-", m->reason, m->bytes, (unsigned)m->rejected_usec);
    page->last = m->number;
    return ++page->n < page->n_max;
}

static inline void change(const char *sql)
{
    char *message = NULL;
    sqlite3 *file;

    assert_int_equal(sqlite3_open(path, &file), SQLITE_OK);
    if (sqlite3_exec(file, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_close(file);
}

static inline void refused(struct fixture *f, const char *words)
{
    CLEANUP(free) char *error = NULL;

    assert_int_equal(spool_open(&f->options, &f->spool, &error), SPOOL_E_UNUSABLE);
    if (!strstr(error, words))
        fail_msg("\"%s\" is not in: %s", words, error);
}

/* Rejects the next message, whatever its id. */
static inline void reject_next(struct spool *s)
{
    const struct spool_message *m = NULL;

    assert_int_equal(spool_next(s, &m), 0);
    spool_settle(s, m, "no", 1);
}

static inline struct spool *change_kind(struct fixture *f, bool is_fifo)
{
    f->spool = spool_free(f->spool);
    f->options.is_fifo = is_fifo;
    return reopen(f);
}

static inline void assert_syncs(unsigned n)
{
    assert_int_equal(n_syncs, n);
    assert_false(has_unsynced);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
