/* SPDX-License-Identifier: MIT */
/* Opening a database, in an order that protects the file. Nothing is written before the file is
 * known to be ours and whole: the first read takes the lock, then the version and the check are
 * read, and only then the log and the tables are written. A file that is refused is closed without
 * a checkpoint of its log. */
#include "util/database-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/encode.h"
#include "util/error-line.h"

enum {
    PAGE_BYTES = 4096,   /* SQLite's default for new files */
    LOG_HEAD_BYTES = 32, /* the size of a log without pages */
    PRAGMA_MAX_BYTES = 128,
    URI_MAX_BYTES = 64 * 1024,
};

/* If the file is empty or missing, SQLite removes its log and starts a new database. Normally this
 * cannot happen, because the first page of the file is synced before there is a log. So such a file
 * is refused if its log has pages. */
static int check_log_alone(const char *path, const char *log_path, char **error)
{
    struct stat file, log;
    bool is_missing = stat(path, &file) < 0;

    if ((is_missing ? errno != ENOENT : file.st_size > 0) || stat(log_path, &log) < 0 ||
        log.st_size <= LOG_HEAD_BYTES)
        return 0;
    return error_line(DATABASE_E_UNUSABLE, error,
                      "%s is %s, but %s beside it has %lld bytes of its data: restore both files, "
                      "or move the second one away to start with an empty database",
                      path, is_missing ? "missing" : "empty", log_path, (long long)log.st_size);
}

/* Opens or creates the file to learn the errno if that fails; SQLite would not keep it. Closing a
 * descriptor drops the process's locks on the file, but SQLite has none yet. */
static int check_openable(const char *path, uint64_t *ret_bytes, char **error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600), e = errno;
    struct stat st;

    if (fd < 0 && (e == ENOSPC || e == EDQUOT || e == EIO || e == EMFILE || e == ENFILE)) {
        error_line(0, error, "Cannot open %s: %s", path, strerror(e));
        return e == EDQUOT ? -ENOSPC : -e;
    }
    if (fd < 0)
        return error_line(DATABASE_E_UNUSABLE, error,
                          "Cannot open %s to read and write: %s; the folder must exist, and user "
                          "%u must be allowed to write to the folder and to an existing file",
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

/* SQLite opens its log and an existing journal by name. If one is a FIFO, SQLite would wait for
 * ever for another process to write to it. */
static int check_files_beside(const char *path, char **error)
{
    static const char *const ends[] = {"-wal", "-journal"};

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        CLEANUP(free) char *beside = NULL;
        struct stat st;

        if (asprintf(&beside, "%s%s", path, ends[i]) < 0) {
            beside = NULL;
            return -ENOMEM;
        }
        if (lstat(beside, &st) == 0 && !S_ISREG(st.st_mode))
            return error_line(DATABASE_E_UNUSABLE, error, "Cannot use %s: not a regular file",
                              beside);
    }
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
        r = database_failed(d, code);
    sqlite3_finalize(s);
    return r;
}

/* Whether a line of SQLite's check is "ok", or is about a row that breaks a rule of its table. The
 * check reports such rows in the same way as damage to the tree. They are left to the code that
 * reads the rows. SQLite itself finds them by these texts (when a column is added). */
static bool is_about_a_row(const char *text)
{
    static const char *const globs[] = {"NULL value in *", "non-* value in *", "CHECK constraint*",
                                        "* value in *.*"};

    for (size_t i = 0; i < ARRAY_SIZE(globs); i++)
        if (sqlite3_strglob(globs[i], text) == 0)
            return true;
    return streq(text, "ok");
}

/* SQLite's check reports damage as a row of text. It reports a page that it cannot read in the same
 * way, so the errno of the file tells the two apart. */
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
        database_set_error(d, (const char *)sqlite3_column_text(s, 0), NULL);
        r = database_is_read_error(database_file_errno(d)) ? -EIO : -EUCLEAN;
    } else if (code != SQLITE_DONE) {
        r = database_failed(d, code);
    }
    sqlite3_finalize(s);
    return r;
}

int database_recheck(struct database *d, int r)
{
    if (r != -EUCLEAN)
        return r;
    sqlite3_db_release_memory(d->sqlite); /* these pages may have been read wrongly */
    r = check(d, "PRAGMA integrity_check(1000000000)");
    if (r == -EUCLEAN || r == -ENOMEM)
        return r;
    if (r == 0)
        snprintf(d->error, sizeof(d->error),
                 "%s seemed damaged, but a second read found no damage: check this machine's disk "
                 "and memory",
                 d->path);
    return -EIO;
}

