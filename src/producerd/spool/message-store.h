/* SPDX-License-Identifier: MIT */
/* Where the intake puts the messages that are handed in: the spool, behind this table; in tests,
 * something smaller.
 *
 * What is added or changed is on disk only when `commit` has answered 0. The intake adds all that
 * has come in one turn of the loop, commits once, and answers the submitters after that. */
#pragma once

#include <errno.h>
#include <string.h>

#include "sqs/message.h"

/* Of one call: messages of `rejected`, and of `retry` and `drop` without an id. */
enum {
    STORE_REJECTED_PAGE = 100,
    STORE_BULK_MAX = 1000,
    STORE_BULK_MAX_BYTES = 8 * 1024 * 1024, /* unless one message alone has more */
};

/* A message that was set aside. Borrowed for the time of the call. */
struct rejected_message {
    uint64_t number; /* its place in the order of entry */
    const char *id;
    const char *group_id;   /* NULL: none */
    size_t bytes;           /* that SQS counts */
    uint64_t rejected_usec; /* it was rejected; since the epoch */
    const char *reason;     /* a line of UTF-8 */
};

enum {
    STORE_E_FULL = 1,       /* a bound of the configuration is reached; *error says which */
    STORE_E_NO_SUCH_ID = 2, /* no message that was rejected has this id */
    STORE_E_MORE = 3,       /* done for some, and others are left for further calls */
    STORE_E_NO_GROUP = 4,   /* what is left to retry has no group, and the queue is a FIFO one */
};

struct message_store;

struct message_store_ops {
    /* Takes up a message that may enter the queue. `id` and the message are the caller's and are
     * copied; its deduplication id, where it has one, stays with it. 0, STORE_E_FULL with *error a
     * line that the caller frees, or a negative errno; then nothing of this message is stored.
     * Where that took earlier ones since the last commit with it, the next commit says so. */
    int (*add)(struct message_store *store, const char *id, const struct sqs_message *message,
               char **error);

    /* 0: all since the last commit is on disk. A negative errno: nothing of it is stored, and the
     * store can be used on; -ESTALE where its file was removed or moved. Blocks for one sync of the
     * disk; does nothing where nothing changed. */
    int (*commit)(struct message_store *store);

    /* Calls `found` for each rejected message whose number is above `after`, in their order, for at
     * most STORE_REJECTED_PAGE, or until it says false. 0 or a negative errno. */
    int (*rejected)(struct message_store *store, uint64_t after,
                    bool (*found)(void *userdata, const struct rejected_message *message),
                    void *userdata);

    /* Lets a rejected message wait to be sent again, or forgets it, or does so with the first
     * of them where `id` is NULL, as many as the bounds above allow; *ret_n says how many those
     * were. 0, STORE_E_MORE, STORE_E_NO_SUCH_ID, of `retry` STORE_E_NO_GROUP, or a negative errno.
     */
    int (*retry)(struct message_store *store, const char *id, size_t *ret_n);
    int (*drop)(struct message_store *store, const char *id, size_t *ret_n);
};

/* The head of the store's own structure. */
struct message_store {
    const struct message_store_ops *ops;
};

/* A negative errno of the store in words. */
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
