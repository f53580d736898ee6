/* SPDX-License-Identifier: MIT */
/* The spool's state, and what its files share. A file uses only files below it: spool.c (opening,
 * adding, committing), then rejected.c (rejected messages), dequeue.c (taking messages out and
 * settling them), series.c (the progress of series), spool-internal.c (helpers). */
#pragma once

#include "producerd/spool/groups.h"
#include "producerd/spool/disk-reserve.h"
#include "producerd/spool/row.h"
#include "producerd/spool/spool.h"
#include "util/database.h"

struct spool {
    struct database *database;
    struct spool_options options; /* its path is NULL */
    struct spool_groups *groups;  /* FIFO queues only */
    struct disk_reserve reserve;
    int lock;          /* descriptor of spool_lock; -1: none */
    bool is_disk_full; /* the last failure was the missing disk reserve */
    struct spool_counts counts;
    uint64_t next_number;                  /* number of the next row */
    uint64_t cursor;                       /* rows up to this number were read in order */
    struct list added, in_flight, settled; /* of struct spool_message */
    uint64_t in_flight_bytes;
    bool is_unsynced;                     /* something was committed without a sync */
    bool has_failed;                      /* the last write of settled messages failed */
    bool has_checksums, has_series;       /* the file is new enough */
    struct list series;                   /* of struct store_series, for the next commit */
    uint64_t n_series;                    /* rows at most; */
    struct spool_damaged_row damaged_row; /* the last damaged row */

    struct statement *insert, *touch, *free_pages;
    struct statement *next, *next_of_group, *oldest;
    struct statement *mark, *unmark, *remove, *reject, *reject_damaged;
    struct statement *list, *select, *select_id, *find_groupless;
    struct statement *read_rejected, *retry, *convert, *drop;
    struct statement *read_series, *write_series, *count_series, *remove_series;
};

/* --- spool-internal.c --- */

static inline struct spool_message *spool_message_of(struct list *link)
{
    return CONTAINER_OF(link, struct spool_message, link);
}

/* Frees the messages of a list, which is empty then. */
void spool_messages_free(struct list *list);

/* Like database_prepare. "%s" occurs at most twice in the SQL; it is replaced by `with` when the
 * file has the column checksum, otherwise by `without`. */
int spool_prepare(struct spool *spool, const char *sql, const char *with, const char *without,
                  struct statement **ret);

/* Returns true when the write that failed with `r` should be tried again: the disk was full, and
 * the disk reserve is released now. Only for writes that add no new message. */
bool spool_may_retry(struct spool *spool, int r);

/* --- dequeue.c, rejected.c, series.c --- */

/* Sets rows aside whose numbers the reading in order never reaches. Returns 0 or a negative
 * errno. */
int spool_set_wrong_numbers_aside(struct spool *spool);

/* Gives new numbers to rejected rows whose number is out of range or belongs to a waiting row too:
 * that row could not be rejected. Returns 0 or a negative errno. */
int spool_renumber_rejected(struct spool *spool);

/* Prepare the statements of each file. Return 0 or a negative errno. */
int spool_dequeue_prepare(struct spool *spool);
int spool_rejected_prepare(struct spool *spool);
int spool_series_prepare(struct spool *spool);

/* Writes how far the noted series have come, within an open transaction. Returns 0 or a negative
 * errno. */
int spool_write_series(struct spool *spool);
void spool_forget_series(struct spool *spool); /* after the transaction */

/* Writes the settled messages within an open transaction. Returns 0 or a negative errno. */
int spool_write_settled(struct spool *spool);
