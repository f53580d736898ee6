/* See database.h. SQLite with a write-ahead log. The file is locked for as long as it is open
 * (locking_mode=EXCLUSIVE), so that the log's index is in this process's memory and no file of
 * shared memory is needed; a second process is told at once (busy_timeout 0).
 *
 * What a commit waits for is set before the transaction begins, for SQLite takes no change inside
 * one: with synchronous=FULL it syncs the log, and undoes the transaction where that fails; with
 * NORMAL it only writes. Both leave a file that is whole after a power cut.
 *
 * Until a file is known to be ours and whole, nothing is written to it: what is read first takes
 * the lock, then come the version and the check, and only then the log and the tables. A refused
 * file is closed without moving its log. */
#include "database.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buffer.h"
#include "encode.h"
#include "error-line.h"

enum {
    PAGE_BYTES = 4096,   /* SQLite's default, that of new files */
    LOG_HEAD_BYTES = 32, /* of a log without a page */
    ERROR_MAX_BYTES = 512,
    PRAGMA_MAX_BYTES = 128,
};

struct statement {
    struct database *database;
    struct statement *next;
    sqlite3_stmt *sqlite;
    int bind_error; /* SQLite's, of the first that failed */
};

/* What a path must lead to for as long as the file is open. */
struct identity {
    dev_t device;
    ino_t inode; /* 0: not known */
};

struct database {
    char *path;
    sqlite3 *sqlite;
    struct statement *statements, *begin, *commit, *rollback;
    enum database_durability durability; /* in force */
    struct identity file, log;           /* as they were opened; 0: not opened yet */
    char *log_path;
    int version;
    bool in_transaction;
    int failure; /* what ended the transaction before its commit; 0: nothing did */
    char error[ERROR_MAX_BYTES];
};

/* --- Errors --- */

/* The errno of the last system call on one of the files that failed; 0: none has. */
static int last_file_errno(struct database *d)
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

/* The system's errno of a failure, 0: not one of the system's. sqlite3_system_errno tells what
 * errno is when SQLite has cleaned up; the files keep what it was. A read that failed with EIO
 * comes as SQLITE_CORRUPT. */
static int system_errno(struct database *d, int code)
{
    code &= 0xff;
    if (code == SQLITE_CANTOPEN)
        return sqlite3_system_errno(d->sqlite);
    return code == SQLITE_IOERR || code == SQLITE_CORRUPT || code == SQLITE_NOTADB
               ? last_file_errno(d)
               : 0;
}

/* Those that SQLite takes for damage. */
static bool is_read_error(int e)
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
        return is_read_error(e) ? -EIO : -EUCLEAN;
    case SQLITE_CONSTRAINT:
        return -EEXIST;
    case SQLITE_TOOBIG:
        return -E2BIG;
    default:
        return -EINVAL;
    }
}

/* SQLite's text may have lines, and names that were read from a damaged file. */
static void set_error(struct database *d, const char *text, const char *more)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(2 * ERROR_MAX_BYTES);

    escape_for_log(&b, text, strlen(text), ERROR_MAX_BYTES / 2);
    snprintf(d->error, sizeof(d->error), "%s: %s%s%s", d->path, buffer_string(&b), more ? ": " : "",
             more ? more : "");
}

