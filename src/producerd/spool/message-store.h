/* SPDX-License-Identifier: MIT */
/* The store of submitted messages as the intake sees it. The spool implements it; tests use a
 * smaller one.
 *
 * A message or a change is on disk only after `commit` has returned 0. The intake adds all messages
 * that have come in one round of the event loop, commits once, and answers the submitters after
 * that. */
#pragma once

#include <errno.h>
#include <string.h>

#include "sqs/message.h"
#include "util/list.h"
#include "util/uuid.h"

/* Bounds of one call: of `rejected`, and of `retry` and `drop` without an id. */
enum {
    STORE_REJECTED_PAGE = 100,
    STORE_BULK_MAX = 1000,
    STORE_BULK_MAX_BYTES = 8 * 1024 * 1024, /* or one message that is larger */
    STORE_DROPPED_IDS_MAX = 10,
};

/* A rejected message in a list. Its texts are borrowed. */
struct rejected_message {
    uint64_t number; /* its position in the list */
    const char *id;
    const char *group_id;   /* NULL: none */
    size_t bytes;           /* as SQS counts */
    uint64_t rejected_usec; /* wall clock */
    const char *reason;     /* one line of UTF-8 */
};

/* The messages that were dropped, and the ids of the first ones. */
struct store_dropped {
    size_t n, n_ids;
    char ids[STORE_DROPPED_IDS_MAX][UUID_TEXT_SIZE];
};

/* How many of the last lines of a series are known one by one. */
enum { STORE_SERIES_KEPT = 4096 };

/* How far a series of messages has come. */
struct store_series {
    struct list link;        /* of the store, from note_series until the commit */
    char id[UUID_TEXT_SIZE]; /* a UUID */
    uint64_t number;         /* of its last message that was added */

    /* Which of the last lines up to `number` were refused for good: a bit each, in the place that is
     * the line's number modulo STORE_SERIES_KEPT. */
    uint8_t refused[STORE_SERIES_KEPT / 8];
};

enum {
    STORE_E_FULL = 1,       /* a limit of the configuration is reached; *error names it */
    STORE_E_NO_SUCH_ID = 2, /* no rejected message has this id */
    STORE_E_MORE = 3,       /* done for some messages; call again for the others */
    /* the messages left to retry have no group, and the queue is a FIFO queue */
    STORE_E_NO_GROUP = 4,
};

struct message_store;

struct message_store_ops {
    /* Adds a message that was validated. `id` and the message are copied. Returns 0, STORE_E_FULL
     * with *error a line that the caller frees, or a negative errno; then this message is not
     * stored. If the failure has lost messages added earlier, the next commit fails. */
    int (*add)(struct message_store *store, const char *id, const struct sqs_message *message,
               char **error);

    /* Returns 0 when all that was added since the last commit is on disk. On a negative errno
     * nothing of it is stored, and the store stays usable; -ESTALE means that its file was removed
     * or moved. Blocks for one sync of the disk. Does nothing without changes. */
    int (*commit)(struct message_store *store);

    /* Calls `found` for the rejected messages with numbers above `after`, in their order, for at
     * most STORE_REJECTED_PAGE of them, or until it returns false. Returns 0 or a negative
     * errno. */
    int (*rejected)(struct message_store *store, uint64_t after,
                    bool (*found)(void *userdata, const struct rejected_message *message),
                    void *userdata);

    /* `retry` makes a rejected message wait to be sent again; `drop` deletes it. With `id` NULL
     * they do so for the first rejected messages, within the bounds above. *ret_n is the number of
     * messages that wait again. Returns 0, STORE_E_MORE, STORE_E_NO_SUCH_ID, from `retry` STORE_E_NO_GROUP, or a
     * negative errno. */
    int (*retry)(struct message_store *store, const char *id, size_t *ret_n);
    int (*drop)(struct message_store *store, const char *id, struct store_dropped *ret);

    /* Reads how far the series `series->id` has come on disk. The number 0: it has no message, or is
     * not known any more. Returns 0 or a negative errno. */
    int (*read_series)(struct message_store *store, struct store_series *series);

    /* The next commit writes how far the series has come, with the messages or not at all. It
     * borrows the series until it returns. */
    void (*note_series)(struct message_store *store, struct store_series *series);
};

/* The first member of a store's own structure. */
struct message_store {
    const struct message_store_ops *ops;
};

/* The text of a negative errno of the store. */
static inline const char *message_store_strerror(int error)
{
    switch (error) {
    case -ESTALE:
        return "its file on disk was removed, moved or replaced";
    case -EUCLEAN:
        return "its file on disk is damaged";
    default:
        return strerror(-error);
    }
}
