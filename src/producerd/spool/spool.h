/* SPDX-License-Identifier: MIT */
/* The spool keeps submitted messages on disk until SQS has acknowledged them. It is one SQLite
 * database (util/database.h), and one process uses it at a time.
 *
 *     add -> waiting -> next -> mark_sending -> settle (sent: deleted; rejected: set aside)
 *               ^                                            |
 *               +------------------ retry -------------------+--> drop
 *
 * A message has an id, which people see, and a number, its position in the order. Its row has a
 * checksum, unless an earlier version wrote it or the disk had no space for that column. Every row
 * is checked when it is read. A damaged row is set aside with the reason, and the others go on. A
 * retry sends it as it is, if it can be read at all.
 *
 * Added and settled messages are gathered in memory until they are written. spool_commit writes all
 * of them; spool_mark_sending, spool_flush and spool_sync write the settled ones. When a write
 * fails, the added messages are forgotten, since nobody was told yet that they are safe. The
 * settled ones are kept for the next write, and no message is sent until then: if SQS had stored a
 * message and the disk did not know, the next process would send it again.
 *
 * A full disk must not stop messages from going out. So a file of SPOOL_RESERVE_BYTES beside the
 * spool keeps disk space for that (disk-reserve.h). New messages are accepted only while that file
 * exists, or while the spool has as much free space inside.
 *
 * Calls block while the disk works: a commit for one fdatasync, the others mostly for the page
 * cache. No callback runs later. All times are of the wall clock. */
#pragma once

#include "producerd/spool/message.h"
#include "producerd/spool/message-store.h"
#include "util/database.h"

enum {
    /* Messages of one group in flight at once, on a FIFO queue. The rest stay on disk, so that a
     * stuck group leaves memory for others. */
    SPOOL_GROUP_IN_FLIGHT_MAX = 20,
    /* Groups with messages in flight or skipped rows. At this bound nothing more is read until a
     * message is settled. */
    SPOOL_GROUPS_MAX = 10000,
    /* Bytes of the messages in flight, or one message that is larger. */
    SPOOL_IN_FLIGHT_MAX_BYTES = 64 * 1024 * 1024,
    /* Rows that one spool_next skips at most, so that the event loop goes on. */
    SPOOL_SKIPPED_MAX = 1000,
    SPOOL_REASON_MAX_BYTES = 1024, /* a longer reason is cut */
    /* Series of messages whose progress is kept; of more, those used last. */
    SPOOL_SERIES_MAX = 10000,
    /* The database's log may grow by DATABASE_LOG_BYTES, and the file by the content of the log. */
    SPOOL_RESERVE_BYTES = 2 * DATABASE_LOG_BYTES,
};

#define SPOOL_FILE_NAME "spool.db"

struct spool;

struct spool_options {
    const char *path;                 /* of the file; it is created if needed */
    bool is_fifo;                     /* the queue is a FIFO queue */
    uint64_t messages_max, bytes_max; /* rejected messages included; bytes as sqs_message_bytes */
    /* The caller is a command that works on rejected messages while no daemon runs. No daemon can
     * open the spool before spool_free. */
    bool is_command;
    bool is_kind_unknown; /* use the kind of queue that the file is for; is_fifo is ignored */
};

enum {
    /* A daemon waits this long for a command, and a command for another one. */
    SPOOL_LOCK_TIMEOUT_SEC = 5,
    /* The watchdog allows this time for a check of a file that seems damaged. */
    SPOOL_CHECK_MAX_SEC = 3600,
};

/* Opens or creates the spool. Returns 0; SPOOL_E_IN_USE when a daemon has it open; SPOOL_E_UNUSABLE
 * when only a person can help (the file is damaged, of a newer version, in use or read-only, or has
 * messages waiting for a queue of the other kind); -ENOMEM; or another negative errno for a fault
 * that may pass. Except with -ENOMEM, *error is one line that the caller frees. A refused file is
 * not changed. */
enum { SPOOL_E_UNUSABLE = 1, SPOOL_E_IN_USE = 2 };
int spool_open(const struct spool_options *options, struct spool **ret, char **error);

/* Writes nothing: added messages are lost, and settled ones come again. */
struct spool *spool_free(struct spool *spool);
DEFINE_CLEANUP(struct spool *, spool_free)

/* Changes these two options. Messages that are stored stay, also beyond the limits. */
void spool_set_limits(struct spool *spool, uint64_t messages_max, uint64_t bytes_max);

