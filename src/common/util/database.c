/* SPDX-License-Identifier: MIT */
/* SQLite with a write-ahead log. The process locks the file for as long as it is open
 * (locking_mode=EXCLUSIVE). The log's index is then in this process's memory, and no shared-memory
 * file is needed. A second process is refused at once (busy_timeout 0).
 *
 * SQLite does not take a new synchronous= inside a transaction, so the durability is set before it
 * begins. With FULL, COMMIT syncs the log and undoes the transaction when the sync fails. With
 * NORMAL, COMMIT only writes. In both cases the file is whole after a power cut. */
#include "util/database-internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "util/buffer.h"
#include "util/encode.h"

/* --- Errors --- */

int database_file_errno(struct database *d)
{
    static const int files[] = {SQLITE_FCNTL_JOURNAL_POINTER, SQLITE_FCNTL_FILE_POINTER};

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        sqlite3_file *file = NULL;
        int e = 0;

        sqlite3_file_control(d->sqlite, "main", files[i], &file);
        if (file && file->pMethods)
            file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &e);
        if (e > 0)
            return e;
    }
    return 0;
}

/* The errno of the system call that made SQLite fail. 0: no system call has failed.
 * sqlite3_system_errno returns errno as it is after SQLite has cleaned up. The file objects keep
 * the errno of the failure. When a read fails with EIO, SQLite reports SQLITE_CORRUPT. */
static int system_errno(struct database *d, int code)
{
    code &= 0xff;
    if (code == SQLITE_CANTOPEN)
        return sqlite3_system_errno(d->sqlite);
    return code == SQLITE_IOERR || code == SQLITE_CORRUPT || code == SQLITE_NOTADB
               ? database_file_errno(d)
               : 0;
}

bool database_is_read_error(int e)
{
    return e == EIO || e == ENXIO || e == ERANGE;
}

static int errno_of(int code, int e)
{
    if (code == SQLITE_IOERR_NOMEM)
        return -ENOMEM;
    switch (code & 0xff) {
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_IOERR:
        return e == ENOSPC || e == EDQUOT ? -ENOSPC : -EIO;
    case SQLITE_CANTOPEN:
        return e > 0 ? -e : -EIO;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return -EROFS;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return database_is_read_error(e) ? -EIO : -EUCLEAN;
    case SQLITE_CONSTRAINT:
        return -EEXIST;
    case SQLITE_TOOBIG:
        return -E2BIG;
    default:
        return -EINVAL;
    }
}

/* The text is escaped: it may have line breaks, and names that were read from a damaged file. */
void database_set_error(struct database *d, const char *text, const char *more)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(2 * DATABASE_ERROR_MAX_BYTES);

    escape_for_log(&b, text, strlen(text), DATABASE_ERROR_MAX_BYTES / 2);
    snprintf(d->error, sizeof(d->error), "%s: %s%s%s", d->path, buffer_string(&b), more ? ": " : "",
             more ? more : "");
}

int database_failed(struct database *d, int code)
{
    int e = system_errno(d, code), r = errno_of(code, e);

    database_set_error(d, sqlite3_errmsg(d->sqlite), e > 0 ? strerror(e) : NULL);
    if (d->in_transaction && d->failure == 0 && sqlite3_get_autocommit(d->sqlite))
        d->failure = r;
    return r;
}

const char *database_error(const struct database *d)
{
    return d->error;
}

/* --- Statements --- */

int database_prepare(struct database *d, const char *sql, struct statement **ret)
{
    struct statement *s = calloc(1, sizeof(*s));
    int code;

    if (!s)
        return -ENOMEM;
    code = sqlite3_prepare_v3(d->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->sqlite, NULL);
    if (code != SQLITE_OK) {
        free(s);
        return database_failed(d, code);
    }
    s->database = d;
    s->next = d->statements;
    d->statements = s;
    *ret = s;
    return 0;
}

static void bound(struct statement *s, int code)
{
    assert(code != SQLITE_RANGE && code != SQLITE_MISUSE);
    if (s->bind_error == SQLITE_OK)
        s->bind_error = code;
}

void statement_bind_int(struct statement *s, int i, int64_t value)
{
    bound(s, sqlite3_bind_int64(s->sqlite, i, value));
}

void statement_bind_text(struct statement *s, int i, const char *text)
{
    bound(s, sqlite3_bind_text(s->sqlite, i, text, -1, SQLITE_STATIC));
}

void statement_bind_text_n(struct statement *s, int i, const char *text, size_t bytes)
{
    bound(s, sqlite3_bind_text64(s->sqlite, i, text, bytes, SQLITE_STATIC, SQLITE_UTF8));
}

void statement_bind_blob(struct statement *s, int i, const void *data, size_t bytes)
{
    bound(s, sqlite3_bind_blob64(s->sqlite, i, bytes > 0 ? data : "", bytes, SQLITE_STATIC));
}