static int set_paths(struct database *d, const char *path)
{
    d->path = strdup(path);
    if (d->path && asprintf(&d->log_path, "%s-wal", path) >= 0)
        return 0;
    d->log_path = NULL;
    return -ENOMEM;
}

/* A file that an attacker has made must do no harm, either. */
static void protect(struct database *d)
{
    sqlite3_busy_timeout(d->sqlite, 0);
    sqlite3_db_config(d->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_db_config(d->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(d->sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
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
        return database_failed(d, code);
    protect(d);
    snprintf(pragmas, sizeof(pragmas),
             "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cell_size_check = ON;"
             "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -%d",
             DATABASE_CACHE_BYTES / 1024);
    return database_execute(d, pragmas);
}

/* Writes nothing. */
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

/* --- Looking into a closed file --- */

/* "immutable": SQLite neither locks nor writes, and makes no file beside it. */
static int open_immutable(struct database *d)
{
    CLEANUP(buffer_done) struct buffer uri = BUFFER_INIT(URI_MAX_BYTES);
    int code;

    buffer_append_string(&uri, d->path[0] == '/' ? "file://" : "file:");
    uri_encode(&uri, d->path, strlen(d->path), "/");
    buffer_append_string(&uri, "?immutable=1");
    if (uri.error < 0)
        return uri.error;
    code = sqlite3_open_v2(
        buffer_string(&uri), &d->sqlite,
        SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (!d->sqlite)
        return -ENOMEM;
    protect(d);
    return code == SQLITE_OK ? 0 : database_failed(d, code);
}

int database_peek(const char *path, const char *sql, int64_t *ret)
{
    CLEANUP(database_free) struct database *d = calloc(1, sizeof(*d));
    struct stat file, log;
    int r;

    if (!d)
        return -ENOMEM;
    r = set_paths(d, path);
    if (r < 0)
        return r;
    if (stat(path, &file) < 0)
        return -errno;
    if (!S_ISREG(file.st_mode))
        return -EINVAL;
    if (stat(d->log_path, &log) >= 0 && log.st_size > LOG_HEAD_BYTES)
        return DATABASE_E_HAS_LOG;
    r = open_immutable(d);
    return r < 0 ? r : query_int(d, sql, ret);
}

/* --- Opening --- */

static int set_up_log(struct database *d)
{
    char pragmas[PRAGMA_MAX_BYTES];

    snprintf(pragmas, sizeof(pragmas),
             "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
             "PRAGMA wal_autocheckpoint = %d; PRAGMA journal_size_limit = %d",
             DATABASE_LOG_BYTES / PAGE_BYTES, DATABASE_LOG_BYTES);
    d->durability = DATABASE_SYNCED;
    return database_execute(d, pragmas);
}

static int write_migrations(struct database *d, const struct database_schema *schema,
                            int64_t version)
{
    char pragma[PRAGMA_MAX_BYTES];
    int r = database_begin(d, DATABASE_SYNCED);

    if (r < 0)
        return r;
    for (int64_t i = version; r >= 0 && i < schema->version; i++)
        r = database_execute(d, schema->migrations[i]);
    snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d", schema->version);
    if (r >= 0)
        r = database_execute(d, pragma);
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
    r = database_recheck(d, r);
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

/* Explains to a person why SQLite could not open the file. */
static int refused(struct database *d, int r, char **error)
{
    if (r == -ENOMEM)
        return r;
    if (r == -EUCLEAN)
        return error_line(DATABASE_E_UNUSABLE, error,
                          "%s. The file is damaged: move it and %s-wal away (keep them, to examine "
                          "them), or restore both",
                          d->error, d->path);
    if (r == -EBUSY)
        return error_line(DATABASE_E_IN_USE, error,
                          "%s is open in another process: this daemon may run twice", d->path);
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

/* SQLite has opened the log at the first read, and keeps the same file until it closes. */
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
    r = set_paths(d, path);
    if (r == 0)
        r = check_files_beside(path, error);
    if (r == 0)
        r = check_log_alone(path, d->log_path, error);
    if (r == 0)
        r = check_openable(path, &file_bytes, error);
    if (r != 0)
        return r;
    r = set_up(d, schema, file_bytes, error);
    if (r < 0)
        return refused(d, r, error);
    if (r > 0)
        return r;
    /* From now on SQLite moves the log into the file and removes it when it closes. */
    sqlite3_db_config(d->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    note_identities(d);
    *ret = TAKE(d);
    return 0;
}