/* Notes what SQLite says now, before anything else makes it say something else. */
static int failed(struct database *d, int code)
{
    int e = system_errno(d, code), r = errno_of(code, e);

    set_error(d, sqlite3_errmsg(d->sqlite), e > 0 ? strerror(e) : NULL);
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
        return failed(d, code);
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
        r = failed(d, code);
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

int64_t database_last_row_id(const struct database *d)
{
    return sqlite3_last_insert_rowid(d->sqlite);
}

int64_t database_changed_rows(const struct database *d)
{
    return sqlite3_changes64(d->sqlite);
}

/* --- Transactions --- */

static int execute(struct database *d, const char *sql)
{
    int code = sqlite3_exec(d->sqlite, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? 0 : failed(d, code);
}

static int set_durability(struct database *d, enum database_durability durability)
{
    int r;

    if (durability == d->durability)
        return 0;
    r = execute(d, durability == DATABASE_SYNCED ? "PRAGMA synchronous = FULL"
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

/* SQLite commits with success to files that have no name any more, and to a log that the next
 * process will not find. */
static int check_paths(struct database *d)
{
    bool has_file = is_at(d->path, &d->file);

    if (has_file && is_at(d->log_path, &d->log))
        return 0;
    snprintf(
        d->error, sizeof(d->error),
        "%s%s was removed, moved or replaced while it is open: move %s and %s-wal back as they "
        "were, or restart the daemon to go on with what is there",
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
    /* Fails only where SQLite has undone the transaction itself, or cannot read what it is to
     * restore, which the next statement meets too. */
    if (!sqlite3_get_autocommit(d->sqlite))
        statement_step(d->rollback);
}

bool database_is_in_transaction(const struct database *d)
{
    return d->in_transaction;
}

/* --- Opening --- */

/* SQLite removes a log whose file is empty, and begins anew. The file of a sound pair never is: it
 * has its first page, synced, before there is a log. */
static int check_log_alone(const char *path, const char *log_path, char **error)
{
    struct stat file, log;
    bool is_missing = stat(path, &file) < 0;

    if ((is_missing ? errno != ENOENT : file.st_size > 0) || stat(log_path, &log) < 0 ||
        log.st_size <= LOG_HEAD_BYTES)
        return 0;
    return error_line(
        DATABASE_E_UNUSABLE, error,
        "%s is %s, and %s beside it has %lld bytes of what was in it: restore both, or "
        "move the latter away to keep it for a look and begin anew",
        path, is_missing ? "missing" : "empty", log_path, (long long)log.st_size);
}

/* What cannot be opened or made has its errno here; SQLite would not keep it. No lock is lost when
 * this descriptor is closed, for SQLite has none yet. */
static int probe(const char *path, uint64_t *ret_bytes, char **error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600), e = errno;
    struct stat st;

    if (fd < 0 && (e == ENOSPC || e == EDQUOT || e == EIO || e == EMFILE || e == ENFILE)) {
        error_line(0, error, "Cannot open %s: %s", path, strerror(e));
        return e == EDQUOT ? -ENOSPC : -e;
    }
    if (fd < 0)
        return error_line(DATABASE_E_UNUSABLE, error,
                          "Cannot open %s to read and write: %s; its folder must be there and "
                          "writable for user %u, and the file too",
                          path, strerror(e), geteuid());
    e = fstat(fd, &st) < 0 ? errno : 0;
    close(fd);
    if (e > 0)
        return error_line(-e, error, "Cannot open %s: %s", path, strerror(e));
    if (!S_ISREG(st.st_mode))
        return error_line(DATABASE_E_UNUSABLE, error, "Cannot use %s: not a regular file", path);
    *ret_bytes = (uint64_t)st.st_size;
    return 0;
}

/* The first column of the first row. */
static int query_int(struct database *d, const char *sql, int64_t *ret)
{
    sqlite3_stmt *s = NULL;
    int code = sqlite3_prepare_v2(d->sqlite, sql, -1, &s, NULL), r = 0;

    if (code == SQLITE_OK)
        code = sqlite3_step(s);
    if (code == SQLITE_ROW)
        *ret = sqlite3_column_int64(s, 0);
    else
        r = failed(d, code);
    sqlite3_finalize(s);
    return r;
}

/* The check tells of rows that break the rules of their table in the same way as of damage to the
 * tree that they stand in. Who reads the rows sees to those; SQLite itself tells them apart by
 * these words (when a column is added). */
static bool is_about_a_row(const char *text)
{
    static const char *const globs[] = {"NULL value in *", "non-* value in *", "CHECK constraint*",
                                        "* value in *.*"};

    for (size_t i = 0; i < ARRAY_SIZE(globs); i++)
        if (sqlite3_strglob(globs[i], text) == 0)
            return true;
    return streq(text, "ok");
}

/* SQLite reports damage that it looks for as a row of text, and a page that it could not read as
 * well. */
static int check(struct database *d, const char *sql)
{
    sqlite3_stmt *s = NULL;
    int code = sqlite3_prepare_v2(d->sqlite, sql, -1, &s, NULL), r = 0;

    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(s);
        if (code == SQLITE_ROW && !is_about_a_row((const char *)sqlite3_column_text(s, 0)))
            break;
    }
    if (code == SQLITE_ROW) {
        set_error(d, (const char *)sqlite3_column_text(s, 0), NULL);
        r = is_read_error(last_file_errno(d)) ? -EIO : -EUCLEAN;
    } else if (code != SQLITE_DONE) {
        r = failed(d, code);
    }
    sqlite3_finalize(s);
    return r;
}

int database_look_again(struct database *d, int r)
{
    if (r != -EUCLEAN)
        return r;
    sqlite3_db_release_memory(d->sqlite); /* pages that were read wrong */
    r = check(d, "PRAGMA integrity_check(1000000000)");
    if (r == -EUCLEAN || r == -ENOMEM)
        return r;
    if (r == 0)
        snprintf(d->error, sizeof(d->error),
                 "%s was read as damaged, and at a second look is not: look after the disk and the "
                 "memory",
                 d->path);
    return -EIO;
}

static int connect(struct database *d)
{
    int code =
        sqlite3_open_v2(d->path, &d->sqlite,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    char pragmas[PRAGMA_MAX_BYTES];

    if (!d->sqlite)
        return -ENOMEM;
    if (code != SQLITE_OK)
        return failed(d, code);
    sqlite3_busy_timeout(d->sqlite, 0);
    sqlite3_db_config(d->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_db_config(d->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(d->sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    snprintf(pragmas, sizeof(pragmas),
             "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cell_size_check = ON;"
             "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -%d",
             DATABASE_CACHE_BYTES / 1024);
    return execute(d, pragmas);
}

/* Reads, and writes nothing. */
static int inspect(struct database *d, const struct database_schema *schema, uint64_t file_bytes,
                   int64_t *ret_version, char **error)
{
    int64_t version = 0, n_tables = 0;
    int r = query_int(d, "PRAGMA user_version", &version);

    if (r >= 0)
        r = query_int(d, "SELECT count(*) FROM sqlite_schema", &n_tables);
    if (r < 0)
        return r;
    if (version > schema->version)
        return error_line(DATABASE_E_UNUSABLE, error,
                          "%s was written by a newer version of this program (its format is %lld, "
                          "the newest known %d): install that version, or move the file away",
                          d->path, (long long)version, schema->version);
    if (version < 0 || (version == 0 && n_tables > 0))
        return error_line(DATABASE_E_UNUSABLE, error,
                          "%s is a database of another program: move it away", d->path);
    *ret_version = version;
    return file_bytes <= DATABASE_CHECK_MAX_BYTES ? check(d, "PRAGMA quick_check(1000000000)") : 0;
}

static int set_up_log(struct database *d)
{
    char pragmas[PRAGMA_MAX_BYTES];

    snprintf(pragmas, sizeof(pragmas),
             "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
             "PRAGMA wal_autocheckpoint = %d; PRAGMA journal_size_limit = %d",
             DATABASE_LOG_BYTES / PAGE_BYTES, DATABASE_LOG_BYTES);
    d->durability = DATABASE_SYNCED;
    return execute(d, pragmas);
}

static int write_migrations(struct database *d, const struct database_schema *schema,
                            int64_t version)
{
    char pragma[PRAGMA_MAX_BYTES];
    int r = database_begin(d, DATABASE_SYNCED);

    if (r < 0)
        return r;
    for (int64_t i = version; r >= 0 && i < schema->version; i++)
        r = execute(d, schema->migrations[i]);
    snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d", schema->version);
    if (r >= 0)
        r = execute(d, pragma);
    if (r >= 0)
        return database_commit(d);
    database_rollback(d);
    return r;
}

static int migrate(struct database *d, const struct database_schema *schema, int64_t version)
{
    int r = 0;

    d->version = (int)version;
    if (version < schema->version)
        r = write_migrations(d, schema, version);
    if (r >= 0)
        d->version = schema->version;
    else if (schema->least_version > 0 && version >= schema->least_version &&
             (r == -ENOSPC || r == -EEXIST))
        r = 0;
    return r;
}

int database_version(const struct database *d)
{
    return d->version;
}

static int set_up(struct database *d, const struct database_schema *schema, uint64_t file_bytes,
                  char **error)
{
    int64_t version = 0;
    int r = connect(d);

    if (r == 0)
        r = inspect(d, schema, file_bytes, &version, error);
    r = database_look_again(d, r);
    if (r == 0)
        r = set_up_log(d);
    if (r == 0)
        r = database_prepare(d, "BEGIN IMMEDIATE", &d->begin);
    if (r == 0)
        r = database_prepare(d, "COMMIT", &d->commit);
    if (r == 0)
        r = database_prepare(d, "ROLLBACK", &d->rollback);
    if (r == 0)
        r = migrate(d, schema, version);
    return r;
}

/* A failure of SQLite's while opening, in words for a person. */
static int refused(struct database *d, int r, char **error)
{
    if (r == -ENOMEM)
        return r;
    if (r == -EUCLEAN)
        return error_line(DATABASE_E_UNUSABLE, error,
                          "%s. The file is damaged: move it and %s-wal away to keep them for a "
                          "look, or restore both",
                          d->error, d->path);
    if (r == -EBUSY)
        return error_line(DATABASE_E_UNUSABLE, error,
                          "%s is open in another process, such as this daemon started twice",
                          d->path);
    if (r == -EROFS || r == -EACCES || r == -EPERM || r == -EINVAL || r == -EEXIST)
        return error_line(DATABASE_E_UNUSABLE, error, "Cannot use %s", d->error);
    return error_line(r, error, "Cannot use %s", d->error);
}

static void note_identity(const char *path, struct identity *identity)
{
    struct stat st;

    if (stat(path, &st) >= 0)
        *identity = (struct identity){st.st_dev, st.st_ino};
}

/* The log is there from the first reading on, and keeps its file until the end. */
static void note_identities(struct database *d)
{
    note_identity(d->path, &d->file);
    note_identity(d->log_path, &d->log);
}

int database_open(const char *path, const struct database_schema *schema, struct database **ret,
                  char **error)
{
    CLEANUP(database_free) struct database *d = NULL;
    uint64_t file_bytes = 0;
    int r;

    d = calloc(1, sizeof(*d));
    if (!d)
        return -ENOMEM;
    d->path = strdup(path);
    if (!d->path || asprintf(&d->log_path, "%s-wal", path) < 0) {
        d->log_path = NULL;
        return -ENOMEM;
    }
    r = check_log_alone(path, d->log_path, error);
    if (r == 0)
        r = probe(path, &file_bytes, error);
    if (r != 0)
        return r;
    r = set_up(d, schema, file_bytes, error);
    if (r < 0)
        return refused(d, r, error);
    if (r > 0)
        return r;
    /* From now on a proper end leaves one file, without a log. */
    sqlite3_db_config(d->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    note_identities(d);
    *ret = TAKE(d);
    return 0;
}

/* At its end SQLite moves the log into the file, and removes what is at the log's path: that may be
 * another one by now, such as one that was restored. A log that is merely gone is moved all the
 * same, which saves what was in it. */
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