int statement_step(struct statement *s)
{
    struct database *d = s->database;
    int code = s->bind_error, r = 0;

    assert(d->in_transaction || s == d->begin || sqlite3_stmt_readonly(s->sqlite));
    if (d->failure < 0)
        r = d->failure;
    else if (code == SQLITE_OK)
        code = sqlite3_step(s->sqlite);
    if (code == SQLITE_ROW)
        return STATEMENT_ROW;
    if (r == 0 && code != SQLITE_DONE)
        r = database_failed(d, code);
    statement_reset(s);
    return r;
}

int64_t statement_int(struct statement *s, int i)
{
    return sqlite3_column_int64(s->sqlite, i);
}

const char *statement_text(struct statement *s, int i, size_t *ret_bytes)
{
    const unsigned char *text = sqlite3_column_text(s->sqlite, i);

    if (ret_bytes)
        *ret_bytes = text ? (size_t)sqlite3_column_bytes(s->sqlite, i) : 0;
    return text ? (const char *)text : "";
}

const void *statement_blob(struct statement *s, int i, size_t *ret_bytes)
{
    const void *data = sqlite3_column_blob(s->sqlite, i);

    if (ret_bytes)
        *ret_bytes = data ? (size_t)sqlite3_column_bytes(s->sqlite, i) : 0;
    return data ? data : "";
}

bool statement_is_out_of_memory(const struct statement *s)
{
    return (sqlite3_errcode(sqlite3_db_handle(s->sqlite)) & 0xff) == SQLITE_NOMEM;
}

bool statement_is_null(struct statement *s, int i)
{
    return sqlite3_column_type(s->sqlite, i) == SQLITE_NULL;
}

void statement_reset(struct statement *s)
{
    sqlite3_reset(s->sqlite);
    sqlite3_clear_bindings(s->sqlite);
    s->bind_error = SQLITE_OK;
}

int64_t database_changed_rows(const struct database *d)
{
    return sqlite3_changes64(d->sqlite);
}

/* --- Transactions --- */

int database_execute(struct database *d, const char *sql)
{
    int code = sqlite3_exec(d->sqlite, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? 0 : database_failed(d, code);
}

static int set_durability(struct database *d, enum database_durability durability)
{
    int r;

    if (durability == d->durability)
        return 0;
    r = database_execute(d, durability == DATABASE_SYNCED ? "PRAGMA synchronous = FULL"
                                                          : "PRAGMA synchronous = NORMAL");
    if (r >= 0)
        d->durability = durability;
    return r;
}

int database_begin(struct database *d, enum database_durability durability)
{
    int r;

    assert(!d->in_transaction);
    r = set_durability(d, durability);
    if (r >= 0)
        r = statement_step(d->begin);
    if (r >= 0)
        d->in_transaction = true;
    return r;
}

static bool is_at(const char *path, const struct identity *identity)
{
    struct stat st;

    return identity->inode == 0 ||
           (stat(path, &st) >= 0 && st.st_ino == identity->inode && st.st_dev == identity->device);
}

static bool exists(const char *path)
{
    struct stat st;

    return stat(path, &st) >= 0 || errno != ENOENT;
}

/* SQLite reports a commit as a success even if the file was removed, or if its log is no longer
 * where the next process looks for it. */
static int check_paths(struct database *d)
{
    bool has_file = is_at(d->path, &d->file);

    if (has_file && is_at(d->log_path, &d->log))
        return 0;
    snprintf(d->error, sizeof(d->error),
             "%s%s was removed, moved or replaced while it was open: move %s and %s-wal back, or "
             "restart the daemon to use the files that are there now",
             d->path, has_file ? "-wal" : "", d->path, d->path);
    return -ESTALE;
}

int database_commit(struct database *d)
{
    int r = 0;

    assert(d->in_transaction);
    if (d->durability == DATABASE_SYNCED)
        r = check_paths(d);
    if (r >= 0)
        r = statement_step(d->commit);
    if (r < 0)
        database_rollback(d);
    else
        d->in_transaction = false;
    return r;
}

void database_rollback(struct database *d)
{
    d->in_transaction = false;
    d->failure = 0;
    /* ROLLBACK fails only if SQLite has undone the transaction itself, or if it cannot read the
     * pages to restore. The next statement fails too in that case. */
    if (!sqlite3_get_autocommit(d->sqlite))
        statement_step(d->rollback);
}

bool database_is_in_transaction(const struct database *d)
{
    return d->in_transaction;
}

/* When it closes, SQLite moves the log into the file and removes the file at the log's path. This
 * may be another log by now, such as a restored one. So SQLite must not do that if another file is
 * at one of the two paths, or none at the path of the database. If only the log was removed, SQLite
 * still moves it, which saves its contents. */
static void spare_others(struct database *d)
{
    if (!is_at(d->path, &d->file) || (!is_at(d->log_path, &d->log) && exists(d->log_path)))
        sqlite3_db_config(d->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

struct database *database_free(struct database *d)
{
    if (!d)
        return NULL;
    if (d->sqlite) {
        database_rollback(d);
        spare_others(d);
    }
    while (d->statements) {
        struct statement *s = d->statements;

        d->statements = s->next;
        sqlite3_finalize(s->sqlite);
        free(s);
    }
    sqlite3_close(d->sqlite);
    free(d->path);
    free(d->log_path);
    free(d);
    return NULL;
}
