/* SPDX-License-Identifier: MIT */
/* The spool: messages on disk, from the moment in which they are handed in until SQS has
 * acknowledged them, in one SQLite database (util/database.h) of which this process is the only
 * user.
 *
 *     add -> waiting -> next -> mark_sending -> settle (sent: gone; rejected: set aside)
 *               ^                                            |
 *               +------------------ retry -------------------+--> drop
 *
 * A message has an id, which people see, and a number, its place in the order of entry. Its row has
 * a checksum, but where an earlier version wrote it, or the disk had no room for that column: each
 * row is checked when it is read, and one that is damaged is set aside with the reason, alone. To
 * retry it is to send it as it is now, where it can be read at all.
 *
 * What is added or settled is gathered in memory until it is written: all of it by spool_commit,
 * what was settled also by spool_mark_sending, spool_flush and spool_sync. Where that fails (the
 * disk is full, say), what was added is forgotten, for nobody was told yet that it is safe; what
 * was settled is kept, to be written the next time, and nothing more goes out until then: a message
 * that SQS has and the disk does not know of would be sent again by the next process.
 *
 * So that a disk which is full does not keep messages from going out, room is kept for that in a
 * file of SPOOL_RESERVE_BYTES beside the spool: new messages are taken only while it is there, or
 * while the spool has as much room inside.
 *
 * Calls block for as long as the disk takes: a commit waits for one fdatasync, all else for the
 * page cache as a rule. Nothing here calls back later. All times are wall clock, since the epoch.
 */
#pragma once

#include "producerd/spool/message.h"
#include "producerd/spool/message-store.h"

enum {
    /* Messages of one group that are out at once, on a FIFO queue. The rest of the group stays on
     * disk, so that a group that is stuck leaves room for others. */
    SPOOL_GROUP_IN_FLIGHT_MAX = 20,
    /* Groups that have messages out, or messages on disk that were passed over for that. Where
     * there are more of them, nothing more is looked at until one has got through. */
    SPOOL_GROUPS_MAX = 10000,
    /* Bytes of the messages that are out, unless one message alone has more. */
    SPOOL_IN_FLIGHT_MAX_BYTES = 64 * 1024 * 1024,
    /* Messages that one spool_next passes over at most, so that the loop gets its turn. */
    SPOOL_SKIPPED_MAX = 1000,
    SPOOL_REASON_MAX_BYTES = 1024, /* a longer reason is cut */
    /* The log may grow by DATABASE_LOG_BYTES, and the file by what the log holds. */
    SPOOL_RESERVE_BYTES = 2 * 4 * 1024 * 1024,
};

#define SPOOL_FILE_NAME "spool.db"

struct spool;

struct spool_options {
    const char *path;                 /* of the file, which is made where there is none */
    bool is_fifo;                     /* of the queue: it keeps the order of a group */
    uint64_t messages_max, bytes_max; /* rejected ones counted; bytes as sqs_message_bytes says */
    /* A command that looks after what was set aside while no daemon runs: no daemon can open the
     * spool before spool_free. */
    bool is_command;
    bool is_kind_unknown; /* of a queue that is_fifo does not tell: the one that the file is for */
};

enum {
    /* A daemon waits so long for a command, and a command for another one. */
    SPOOL_LOCK_TIMEOUT_SEC = 5,
    /* The watchdog waits so long for a second look through a file that was read as damaged. */
    SPOOL_CHECK_MAX_SEC = 3600,
};

/* Opens the spool, or makes it. 0, SPOOL_E_IN_USE: a daemon has it open, SPOOL_E_UNUSABLE where
 * only a person can help (the file is damaged, of a newer version, in use, not to be written, or
 * has messages waiting for a queue of the other kind), -ENOMEM, or another negative errno for what
 * may pass by itself. With all but -ENOMEM *error is one line, which the caller frees. A file that
 * is refused is left as it is. */
enum { SPOOL_E_UNUSABLE = 1, SPOOL_E_IN_USE = 2 };
int spool_open(const struct spool_options *options, struct spool **ret, char **error);

/* Writes nothing: what is gathered is lost, what was settled comes again. */
struct spool *spool_free(struct spool *spool);
DEFINE_CLEANUP(struct spool *, spool_free)

