/* SPDX-License-Identifier: MIT */
/* A message's life in the consumer, from its receipt until SQS has deleted it or has it back: one
 * table that says what each event does to a message in each state, and why. Pure.
 *
 *     received --> queued --> handling --> recording --> acknowledging --> deleted
 *                    |         |    ^          |               |
 *                    |         v    |          |               v
 *                    |       deferred          |           withdrawn --> deleted, lost
 *                    |         |               |               |
 *                    +---------+-------> releasing <-----------+
 *                                            |
 *                                            +--> released, lost
 *
 * Beside it: what is with the handler can be cancelled, and then waits for the handler to end.
 *
 * What always holds: nothing is acknowledged but what the handler is done with or has rejected, a
 * copy of such a message, and what the ledger knows as handled. What has lost its lease is never
 * acknowledged; of a delete that was sent before, only the answer is awaited. A message that is
 * with the handler stays in its lane, whatever happens, until the handler has ended with it. */
#pragma once

#include "util/macro.h"

enum message_state {
    MESSAGE_RECEIVED,         /* in no lane yet */
    MESSAGE_QUEUED,           /* in its lane, not begun */
    MESSAGE_DEFERRED,         /* the same, after the handler was not reached with it */
    MESSAGE_HANDLING,         /* with the handler */
    MESSAGE_CANCELLED,        /* the handler was asked to end with it: the stop has no more time */
    MESSAGE_CANCELLED_BEHIND, /* the same: one before it in its lane comes back */
    MESSAGE_LEASE_LOST,       /* the same: its lease is lost; nothing but the end is awaited */
    MESSAGE_RECORDING,        /* handled, to be written into the ledger */
    MESSAGE_ACKNOWLEDGING,    /* to be deleted, or its delete is on its way */
    MESSAGE_WITHDRAWN_BEHIND, /* one before it in its lane comes back while its delete is on its
                                 way: only the answer is awaited */
    MESSAGE_WITHDRAWN_LOST,   /* the same: its lease is lost */
    MESSAGE_RELEASING,        /* to be made visible again, or the request for that is on its way */
    MESSAGE_DELETED,          /* ends, as are the two that follow; somebody may hold a reference */
    MESSAGE_RELEASED,
    MESSAGE_LOST, /* it comes back by itself, or another has it */
    MESSAGE_N_STATES,
};

enum message_event {
    /* Before the handler. */
    ON_RECEIPT,    /* it was added to its lane */
    ON_BEGIN,      /* its turn has come */
    ON_COPY,       /* its turn has come, and a copy of it was handled */
    ON_LEDGER_HIT, /* its turn has come, and the ledger has it */
    /* The handler's end with it. Of one whose lease is lost only the last two. */
    ON_DONE,
    ON_REJECTED,
    ON_FAILED, /* or no answer came */
    ON_NOT_REACHED,
    ON_NOT_REACHED_AT_STOP,
    ON_ENDED,        /* without a lease */
    ON_ENDED_LEASED, /* an extension has got through late */
    /* What follows from the others. */
    ON_CHARGED,   /* the handler is not reached for this one's sake (outage.h) */
    ON_RECORDED,  /* the ledger's write is over */
    ON_NO_LEDGER, /* there is none to be written */
    ON_BEHIND,    /* one before it in its lane comes back */
    ON_BEHIND_SENT,
    ON_LEASE_LOST,
    ON_LEASE_LOST_SENT, /* as the one before, while its delete is on its way */
    ON_STOP,
    ON_STOP_DEADLINE, /* what is handled has no more time */
    /* SQS's answers. */
    ON_DELETED,
    ON_NOT_DELETED,        /* and the lease is over */
    ON_NOT_DELETED_LEASED, /* and the lease is not over */
    ON_RELEASED,
    ON_NOT_RELEASED,
    MESSAGE_N_EVENTS,
};

enum message_action {
    MESSAGE_IMPOSSIBLE, /* a bug of ours */
    DO_NOTHING,
    DO_HANDLE,       /* hand it to the handler */
    DO_CANCEL,       /* have the handler end with it */
    DO_DEFER,        /* put it back into its lane, the first */
    DO_RECORD,       /* write it into the ledger */
    DO_ACKNOWLEDGE,  /* have it deleted */
    DO_WITHDRAW,     /* take it out of its lane; its delete is not sent again */
    DO_RELEASE,      /* make it visible again */
    DO_RELEASE_LANE, /* the same, and before it all that is behind it in its lane */
    DO_END,          /* forget it */
};

/* Why a state was left for the next. Why a message is released, first. */
enum message_reason {
    RELEASE_NOT_BEGUN,   /* at a stop */
    RELEASE_INTERRUPTED, /* at a stop, while it was handled */
    RELEASE_NOT_REACHED, /* at a stop, and the handler is not reached */
    RELEASE_RETRY,       /* the handler could not handle it, or did not answer */
    RELEASE_REFUSED,     /* a gateway has refused it, and it alone (outage.h) */
    RELEASE_BEHIND,      /* one before it in its group comes back */
    RELEASE_LEASE,       /* its lease counted as lost, and was not */
    RELEASE_N_REASONS,
    REASON_RECEIVED = RELEASE_N_REASONS,
    REASON_BEGUN,
    REASON_COPY,
    REASON_LEDGER_HIT,
    REASON_DONE,
    REASON_REJECTED,
    REASON_NOT_REACHED,
    REASON_RECORDED,
    REASON_NO_LEDGER,
    REASON_LEASE_LOST,
    REASON_ENDED,
    REASON_DELETED,
    REASON_NOT_DELETED,
    REASON_DELETE_REFUSED,
    REASON_RELEASED,
    REASON_NOT_RELEASED,
    MESSAGE_N_REASONS,
};

/* A cell of the table; all zero, and with it MESSAGE_IMPOSSIBLE, where the event cannot come. */
struct message_step {
    uint8_t action; /* enum message_action */
    uint8_t to;     /* enum message_state */
    uint8_t reason; /* enum message_reason */
};

struct message_step message_step(enum message_state from, enum message_event event);

/* "handling"; "it was not begun before the stop". */
const char *message_state_text(enum message_state state);
const char *message_reason_text(enum message_reason reason);

/* In its lane, and could be handed to the handler. */
static inline bool message_state_is_waiting(enum message_state state)
{
    return state == MESSAGE_QUEUED || state == MESSAGE_DEFERRED;
}

static inline bool message_state_is_with_handler(enum message_state state)
{
    return state >= MESSAGE_HANDLING && state <= MESSAGE_LEASE_LOST;
}

/* The handler was asked to end with it. */
static inline bool message_state_is_cancelled(enum message_state state)
{
    return state >= MESSAGE_CANCELLED && state <= MESSAGE_LEASE_LOST;
}

/* Only the answer to its delete is awaited. */
static inline bool message_state_is_withdrawn(enum message_state state)
{
    return state == MESSAGE_WITHDRAWN_BEHIND || state == MESSAGE_WITHDRAWN_LOST;
}

static inline bool message_state_is_end(enum message_state state)
{
    return state >= MESSAGE_DELETED;
}

/* Its lease is renewed. */
static inline bool message_state_keeps_lease(enum message_state state)
{
    return message_state_is_waiting(state) || state == MESSAGE_HANDLING ||
           state == MESSAGE_CANCELLED || state == MESSAGE_CANCELLED_BEHIND ||
           state == MESSAGE_RECORDING || state == MESSAGE_ACKNOWLEDGING;
}
