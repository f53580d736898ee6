/* SPDX-License-Identifier: MIT */
/* A SQLite database file that one process owns. A daemon keeps in it what it needs again after a
 * restart.
 *
 * Everything here blocks. A synced transaction takes as long as one fdatasync. Now and then one
 * also moves the write-ahead log, of at most DATABASE_LOG_BYTES, into the file. So a daemon should
 * gather all changes of one round of its event loop in one transaction.
 *
 * Errors of all functions, as negative errno: -ENOSPC (the disk or a quota is full), -EIO, -ENOMEM,
 * -EROFS, -EBUSY (another process has the file open), -EUCLEAN (the file is damaged), -EEXIST (a
 * row breaks a rule of its table, such as UNIQUE), -E2BIG, -EINVAL (the SQL does not fit the
 * tables), -ESTALE (only from a synced commit: the file or its log was removed, moved or replaced
 * while it is open). database_error returns the text.
 *
 * When a statement returns -EUCLEAN, the cause may be a temporary fault of the disk or the memory:
 * database_recheck finds out. */
#pragma once

#include "util/macro.h"

struct database;
struct statement;

enum {
    DATABASE_CACHE_BYTES = 512 * 1024,           /* pages kept in memory */
    DATABASE_LOG_BYTES = 4 * 1024 * 1024,        /* of the log; one transaction may exceed it */
    DATABASE_CHECK_MAX_BYTES = 64 * 1024 * 1024, /* larger files are not checked at the start */
};

/* migrations[i] is SQL, any number of statements, that turns version i into version i + 1. Version
 * 0 is an empty file. database_open borrows all this until it returns. */
struct database_schema {
    const char *const *migrations;
    int version; /* the newest; the number of migrations */
    /* The oldest version that the program can use. It is used if a migration fails because the disk
     * is full or because rows break the rules of a changed table. 0: only the newest. */
    int least_version;
};

/* Opens the file, or creates it with mode 0600. Its folder must exist. Migrates its tables to the
 * schema's version. Checks it for damage if it has at most DATABASE_CHECK_MAX_BYTES.
 *
 * Returns 0; DATABASE_E_UNUSABLE if only a person can help (the file is damaged, of a newer
 * version, of another program, or not writable); DATABASE_E_IN_USE if another process has it open;
 * -ENOMEM; or a negative errno for a condition that may pass by itself (-ENOSPC, -EIO, -EMFILE
 * ...). On all failures but -ENOMEM *error is one line, which the caller frees. A file that is
 * refused stays unchanged, and so does its log. */
enum { DATABASE_E_UNUSABLE = 1, DATABASE_E_IN_USE = 2 };
int database_open(const char *path, const struct database_schema *schema, struct database **ret,
                  char **error);

/* Looks into a file that no process has open: reads the first column of the first row of the query.
 * Changes nothing, in the file or beside it, and locks nothing. Returns 0; DATABASE_E_HAS_LOG if
 * changes are in the log beside the file, where this does not look; or a negative errno (-ENOENT:
 * there is no file). */
enum { DATABASE_E_HAS_LOG = 3 };
int database_peek(const char *path, const char *sql, int64_t *ret);

/* The version of its tables: the schema's version, or an older one from least_version on. */
int database_version(const struct database *database);

/* Rolls back an open transaction, frees all statements, and moves the log into the file. A process
 * that is killed before this loses nothing that was committed. */
struct database *database_free(struct database *database);
DEFINE_CLEANUP(struct database *, database_free)

/* `r` is the result of a statement or of the opening. If it is not -EUCLEAN, it is returned.
 * Otherwise this checks the whole file and returns -EUCLEAN if the check finds damage too, -ENOMEM
 * if memory runs out during the check, else -EIO, also if the disk cannot be read now. It blocks
 * for as long as it takes to read the whole file, so it is for a caller that otherwise gives the
 * file up. */
int database_recheck(struct database *database, int r);

/* The text of the last failure, one line: "<path>: <reason>". Valid until the next failure. */
const char *database_error(const struct database *database);

/* --- Transactions --- */

enum database_durability {
    DATABASE_SYNCED,   /* when the commit returns, it and all earlier ones are on the disk */
    DATABASE_UNSYNCED, /* outlives a kill of the process; a power cut may lose it as a whole */
};

/* Begins a transaction. All statements that write must be inside one. Only one can be open at a
 * time. Returns 0 or a negative errno. */
int database_begin(struct database *database, enum database_durability durability);

/* Commits the transaction. On failure nothing of it is kept. If a statement of it has failed in a
 * way that ended it, this fails too. */
int database_commit(struct database *database);

/* Does nothing if no transaction is open. */
void database_rollback(struct database *database);

bool database_is_in_transaction(const struct database *database);

/* --- Statements --- */

/* Prepares one statement, which can run many times. It belongs to the database, which frees it.
 * Returns 0 or a negative errno. */
int database_prepare(struct database *database, const char *sql, struct statement **ret);

/* Sets the parameter "?<i>". The first is 1. A parameter that is not set is SQL's NULL. Text and
 * bytes are borrowed until the statement is reset. A text that is a NULL pointer is SQL's NULL.
 * statement_bind_text_n needs no NUL at the end. If one of these fails, statement_step returns the
 * error. */
void statement_bind_int(struct statement *statement, int i, int64_t value);
void statement_bind_text(struct statement *statement, int i, const char *text);
void statement_bind_text_n(struct statement *statement, int i, const char *text, size_t bytes);
void statement_bind_blob(struct statement *statement, int i, const void *data, size_t bytes);

/* Runs a statement up to its next row. Returns STATEMENT_ROW; 0 if there are no more rows; or a
 * negative errno. After 0 and after a failure the statement is reset, and its parameters are no
 * longer set. A failure inside a transaction may have ended the transaction. Then all statements
 * fail up to the commit or rollback. */
enum { STATEMENT_ROW = 1 };
int statement_step(struct statement *statement);

/* Column i of the current row. The first is 0. Text and blobs are valid until the next step or
 * reset. A returned text is never a NULL pointer: SQL's NULL is "", and statement_is_null tells the
 * two apart. `ret_bytes` may be NULL. */
int64_t statement_int(struct statement *statement, int i);
const char *statement_text(struct statement *statement, int i, size_t *ret_bytes);
const void *statement_blob(struct statement *statement, int i, size_t *ret_bytes);
bool statement_is_null(struct statement *statement, int i);

/* Whether a column of the row could not be read because memory ran out. Its text or blob is "". */
bool statement_is_out_of_memory(const struct statement *statement);

/* Ends a statement before its last row. While a statement is not reset, the log cannot be moved
 * into the file. So reset it in the same round of the event loop. */
void statement_reset(struct statement *statement);

/* The number of rows that the last INSERT, UPDATE or DELETE changed. */
int64_t database_changed_rows(const struct database *database);