/* What is there, what is gathered taken into account. */
struct spool_counts {
    uint64_t waiting, rejected; /* messages; those that are out are waiting */
    uint64_t bytes;             /* of both */
};
struct spool_counts spool_counts(const struct spool *spool);

/* The last failure in words, one line. */
const char *spool_error(const struct spool *spool);

/* --- In --- */

/* A message that was checked (sqs_message_check) enters, last in order. It and its id are copied.
 * 0, SPOOL_E_FULL with *error a line that names the bound, which the caller frees, or -ENOMEM. */
enum { SPOOL_E_FULL = 1 };
int spool_add(struct spool *spool, const char *id, const struct sqs_message *message, char **error);

/* Writes what is gathered; when it returns 0, all is on disk, what was written without sync before
 * as well. Does nothing where there is nothing to do. 0 or a negative errno: then nothing that was
 * added since the last call is in the spool. */
int spool_commit(struct spool *spool);

/* --- Out --- */

/* The next message to go out, of those committed: in the order of entry, but that a group with
 * SPOOL_GROUP_IN_FLIGHT_MAX messages out is passed over until one of them is settled. The order within a
 * group is kept. Where an earlier process had marked the message as sending, in_doubt_since_usec
 * says when. It is the spool's, and borrowed until it is settled.
 *
 * 0; SPOOL_E_NOT_YET: nothing may go now; SPOOL_E_LATER: nothing so far, but this has looked far
 * enough for one turn of the loop; SPOOL_E_DAMAGED_ROW: the same, for it has come to a row that is
 * damaged, which spool_damaged_row tells of; or a negative errno, -EUCLEAN where the file itself is
 * damaged. */
enum { SPOOL_E_NOT_YET = 1, SPOOL_E_LATER = 2, SPOOL_E_DAMAGED_ROW = 3 };
int spool_next(struct spool *spool, const struct spool_message **ret);

/* The row is with the rejected ones from now on; or, where that cannot be written, it stays where
 * it is, and is passed over by this process. */
struct spool_damaged_row {
    char id[SQS_ID_MAX_BYTES + 1]; /* "?" where it has none that could be shown */
    const char *reason;
    int error; /* of the writing; 0: none */
};
const struct spool_damaged_row *spool_last_damaged_row(const struct spool *spool);

/* Notes that the messages are about to be sent, so that the next process knows that SQS may have
 * them. Those that are marked already keep their time. Writes what was settled, too. Not synced: a
 * power cut may take the mark, and the message is then not known as one that may come twice. 0 or a
 * negative errno. */
int spool_mark_sending(struct spool *spool, const struct spool_message *const *messages, size_t n,
                       uint64_t now_usec);

/* SQS has taken the message (`reason` NULL), or never will. */
void spool_settle(struct spool *spool, const struct spool_message *message, const char *reason,
                  uint64_t now_usec);

/* Writes what was settled. Not synced: a power cut may take it, a SIGKILL not. 0 or a negative
 * errno. */
int spool_flush(struct spool *spool);

/* The same, synced, with all that was written without sync before. 0 or a negative errno. */
int spool_sync(struct spool *spool);

/* The same, but writes in any case, to see whether the disk would also take messages. */
int spool_probe(struct spool *spool);

/* Whether something was settled or marked that is not synced yet. */
bool spool_needs_sync(const struct spool *spool);

/* --- Set aside --- */

/* As in message-store.h: rejected ones in the order of entry, a page of STORE_REJECTED_PAGE at most; retry
 * and drop, each synced when it returns. A message that is retried waits again, last in order, with
 * its deduplication id. One that was handed in for a queue of the other kind is made fit for this
 * one: a FIFO queue gets the message's id as its deduplication id and no delay, a standard queue no
 * deduplication id. */
int spool_rejected(struct spool *spool, uint64_t after,
                   bool (*found)(void *userdata, const struct rejected_message *message),
                   void *userdata);
int spool_retry(struct spool *spool, const char *id, size_t *ret_n);
int spool_drop(struct spool *spool, const char *id, size_t *ret_n);
