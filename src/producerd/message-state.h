/* SPDX-License-Identifier: MIT */
/* The life of a message from the source to its end, as one table: for each state and each event,
 * the next state, the action and the reason. Pure.
 *
 *     new ------> queued ----> sending ----> sent, rejected
 *      |             ^             |               ^
 *      |             +-- failed ---+               |
 *      |                           | unknown       |
 *      |                           v               |
 *      +-------> in doubt <--> sending in doubt ---+
 *                    |             |               |
 *                    +------+------+               |
 *                           v                      |
 *                 possible duplicate <--> sending -+
 *
 * What always holds: a message whose outcome is unknown is sent again, unchanged, until SQS has
 * accepted or rejected it. Once a message is in doubt, it stays in doubt until its end, because the
 * answer to a later attempt tells nothing about an earlier one. */
#pragma once

#include "util/macro.h"

enum outgoing_state {
    OUTGOING_NEW,              /* just taken from the source; in no lane yet */
    OUTGOING_QUEUED,           /* waits in its lane; SQS does not have it */
    OUTGOING_SENDING,          /* an attempt was sent and is not answered */
    OUTGOING_IN_DOUBT,         /* waits in its lane; the outcome of an attempt is unknown */
    OUTGOING_SENDING_IN_DOUBT, /* in doubt, and a further attempt was sent and is not answered */
    /* in doubt, and sent again when SQS may have forgotten the first attempt: SQS may have stored
     * it twice (deduplication.h) */
    OUTGOING_POSSIBLE_DUPLICATE,
    OUTGOING_SENDING_POSSIBLE_DUPLICATE,
    OUTGOING_SENT, /* this state and the next one are final */
    OUTGOING_REJECTED,
    OUTGOING_N_STATES,
};

enum outgoing_event {
    /* The message was taken from the source. */
    OUTGOING_ON_VALID,          /* SQS will accept it, as far as we know */
    OUTGOING_ON_VALID_IN_DOUBT, /* the same, but an earlier process may have sent it */
    OUTGOING_ON_INVALID,        /* SQS would reject it */
    /* An attempt begins or fails. */
    OUTGOING_ON_SENDING,
    OUTGOING_ON_SENDING_POSSIBLE_DUPLICATE, /* SQS may have forgotten an earlier one */
    OUTGOING_ON_NOT_SENT,                   /* the request could not be made */
    OUTGOING_ON_ATTEMPT_FAILED,             /* it failed, and the next one follows at once */
    OUTGOING_ON_ATTEMPT_UNKNOWN,            /* the same, and SQS may have stored the message */
    /* The answer after the last attempt. */
    OUTGOING_ON_SENT,
    OUTGOING_ON_REJECTED,
    OUTGOING_ON_FAILED,
    OUTGOING_ON_UNKNOWN,
    OUTGOING_ON_BATCH_REFUSED, /* SQS refused the whole request, which had several messages */
    OUTGOING_ON_BATCH_REFUSED_UNKNOWN, /* the same, and SQS may have stored it */
    OUTGOING_N_EVENTS,
};

enum outgoing_action {
    OUTGOING_IMPOSSIBLE, /* a bug: the event cannot happen in this state */
    OUTGOING_DO_NOTHING,
    OUTGOING_DO_QUEUE,         /* append it to its lane */
    OUTGOING_DO_REQUEUE,       /* put it back at the front of its lane; it is sent after a pause */
    OUTGOING_DO_REQUEUE_SPLIT, /* the same, but it is sent at once, in a request of its own */
    OUTGOING_DO_SETTLE,        /* take it out of its lane and settle it with the source */
    OUTGOING_DO_SETTLE_UNQUEUED, /* settle it with the source; it is in no lane */
};

enum outgoing_reason {
    OUTGOING_REASON_VALID,
    OUTGOING_REASON_VALID_IN_DOUBT,
    OUTGOING_REASON_INVALID,
    OUTGOING_REASON_SENDING,
    OUTGOING_REASON_SENDING_POSSIBLE_DUPLICATE,
    OUTGOING_REASON_NOT_SENT,
    OUTGOING_REASON_ATTEMPT_FAILED,
    OUTGOING_REASON_ATTEMPT_UNKNOWN,
    OUTGOING_REASON_SENT,
    OUTGOING_REASON_REJECTED,
    OUTGOING_REASON_FAILED,
    OUTGOING_REASON_UNKNOWN,
    OUTGOING_REASON_BATCH_REFUSED,
    OUTGOING_N_REASONS,
};

/* A cell of the table. A cell that is all zero means OUTGOING_IMPOSSIBLE. */
struct outgoing_step {
    uint8_t action; /* enum outgoing_action */
    uint8_t to;     /* enum outgoing_state */
    uint8_t reason; /* enum outgoing_reason */
};

struct outgoing_step outgoing_step(enum outgoing_state from, enum outgoing_event event);

/* Texts for the journal: "in doubt"; "SQS has it". */
const char *outgoing_state_text(enum outgoing_state state);
const char *outgoing_reason_text(enum outgoing_reason reason);

static inline bool outgoing_state_is_sending(enum outgoing_state state)
{
    return state == OUTGOING_SENDING || state == OUTGOING_SENDING_IN_DOUBT ||
           state == OUTGOING_SENDING_POSSIBLE_DUPLICATE;
}

/* The outcome of at least one earlier attempt is unknown. */
static inline bool outgoing_state_is_in_doubt(enum outgoing_state state)
{
    return state >= OUTGOING_IN_DOUBT && state <= OUTGOING_SENDING_POSSIBLE_DUPLICATE;
}

/* SQS may have stored it: it is in doubt, or an attempt is not answered yet. */
static inline bool outgoing_state_may_be_stored(enum outgoing_state state)
{
    return state >= OUTGOING_SENDING && state <= OUTGOING_SENDING_POSSIBLE_DUPLICATE;
}

static inline bool outgoing_state_is_possible_duplicate(enum outgoing_state state)
{
    return state == OUTGOING_POSSIBLE_DUPLICATE || state == OUTGOING_SENDING_POSSIBLE_DUPLICATE;
}

static inline bool outgoing_state_is_end(enum outgoing_state state)
{
    return state >= OUTGOING_SENT;
}
