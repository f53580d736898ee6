/* SPDX-License-Identifier: MIT */
/* A handler does the work for received messages: it writes them to the journal, runs a program, or
 * posts them to an application. Each handler is one file that fills in the table below; only
 * handlers.h knows which handlers exist. Many messages may be with a handler at once. */
#pragma once

#include <systemd/sd-event.h>

#include "daemon/config.h"
#include "sqs/message.h"

/* The journal fields of a line about a received message, for LOG_FIELDS. */
#define MESSAGE_FIELDS(received)                                                                   \
    {"SQS_MESSAGE_ID", (received)->message_id},                                                    \
    {                                                                                              \
        "SQS_MESSAGE_GROUP_ID", (received)->group_id                                               \
    }

enum handler_outcome {
    HANDLER_DONE,        /* delete the message */
    HANDLER_RETRY,       /* release it, so that it is received again */
    HANDLER_UNANSWERED,  /* release it; no answer came, so the handler may or may not be reached */
    HANDLER_REJECT,      /* it can never be handled: log it, then delete it */
    HANDLER_NOT_REACHED, /* the handler is away; the message is not to blame, and is tried again */
    HANDLER_UNAVAILABLE, /* a gateway says that the handler is away (consumerd/outage.h) */
};

/* Delays of HANDLER_RETRY and HANDLER_UNANSWERED. DEFAULT: consumer.retry_delay, doubled with each
 * receive. CONSTANT: consumer.retry_delay. */
#define HANDLER_DELAY_DEFAULT USEC_INFINITY
#define HANDLER_DELAY_CONSTANT (USEC_INFINITY - 1)

/* The answer. Runs once for each run that is not abandoned, possibly from inside `run` or `cancel`.
 * The work on the message has ended then. `delay_usec` is the time until the message becomes
 * visible, for all outcomes that release it: one of the two above, or a time that the handler asks
 * for. The latter is used only if it is longer than the default delay. It is rounded up to whole
 * seconds. */
typedef void (*handler_done_fn)(void *userdata, enum handler_outcome outcome, uint64_t delay_usec);

/* The longest grace of a cancel. */
#define HANDLER_GRACE_MAX_USEC (5 * USEC_PER_SEC)

struct handler;
struct handler_run; /* the handling of one message; each handler defines it */

struct handler_ops {
    /* Begins to handle a message, which is borrowed until `done` or `abandon`. `*ret_run` is valid
     * for the same time, and is not set when `done` runs inside `run`. 0, or a negative errno: then
     * `done` will not run. */
    int (*run)(struct handler *handler, const struct sqs_received_message *message,
               handler_done_fn done, void *userdata, struct handler_run **ret_run);
    /* Asks the work on a message to end within `grace_usec`, because its lease is lost or a stop
     * has no more time. `done` runs when the work has ended, with HANDLER_DONE only if the work is
     * known to have succeeded before. May be called again with a shorter time. */
    void (*cancel)(struct handler_run *run, uint64_t grace_usec);
    /* Ends the work on a message; `done` will not run. The handler is about to be freed. */
    void (*abandon)(struct handler_run *run);
    /* Frees the handler. No run is left: each was answered or abandoned. */
    void (*free)(struct handler *handler);
    /* The reason of the last HANDLER_NOT_REACHED or HANDLER_UNAVAILABLE: one line, borrowed until
     * the next. NULL for a handler that has neither outcome. */
    const char *(*why_not_reached)(const struct handler *handler);
    /* Ends the run if nothing of the message has reached the handler yet, for example while it
     * connects. True: it has ended, and `done` will not run. NULL for a handler that is reached
     * inside `run`. */
    bool (*cancel_unreached)(struct handler_run *run);
    /* When `run` succeeds, the handler counts as reached, before it answers. */
    bool is_reached_at_once;
    /* A run waits only for the log to take a line. */
    bool waits_for_log;
    /* Checks other settings, and makes what they need, but does not use it yet. 0, a negative
     * errno, or HANDLER_E_CONFIG with *error: then nothing has changed. NULL, as `reconfigure`: no
     * setting of the handler can change. */
    int (*prepare)(struct handler *handler, const struct config *next, char **error);
    /* Uses what the last `prepare` has made, for messages from now on. Messages that are with the
     * handler are handled, and logged, as they began. */
    void (*reconfigure)(struct handler *handler);
};

/* Each handler's own structure begins with this. */
struct handler {
    const struct handler_ops *ops;
    const char *target; /* for people: what handles the messages, a path or a URL without its query;
                           NULL: the daemon itself */
};

static inline struct handler *handler_free(struct handler *handler)
{
    if (handler)
        handler->ops->free(handler);
    return NULL;
}
DEFINE_CLEANUP(struct handler *, handler_free)

/* The settings are not valid for the handler; *error is one line, which the caller frees. */
enum { HANDLER_E_CONFIG = 1 };
