/* SPDX-License-Identifier: MIT */
/* A SQLite database file that one process owns: what a daemon must find again after its end.
 *
 * Everything here blocks: a transaction that is synced for as long as one fdatasync takes, and now
 * and then one that also moves the log of at most DATABASE_LOG_BYTES into the file. So a core
 * gathers what a turn of its loop brings into one transaction.
 *
 * Errors of all functions, as negative errno: -ENOSPC (the disk or a quota is full), -EIO, -ENOMEM,
 * -EROFS, -EBUSY (another process has the file open), -EUCLEAN (the file is damaged), -EEXIST (a
 * row breaks a rule of its table, such as UNIQUE), -E2BIG, -EINVAL (the SQL does not fit the
 * tables), -ESTALE (a synced commit alone: the path of the file or of its log no longer leads to
 * what is open). database_error has the words.
 *
 * -EUCLEAN of a statement may be a passing fault of the disk or the memory: database_recheck
 * tells. */
#pragma once

#include "util/macro.h"

struct database;
struct statement;

enum {
    DATABASE_CACHE_BYTES = 512 * 1024,           /* pages kept in memory */
    DATABASE_LOG_BYTES = 4 * 1024 * 1024,        /* the log, unless one transaction is larger */
    DATABASE_CHECK_MAX_BYTES = 64 * 1024 * 1024, /* larger files are not read whole at the start */
};

/* migrations[i] is the SQL, of any number of statements, that makes version i + 1 out of version i;
 * version 0 is an empty file. Borrowed by database_open until it returns. */
struct database_schema {
    const char *const *migrations;
    int version; /* how many there are */
    /* The version that the program can do with where there is no room for more, or where rows break
     * the rules of a table that is changed; 0: none but the last. */
    int least_version;
};

/* Opens the file, made with mode 0600 where there is none; its folder must be there. Brings its
 * tables to the schema's version. Looks through it for damage if it is not too large.
 *
 * 0, DATABASE_E_UNUSABLE: only a person can help (damaged, of a newer version, of another program,
 * not to be written), DATABASE_E_IN_USE: it is open in another process, -ENOMEM, or a negative
 * errno for what may pass by itself (-ENOSPC, -EIO, -EMFILE ...). With all but -ENOMEM *error is
 * one line, which the caller frees. A file that is refused is left as it is, its log too. */
enum { DATABASE_E_UNUSABLE = 1, DATABASE_E_IN_USE = 2 };
int database_open(const char *path, const struct database_schema *schema, struct database **ret,
                  char **error);

/* The version of its tables: the schema's, or one from its least version on. */
int database_version(const struct database *database);

/* Rolls back what is open, frees all statements, moves the log into the file. A process that is
 * killed instead loses nothing that was committed. */
struct database *database_free(struct database *database);
DEFINE_CLEANUP(struct database *, database_free)

/* `r` of a statement or of the opening, where it is not -EUCLEAN. Else looks through the whole
 * file: -EUCLEAN where that finds damage, too, else -EIO, also where the disk cannot be read now.
 * Blocks for as long as reading it all takes: for who gives up the file after that. */
int database_recheck(struct database *database, int r);

/* The last failure, one line: "<path>: <reason>". Valid until the next failure. */
const char *database_error(const struct database *database);

/* --- Transactions --- */

enum database_durability {
    DATABASE_SYNCED,   /* on the disk when the commit returns, with all committed before it */
    DATABASE_UNSYNCED, /* kept when the process is killed; a power cut may lose it, whole */
};

/* What writes belongs inside a transaction; one at a time. 0 or a negative errno. */
int database_begin(struct database *database, enum database_durability durability);

/* Ends the transaction. On failure nothing of it is kept, also of one that had failed before. */
int database_commit(struct database *database);

/* Without a transaction: does nothing. */
void database_rollback(struct database *database);

bool database_is_in_transaction(const struct database *database);

/* --- Statements --- */

/* Prepares one statement, to be used many times; it belongs to the database, and is freed with it.
 * 0 or a negative errno. */
int database_prepare(struct database *database, const char *sql, struct statement **ret);

/* Sets the parameter "?<i>", from 1 on; one that is not set is NULL. Text and bytes are borrowed
 * until the statement is reset; text NULL is SQL's NULL, text of n bytes needs no end. What fails
 * here, statement_step returns. */
void statement_bind_int(struct statement *statement, int i, int64_t value);
void statement_bind_text(struct statement *statement, int i, const char *text);
void statement_bind_text_n(struct statement *statement, int i, const char *text, size_t bytes);
void statement_bind_blob(struct statement *statement, int i, const void *data, size_t bytes);

/* Runs a statement up to its next row. STATEMENT_ROW, 0: it has ended, or a negative errno. On 0
 * and on failure it is reset, its parameters are no longer set. A failure inside a transaction may
 * have ended it: what follows then fails too, up to commit or rollback. */
enum { STATEMENT_ROW = 1 };
int statement_step(struct statement *statement);

/* Of the row that was stepped to, the column i, from 0 on. Text and blobs are valid until the next
 * step or reset. Text is never NULL: SQL's NULL is "", which is_null tells apart. `ret_bytes` may
 * be NULL. */
int64_t statement_int(struct statement *statement, int i);
const char *statement_text(struct statement *statement, int i, size_t *ret_bytes);
const void *statement_blob(struct statement *statement, int i, size_t *ret_bytes);
bool statement_is_null(struct statement *statement, int i);

/* Whether a column of the row could not be had for want of memory: then its text or blob is "". */
bool statement_is_out_of_memory(const struct statement *statement);

/* Ends a statement before its last row. One that is left open keeps the log from being moved into
 * the file: reset it before the turn of the loop ends. */
void statement_reset(struct statement *statement);

/* The rowid of the last row inserted; the number of rows that the last INSERT, UPDATE or DELETE
 * changed. */
int64_t database_last_row_id(const struct database *database);
int64_t database_changed_rows(const struct database *database);
