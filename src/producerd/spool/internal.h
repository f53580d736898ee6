/* SPDX-License-Identifier: MIT */
/* The spool's inside, shared by its files, each of which uses those that come after it: spool.c
 * (opening, what comes in, the writing), rejected.c (what was set aside), dequeue.c (what
 * goes out), internal.c (lists, statements, the last resort). */
#pragma once

#include "producerd/spool/groups.h"
#include "producerd/spool/disk-reserve.h"
#include "producerd/spool/row.h"
#include "producerd/spool/spool.h"
#include "util/database.h"

struct spool_list {
    struct spool_message *first, *last;
};

struct spool {
    struct database *database;
    struct spool_options options; /* without the path */
    struct spool_groups *groups;  /* FIFO alone */
    struct disk_reserve reserve;
    int lock;          /* of lock.h; -1: none */
    bool is_disk_full; /* the last failure was for want of a reserve */
    struct spool_counts counts;
    uint64_t next_number; /* of the next message that gets a row */
    uint64_t cursor;      /* the number up to which the rows were read in order */
    struct spool_list added, in_flight, settled;
    uint64_t in_flight_bytes;
    bool is_unsynced; /* something was committed without sync */
    bool has_failed;  /* the last writing of what was settled */
    bool has_checksums;
    struct spool_damaged_row damaged_row; /* the last row that was damaged */

    struct statement *insert, *touch, *free_pages;
    struct statement *next, *next_of_group;
    struct statement *mark, *unmark, *remove, *reject, *reject_damaged;
    struct statement *list, *select, *select_id, *find_groupless;
    struct statement *read_rejected, *retry, *convert, *drop;
};

/* --- internal.c --- */

void spool_list_append(struct spool_list *list, struct spool_message *message);
void spool_list_remove(struct spool_list *list, struct spool_message *message);
void spool_list_free(struct spool_list *list); /* of all its messages */

/* As database_prepare; "%s" in the SQL, twice at most, becomes what goes by the column checksum:
 * `with` where the file has it, else `without`. */
int spool_prepare(struct spool *spool, const char *sql, const char *with, const char *without,
                  struct statement **ret);

/* What is written of messages that are there already, and makes no more of them, is written again
 * with the room of the reserve, where `r` says that there was none without it. */
bool spool_may_retry(struct spool *spool, int r);

/* --- dequeue.c, rejected.c --- */

/* Puts rows aside that no reading in order would come to, for their numbers. */
int spool_set_wrong_numbers_aside(struct spool *spool);

/* Gives numbers to rejected rows whose own are none, or are those of messages that wait: one of
 * these could not be rejected. 0 or a negative errno. */
int spool_renumber_rejected(struct spool *spool);

/* Prepares the statements of the file. 0 or a negative errno. */
int spool_dequeue_prepare(struct spool *spool);
int spool_rejected_prepare(struct spool *spool);

/* Within a transaction: what was settled. 0 or a negative errno. */
int spool_write_settled(struct spool *spool);
