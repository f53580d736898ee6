/* SPDX-License-Identifier: MIT */
/* Where the producer's messages come from: one file, source-<name>.c, behind this table. Which
 * sources there are is known to sources.h alone.
 *
 * The producer asks `next` when it has room, and tells by `settle` what became of each message.
 * Several messages may be out at once, and they may be settled in any order; those of one group go
 * to the queue in the order in which `next` gave them. A source that has nothing yet calls `ready`
 * when it has. A source may be there before the queue is open; it is asked for nothing until then.
 */
#pragma once

#include <systemd/sd-event.h>

#include "producerd/source-message.h"
#include "util/buffer.h"

enum source_settlement {
    SOURCE_SENT,     /* SQS has acknowledged it */
    SOURCE_REJECTED, /* SQS will never take it; `reason` says why */
};

enum {
    SOURCE_E_NOT_YET = 1, /* nothing now: `ready` will be called */
    SOURCE_E_END = 2,     /* nothing any more */
};

struct source;

struct source_ops {
    /* 0 with a message, a condition from above, or a negative errno. */
    int (*next)(struct source *source, const struct source_message **ret);
    void (*settle)(struct source *source, const struct source_message *message,
                   enum source_settlement settlement, const char *reason);
    void (*free)(struct source *source);

    /* All further ones may be NULL. */

    /* The messages are about to go to SQS: from now on it may have them. Also told of messages that
     * go again. */
    void (*sending)(struct source *source, const struct source_message *const *messages, size_t n);
    /* The queue is open, or was asked again, and takes messages of this size at most. */
    void (*opened)(struct source *source, size_t message_bytes_max);
    /* A stop was asked for: nothing new is asked of the source, what is out may still be settled.
     */
    void (*stop)(struct source *source);
    /* Whether it has nothing left to do about a stop; `ready` is called when that becomes true.
     * NULL: at once. */
    bool (*has_stopped)(const struct source *source);
    /* Appends, for the status line, what is in the source. */
    void (*describe)(struct source *source, struct buffer *status);
};

/* The head of each source's own structure. */
struct source {
    const struct source_ops *ops;
    /* For a source that refuses messages over the queue's maximum itself: asks whether that is
     * still so. True: `opened` will be called again. Set by the owner; NULL: it cannot be asked. */
    bool (*refresh_size)(void *userdata);
    void *owner;
};

static inline void source_free(struct source *source)
{
    source->ops->free(source);
}
DEFINE_CLEANUP(struct source *, source_free)

/* Runs from the event loop, never from inside one of the above: something is there, or what
 * `describe` says has changed. */
typedef void (*source_ready_fn)(void *userdata);

/* The settings do not fit the source, or only a person can help. */
enum { SOURCE_E_CONFIG = 1 };
