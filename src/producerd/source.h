/* SPDX-License-Identifier: MIT */
/* A source yields the messages that the producer sends. Each source is a file source-<name>.c
 * behind this table; sources.h alone knows all of them.
 *
 * The producer calls `next` when it can take a message, and `settle` when the message has
 * ended. Several messages may be unsettled at once, and they may be settled in any order. Messages
 * of one group are sent in the order in which `next` yielded them. A source that has no message now
 * calls `ready` when it has one. A source may exist before the queue is open; the producer calls
 * `next` only afterwards. */
#pragma once

#include <systemd/sd-event.h>

#include "daemon/config.h"
#include "producerd/spool/source-message.h"
#include "util/buffer.h"

enum source_settlement {
    SOURCE_SENT,     /* SQS has acknowledged the message */
    SOURCE_REJECTED, /* SQS will never accept it; `reason` says why */
};

enum {
    SOURCE_E_NOT_YET = 1, /* no message now: `ready` will be called */
    SOURCE_E_END = 2,     /* no message any more */
};

struct source;

/* What a source holds on disk, and who submits messages to it. */
struct source_levels {
    uint64_t waiting, rejected; /* messages */
    uint64_t bytes;             /* of both */
    uint64_t messages_max, bytes_max;
    uint64_t oldest_usec; /* for how long the oldest waiting message has waited */
    size_t submitters;    /* connections */
    bool is_writable;
};

struct source_ops {
    /* Returns 0 with a message, one of the conditions above, or a negative errno. */
    int (*next)(struct source *source, const struct source_message **ret);
    void (*settle)(struct source *source, const struct source_message *message,
                   enum source_settlement settlement, const char *reason);
    void (*free)(struct source *source);

    /* All functions below may be NULL. */

    /* An attempt to send the messages begins, the first one or a retry: SQS may store them from now
     * on. */
    void (*sending)(struct source *source, const struct source_message *const *messages, size_t n);
    /* The queue was opened or its attributes were read again: it accepts messages of at most this
     * size. */
    void (*opened)(struct source *source, size_t message_bytes_max);
    /* A stop was requested. `next` is not called any more; messages may still be settled. */
    void (*stop)(struct source *source);
    /* Returns true when the source has nothing left to do for a stop; it calls `ready` when that
     * becomes true. NULL: always true. */
    bool (*has_stopped)(const struct source *source);
    /* The configuration has changed; as for producer_reconfigure. `next` is called again, even if
     * it has said that there is no message any more. */
    void (*reconfigure)(struct source *source, const struct config *config);
    /* What the source holds, for metrics. */
    void (*measure)(struct source *source, struct source_levels *ret);
    /* Appends what the source holds, for the status line. */
    void (*describe)(struct source *source, struct buffer *status);
};

/* The first member of each source's own structure. */
struct source {
    const struct source_ops *ops;
    /* Asks whether the queue's maximum message size has changed; for a source that itself refuses
     * larger messages. Returns true when `opened` will be called again. The owner sets it; NULL: it
     * cannot be asked. */
    bool (*refresh_size)(void *userdata);
    void *owner;
};

static inline struct source *source_free(struct source *source)
{
    if (source)
        source->ops->free(source);
    return NULL;
}
DEFINE_CLEANUP(struct source *, source_free)

/* Runs from the event loop, never inside one of the functions above. The source has a message, or
 * its `describe` text has changed. */
typedef void (*source_ready_fn)(void *userdata);

/* The settings do not fit the source, or another fault that only a person can repair. */
enum { SOURCE_E_CONFIG = 1 };
