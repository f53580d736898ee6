/* SPDX-License-Identifier: MIT */
/* A message's life in the producer, from when it is taken up until SQS has it or has rejected it:
 * one table that says what each event does to a message in each state, and why. Pure.
 *
 *     taken up --> queued ----> sending ----> sent, rejected
 *        |           ^             |               ^
 *        |           +-- failed ---+               |
 *        |                         | unknown       |
 *        |                         v               |
 *        +-----> in doubt <--> sending in doubt ---+
 *                    |             |               |
 *                    +------+------+               |
 *                           v                      |
 *                         late <--> sending late --+
 *
 * What always holds: a message whose outcome is unknown is sent again, unchanged, until SQS has
 * said yes or no. Once in doubt, it stays so: what is known of a later attempt tells nothing of an
 * earlier one. */
#pragma once

#include "util/macro.h"

enum outgoing_state {
    OUTGOING_NEW,      /* in no lane yet */
    OUTGOING_QUEUED,   /* waits for its turn; SQS does not have it */
    OUTGOING_SENDING,  /* an attempt is on its way */
    OUTGOING_IN_DOUBT, /* waits for its turn; an attempt went out whose outcome is unknown */
    OUTGOING_SENDING_IN_DOUBT, /* both */
    OUTGOING_POSSIBLE_DUPLICATE, /* as in doubt, and it went again when SQS may have forgotten the first attempt:
                      it may be stored twice */
    OUTGOING_SENDING_POSSIBLE_DUPLICATE,
    OUTGOING_SENT, /* ends */
    OUTGOING_REJECTED,
    OUTGOING_N_STATES,
};

enum outgoing_event {
    /* It was taken from the source, and is, */
    ON_VALID,          /* as far as can be known, fine */
    ON_VALID_IN_DOUBT, /* the same, and an earlier process may have sent it */
    ON_INVALID,        /* what SQS would reject */
    /* An attempt. */
    ON_SENDING,
    ON_SENDING_POSSIBLE_DUPLICATE, /* and SQS may have forgotten an earlier one */
    ON_NOT_SENT,                   /* it could not even be made */
    ON_ATTEMPT_FAILED,             /* another one follows at once */
    ON_ATTEMPT_UNKNOWN,            /* the same, and whether SQS has the message is not known */
    /* The answer, after all attempts. */
    ON_SENT,
    ON_REJECTED,
    ON_FAILED,
    ON_UNKNOWN,
    ON_BATCH_REFUSED, /* the request was refused as a whole, and had other messages */
    ON_BATCH_REFUSED_UNKNOWN,
    OUTGOING_N_EVENTS,
};

enum outgoing_action {
    OUTGOING_IMPOSSIBLE, /* a bug of ours */
    DO_NOTHING,
    DO_QUEUE,           /* put it into its lane, last */
    DO_REQUEUE,         /* put it back into its lane, first, for later */
    DO_REQUEUE_SPLIT,   /* the same, for a request of its own, at once */
    DO_SETTLE,          /* tell the source, and take it out of its lane */
    DO_SETTLE_UNQUEUED, /* tell the source; it is in no lane */
};

enum outgoing_reason {
    REASON_VALID,
    REASON_VALID_IN_DOUBT,
    REASON_INVALID,
    REASON_SENDING,
    REASON_SENDING_POSSIBLE_DUPLICATE,
    REASON_NOT_SENT,
    REASON_ATTEMPT_FAILED,
    REASON_ATTEMPT_UNKNOWN,
    REASON_SENT,
    REASON_REJECTED,
    REASON_FAILED,
    REASON_UNKNOWN,
    REASON_BATCH_REFUSED,
    OUTGOING_N_REASONS,
};

/* A cell of the table; all zero, and with it OUTGOING_IMPOSSIBLE, where the event cannot come. */
struct outgoing_step {
    uint8_t action; /* enum outgoing_action */
    uint8_t to;     /* enum outgoing_state */
    uint8_t reason; /* enum outgoing_reason */
};

struct outgoing_step outgoing_step(enum outgoing_state from, enum outgoing_event event);

/* "in doubt"; "SQS has it". */
const char *outgoing_state_text(enum outgoing_state state);
const char *outgoing_reason_text(enum outgoing_reason reason);

static inline bool outgoing_state_is_sending(enum outgoing_state state)
{
    return state == OUTGOING_SENDING || state == OUTGOING_SENDING_IN_DOUBT ||
           state == OUTGOING_SENDING_POSSIBLE_DUPLICATE;
}

/* An attempt went out whose outcome is unknown. */
static inline bool outgoing_state_is_in_doubt(enum outgoing_state state)
{
    return state >= OUTGOING_IN_DOUBT && state <= OUTGOING_SENDING_POSSIBLE_DUPLICATE;
}

/* It may stand in the queue: that, or an attempt is on its way. */
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
