/* SPDX-License-Identifier: MIT */
/* A message's life in the consumer, from its receipt until SQS has deleted it or may deliver it
 * again. One table says what each event does to a message in each state, and why. Pure.
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
 * Not shown: the handling of a message can be cancelled. The message then waits for the handler's
 * end.
 *
 * What always holds:
 *   - A message is acknowledged (deleted) only if the handler is done with it or has rejected it,
 *     if it is a copy of such a message, or if the ledger has its id.
 *   - A message that has lost its lease is never acknowledged. If its delete was sent before, only
 *     the answer is awaited.
 *   - A message that is with the handler stays in its lane until the handler has ended with it. */
#pragma once

#include "util/macro.h"

enum message_state {
    MESSAGE_RECEIVED,         /* in no lane yet */
    MESSAGE_QUEUED,           /* waits in its lane */
    MESSAGE_DEFERRED,         /* waits in its lane; the handler was not reached with it before */
    MESSAGE_HANDLING,         /* with the handler */
    MESSAGE_CANCELLED,        /* with the handler, cancelled: the stop leaves no more time */
    MESSAGE_CANCELLED_BEHIND, /* with the handler, cancelled: one before it in its lane returns */
    MESSAGE_LEASE_LOST,       /* with the handler, cancelled: its lease is lost */
    MESSAGE_RECORDING,        /* handled; its id is to be written into the ledger */
    MESSAGE_ACKNOWLEDGING,    /* to be deleted, or the delete is under way */
    MESSAGE_WITHDRAWN_BEHIND, /* its delete is under way; one before it in its lane comes back */
    MESSAGE_WITHDRAWN_LOST,   /* its delete is under way; its lease is lost */
    MESSAGE_RELEASING,        /* to be made visible, or the request for that is under way */
    MESSAGE_DELETED,          /* final, like the two below; somebody may still hold a reference */
    MESSAGE_RELEASED,
    MESSAGE_LOST, /* it becomes visible at the end of its lease, or another consumer has it */
    MESSAGE_N_STATES,
};

enum message_event {
    /* Before the handler. */
    ON_RECEIPT,    /* it was added to its lane */
    ON_BEGIN,      /* it is the next of its lane, and there is a free slot */
    ON_COPY,       /* the same, and a copy of it was handled */
    ON_LEDGER_HIT, /* the same, and the ledger has its id */
    /* The handler's answer. A message whose lease is lost has only the last two. */
    ON_DONE,
    ON_REJECTED,
    ON_FAILED, /* HANDLER_RETRY or HANDLER_UNANSWERED */
    ON_NOT_REACHED,
    ON_NOT_REACHED_AT_STOP,
    ON_ENDED,        /* and it has no lease */
    ON_ENDED_LEASED, /* and a renewal has got through late */
    /* What happens around it. */
    ON_CHARGED,     /* it is to blame for the handler's outage (outage.h) */
    ON_RECORDED,    /* the ledger was written, or could not be */
    ON_NO_LEDGER,   /* there is no ledger */
    ON_BEHIND,      /* one before it in its lane comes back */
    ON_BEHIND_SENT, /* the same, while its delete is under way */
    ON_LEASE_LOST,
    ON_LEASE_LOST_SENT, /* the same, while its delete is under way */
    ON_STOP,
    ON_STOP_DEADLINE, /* no more time for handling */
    /* SQS's answers. */
    ON_DELETED,
    ON_NOT_DELETED,        /* and its lease is over */
    ON_NOT_DELETED_LEASED, /* and its lease is not over */
    ON_RELEASED,
    ON_NOT_RELEASED,
    MESSAGE_N_EVENTS,
};

enum message_action {
    MESSAGE_IMPOSSIBLE, /* the event cannot happen in this state */
    DO_NOTHING,
    DO_HANDLE,       /* give it to the handler */
    DO_CANCEL,       /* cancel its handling */
    DO_DEFER,        /* put it back as the first of its lane */
    DO_RECORD,       /* write its id into the ledger */
    DO_ACKNOWLEDGE,  /* add it to the delete queue */
    DO_WITHDRAW,     /* remove it from its lane; a failed delete is not sent again */
    DO_RELEASE,      /* add it to the release queue */
    DO_RELEASE_LANE, /* release all behind it in its lane, then itself */
    DO_END,          /* count it and free it */
};

/* Why a transition was made. The reasons of releases come first: they are counted one by one. */
enum message_reason {
    RELEASE_NOT_BEGUN,   /* a stop came before it was begun */
    RELEASE_INTERRUPTED, /* a stop cancelled its handling */
    RELEASE_NOT_REACHED, /* a stop came while the handler was not reached */
    RELEASE_RETRY,       /* the handler failed or did not answer */
    RELEASE_REFUSED,     /* it was charged with a gateway's refusals (outage.h) */
    RELEASE_BEHIND,      /* one before it in its group comes back */
    RELEASE_LEASE,       /* its lease was taken for lost, but it is still hidden */
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

/* One cell of the table. All zero, which is MESSAGE_IMPOSSIBLE, where the event cannot happen. */
struct message_step {
    uint8_t action; /* enum message_action */
    uint8_t to;     /* enum message_state */
    uint8_t reason; /* enum message_reason */
};

struct message_step message_step(enum message_state from, enum message_event event);

/* "handling"; "it was not begun before the stop". */
const char *message_state_text(enum message_state state);
const char *message_reason_text(enum message_reason reason);

/* In its lane, and not with the handler. */
static inline bool message_state_is_waiting(enum message_state state)
{
    return state == MESSAGE_QUEUED || state == MESSAGE_DEFERRED;
}

static inline bool message_state_is_with_handler(enum message_state state)
{
    return state >= MESSAGE_HANDLING && state <= MESSAGE_LEASE_LOST;
}

/* With the handler, and cancelled. */
static inline bool message_state_is_cancelled(enum message_state state)
{
    return state >= MESSAGE_CANCELLED && state <= MESSAGE_LEASE_LOST;
}

/* Its delete is under way, and only the answer is awaited. */
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
