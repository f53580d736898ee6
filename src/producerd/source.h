/* Where the producer's messages come from: one file, source-<name>.c, behind this table.
 *
 * The producer asks `next` when it has room, and tells by `settle` what became of each message.
 * Several messages may be out at once, and they may be settled in any order; those of one group go
 * to the queue in the order in which `next` gave them. A source that has nothing yet calls `ready`
 * when it has. */
#pragma once

#include <systemd/sd-event.h>

#include "config.h"
#include "sqs-message.h"

/* A message with what belongs to it. Borrowed from the source until it is settled, and unchanged:
 * its deduplication id is fixed, and kept over every retry. */
struct source_message {
    struct sqs_message message;
    const char *id;              /* for the log */
    uint64_t first_unknown_usec; /* wall clock: since when it may stand in the queue already; 0: it
                                    was never sent */
};

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
};

/* The head of each source's own structure. */
struct source {
    const struct source_ops *ops;
};

static inline void source_free(struct source *source)
{
    source->ops->free(source);
}
DEFINE_CLEANUP(struct source *, source_free)

/* Runs from the event loop, never from inside next or settle. */
typedef void (*source_ready_fn)(void *userdata);

/* The demo: `messages_to_send` small JSON messages, `start_delay` after this call, then one each
 * `send_interval`. On a FIFO queue each has a deduplication id of its own and the configured group,
 * or, where there are several, one of them in turn. 0, -ENOMEM, or the errno of the event loop. */
int source_demo_new(sd_event *event, const struct config *config, bool is_fifo,
                    source_ready_fn ready, void *userdata, struct source **ret);

/* Whether the demo can play by this configuration: 0, -ENOMEM, or SOURCE_E_CONFIG with *error a
 * line; the caller frees it. */
enum { SOURCE_E_CONFIG = 1 };
int source_demo_check(const struct config *config, char **error);