/* Counts of the stored messages, unwritten changes included. */
struct spool_counts {
    uint64_t waiting, rejected; /* messages; those in flight count as waiting */
    uint64_t bytes;             /* of both kinds */
};
struct spool_counts spool_counts(const struct spool *spool);

/* Messages have numbers in the order in which they were added: that of the next message, and that
 * of the oldest one that waits on disk (0: none, or it cannot be read). */
uint64_t spool_next_number(const struct spool *spool);
uint64_t spool_oldest_number(struct spool *spool);

/* The text of the last failure, one line. */
const char *spool_error(const struct spool *spool);

/* --- In --- */

/* Appends a message that sqs_message_check has accepted; it and its id are copied. Returns 0,
 * -ENOMEM, or STORE_E_FULL with *error a line that names the limit, which the caller frees. */
int spool_add(struct spool *spool, const char *id, const struct sqs_message *message, char **error);

/* Writes added and settled messages and syncs the file, earlier unsynced writes included. Does
 * nothing without changes. Returns 0 or a negative errno; then no message added since the last call
 * is in the spool. */
int spool_commit(struct spool *spool);

/* As in message-store.h. */
int spool_read_series(struct spool *spool, struct store_series *series);
void spool_note_series(struct spool *spool, struct store_series *series);

/* --- Out --- */

/* Returns the next committed message to send. Messages come in order, except that a group with
 * SPOOL_GROUP_IN_FLIGHT_MAX messages in flight is skipped until one of them is settled; the order
 * within a group is always kept. If an earlier process had marked the message as sending,
 * in_doubt_since_usec is that time. The spool owns the message; it is borrowed until it is settled.
 *
 * Returns 0; SPOOL_E_NOT_YET when no message may go now; SPOOL_E_LATER when none was found within
 * SPOOL_SKIPPED_MAX rows: call again in the next round of the event loop; SPOOL_E_DAMAGED_ROW
 * when a damaged row was found (spool_last_damaged_row): likewise; or a negative errno, -EUCLEAN
 * when the file itself is damaged. */
enum { SPOOL_E_NOT_YET = 1, SPOOL_E_LATER = 2, SPOOL_E_DAMAGED_ROW = 3 };
int spool_next(struct spool *spool, const struct spool_message **ret);

/* The last damaged row. It was moved to the rejected messages. If `error` is not 0, that write
 * failed: the row stays in its place, and this process skips it. */
struct spool_damaged_row {
    char id[SQS_ID_MAX_BYTES + 1]; /* "?" without a valid id */
    const char *reason;
    int error; /* of the write; 0: it succeeded */
};
const struct spool_damaged_row *spool_last_damaged_row(const struct spool *spool);

/* Marks messages that are about to be sent, so that the next process knows that SQS may have stored
 * them. A message keeps its first mark. Also writes the settled messages. Not synced: a power
 * failure may lose the marks, and a possible duplicate then goes unnoticed. Returns 0 or a negative
 * errno. */
int spool_mark_sending(struct spool *spool, const struct spool_message *const *messages, size_t n,
                       uint64_t now_usec);

/* The message has ended: SQS has acknowledged it (`reason` NULL), or will never accept it. */
void spool_settle(struct spool *spool, const struct spool_message *message, const char *reason,
                  uint64_t now_usec);

/* Writes the settled messages without a sync: they survive SIGKILL, but maybe not a power failure.
 * Returns 0 or a negative errno. */
int spool_flush(struct spool *spool);

/* Writes the settled messages and syncs the file. Returns 0 or a negative errno. */
int spool_sync(struct spool *spool);

/* Like spool_sync, but always writes, to test whether the disk accepts new messages again. */
int spool_test_write(struct spool *spool);

/* Returns true when a settled or marked message is not synced yet. */
bool spool_needs_sync(const struct spool *spool);

/* --- Set aside --- */

/* As in message-store.h. spool_rejected lists at most STORE_REJECTED_PAGE messages. Retry and drop
 * are synced when they return. A retried message waits as the last one, with its deduplication id.
 * A message that was submitted for the other kind of queue is converted: for a FIFO queue its id
 * becomes its deduplication id and its delay is removed; for a standard queue its deduplication id
 * is removed. */
int spool_rejected(struct spool *spool, uint64_t after,
                   bool (*found)(void *userdata, const struct rejected_message *message),
                   void *userdata);
int spool_retry(struct spool *spool, const char *id, size_t *ret_n);
int spool_drop(struct spool *spool, const char *id, struct store_dropped *ret);
