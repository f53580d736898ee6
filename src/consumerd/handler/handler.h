/* SPDX-License-Identifier: MIT */
/* What is done with a message that was received: one file each, behind this table.
 * Many messages may be with a handler at once. Which handlers there are is known to handlers.h
 * alone. */
#pragma once

#include <systemd/sd-event.h>

#include "sqs/message.h"

/* Of a log entry about a received message, for LOG_FIELDS. */
#define MESSAGE_FIELDS(received)                                                                   \
    {"SQS_MESSAGE_ID", (received)->message_id},                                                    \
    {                                                                                              \
        "SQS_MESSAGE_GROUP_ID", (received)->group_id                                               \
    }

enum handler_outcome {
    HANDLER_DONE,        /* delete it */
    HANDLER_RETRY,       /* let it come back */
    HANDLER_UNANSWERED,  /* the same, but there was no answer: what others get is not known by it */
    HANDLER_REJECT,      /* it will never be handled: delete it, and say so */
    HANDLER_NOT_REACHED, /* the handler is away, which is not the message's fault: try again */
    HANDLER_UNAVAILABLE, /* a gateway says so in the handler's place: see consumerd/outage.h */
};

/* HANDLER_RETRY, HANDLER_UNANSWERED: let it come back after the delay that the consumer grows with
 * each receive; after consumer.retry_delay, whatever the receive. */
#define HANDLER_DELAY_DEFAULT USEC_INFINITY
#define HANDLER_DELAY_CONSTANT (USEC_INFINITY - 1)

/* Runs once for each message run that was not cancelled, maybe from inside `run` or `end`: nothing
 * is done about the message any more. `delay_usec` is when the message is to come back, for all
 * that let it: one of the two above, or what the handler asks for. That only makes the growing
 * delay longer; whole seconds are made of it. */
typedef void (*handler_done_fn)(void *userdata, enum handler_outcome outcome, uint64_t delay_usec);

/* The most that the work on a message is given to end in. */
#define HANDLER_GRACE_MAX_USEC (5 * USEC_PER_SEC)

struct handler;
struct handler_run; /* the handling of one message; the handler's own */

struct handler_ops {
    /* Begins to handle a message, which is borrowed until `done` or `cancel`. `*ret_run` is for
     * `cancel`, valid until `done` or `cancel`; it stays untouched where `done` runs inside `run`.
     * 0, or a negative errno: then `done` will not run. */
    int (*run)(struct handler *handler, const struct sqs_received_message *message,
               handler_done_fn done, void *userdata, struct handler_run **ret_run);
    /* Asks the work on a message to end, within that time: its lease is lost, or the time to stop
     * is over. `done` runs when it has ended, with HANDLER_DONE only where it is known to have got
     * through before. May be called again, to have it end sooner. */
    void (*cancel)(struct handler_run *run, uint64_t grace_usec);
    /* Ends the work on a message without its answer, where nobody waits for that any more: the
     * handler will be freed. */
    void (*abandon)(struct handler_run *run);
    /* All runs have ended by then. */
    void (*free)(struct handler *handler);
    /* Why the last HANDLER_NOT_REACHED or HANDLER_UNAVAILABLE: one line, borrowed until the next.
     * NULL for a handler that has neither. */
    const char *(*why_not_reached)(const struct handler *handler);
    /* A run that has begun has reached the handler, also before its answer. */
    bool is_reached_at_once;
    /* A run waits for nothing but the log, to take a line. */
    bool waits_for_log;
};

/* The head of each handler's own structure. */
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

/* The settings do not fit the handler; *error is one line, which the caller frees. */
enum { HANDLER_E_CONFIG = 1 };
