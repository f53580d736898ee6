/* SPDX-License-Identifier: MIT */
/* What database.c and database-open.c share. */
#pragma once

#include <sqlite3.h>
#include <sys/types.h>

#include "util/database.h"

enum { DATABASE_ERROR_MAX_BYTES = 512 };

struct statement {
    struct database *database;
    struct statement *next;
    sqlite3_stmt *sqlite;
    int bind_error; /* SQLite's result code of the first bind that failed */
};

/* The file that a path must lead to while the database is open. */
struct identity {
    dev_t device;
    ino_t inode; /* 0: not known, and not checked */
};

struct database {
    char *path;
    sqlite3 *sqlite;
    struct statement *statements, *begin, *commit, *rollback;
    enum database_durability durability; /* the current value of synchronous= */
    struct identity file, log;           /* as they were opened; inode 0: not opened yet */
    char *log_path;
    int version;
    bool in_transaction;
    int failure; /* negative errno that ended the transaction before its commit; 0: none */
    char error[DATABASE_ERROR_MAX_BYTES];
};

/* The errno of the last failed system call on the log or the file; 0: none has failed. */
int database_file_errno(struct database *d);

/* Whether an errno is one of those that SQLite reports as damage. */
bool database_is_read_error(int e);

/* Sets the text of database_error. `text` is escaped for one line. `more` may be NULL. */
void database_set_error(struct database *d, const char *text, const char *more);

/* Notes SQLite's error text for the result code. Call it at once, because the next call of SQLite
 * replaces the text. Returns the error as a negative errno. */
int database_failed(struct database *d, int code);

/* Runs any number of statements without parameters. Returns 0 or a negative errno. */
int database_execute(struct database *d, const char *sql);
