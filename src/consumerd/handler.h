/* What is done with a message that was received: one file, handler-<name>.c, behind this table. */
#pragma once

#include <systemd/sd-event.h>

#include "config.h"
#include "sqs-message.h"

enum handler_outcome {
    HANDLER_DONE,   /* delete it */
    HANDLER_RETRY,  /* let it come back */
    HANDLER_REJECT, /* it will never be handled: delete it, and say so */
};

/* Runs once for each message run, maybe from inside `run`. */
typedef void (*handler_done_fn)(void *userdata, enum handler_outcome outcome);

struct handler;

struct handler_ops {
    /* Begins to handle a message, which is borrowed until `done` or `cancel`. One message at a
     * time. 0, or a negative errno: then `done` will not run. */
    int (*run)(struct handler *handler, const struct sqs_received_message *message,
               handler_done_fn done, void *userdata);
    /* Ends the work under way without its answer. */
    void (*cancel)(struct handler *handler);
    void (*free)(struct handler *handler);
};

/* The head of each handler's own structure. */
struct handler {
    const struct handler_ops *ops;
};

static inline void handler_free(struct handler *handler)
{
    handler->ops->free(handler);
}
DEFINE_CLEANUP(struct handler *, handler_free)

/* Writes the message into the journal: the demo's line where its body is the demo's JSON, else the
 * body as it is, escaped and shortened. Always done. 0 or -ENOMEM. */
int handler_journal_new(struct handler **ret);
