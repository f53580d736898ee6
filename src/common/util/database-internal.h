/* SPDX-License-Identifier: MIT */
/* The inside of database.c, for database-open.c. */
#pragma once

#include <sqlite3.h>
#include <sys/types.h>

#include "util/database.h"

enum { DATABASE_ERROR_MAX_BYTES = 512 };

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
    char error[DATABASE_ERROR_MAX_BYTES];
};

/* The errno of the last system call on one of the files that failed; 0: none has. */
int database_file_errno(struct database *d);

/* Those that SQLite takes for damage. */
bool database_is_read_error(int e);

/* What database_error says: `text` is made fit for a line; `more` may be NULL. */
void database_set_error(struct database *d, const char *text, const char *more);

/* Notes what SQLite says now, before anything else makes it say something else. Returns it as a
 * negative errno. */
int database_failed(struct database *d, int code);

/* Any number of statements without parameters. 0 or a negative errno. */
int database_execute(struct database *d, const char *sql);
