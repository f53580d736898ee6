/* SPDX-License-Identifier: MIT */
/* A message's life in the consumer, from its receipt until SQS has deleted it or may deliver it
 * again. One table says for each state and each event: the next state, the action and the reason.
 * Pure.
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
 * Not shown: the handling of a message can be cancelled. The message then waits until the handler
 * has ended. A message "comes back" if SQS will deliver it again: it is released, or its lease is
 * lost.
 *
 * What always holds:
 *   - A message is acknowledged (deleted) only if the handler is done with it or has rejected it,
 *     if it is a copy of such a message, or if the ledger has its id.
 *   - A message that has lost its lease is never acknowledged. If its delete was sent before, the
 *     consumer only waits for the answer.
 *   - A message that is with the handler stays in its lane until the handler has ended its work on
 *     it. */
#pragma once

#include "util/macro.h"

enum message_state {
    MESSAGE_RECEIVED,         /* in no lane yet */
    MESSAGE_QUEUED,           /* waits in its lane */
    MESSAGE_DEFERRED,         /* waits in its lane again; the handler was not reached */
    MESSAGE_HANDLING,         /* with the handler */
    MESSAGE_CANCELLED,        /* with the handler, cancelled: a stop leaves no more time */
    MESSAGE_CANCELLED_BEHIND, /* with the handler, cancelled: an earlier message comes back */
    MESSAGE_LEASE_LOST,       /* with the handler, cancelled: its lease is lost */
    MESSAGE_RECORDING,        /* handled; waits until the ledger has its id */
    MESSAGE_ACKNOWLEDGING,    /* waits to be deleted, or its delete was sent */
    MESSAGE_WITHDRAWN_BEHIND, /* its delete was sent; an earlier message comes back */
    MESSAGE_WITHDRAWN_LOST,   /* its delete was sent; its lease is lost */
    MESSAGE_RELEASING,        /* waits to be released, or its release was sent */
    MESSAGE_DELETED,          /* final, like the two below; references to it may remain */
    MESSAGE_RELEASED,
    MESSAGE_LOST, /* it becomes visible at the end of its lease, or another consumer has it */
    MESSAGE_N_STATES,
};

enum message_event {
    /* Before the handler. */
    MESSAGE_ON_RECEIPT,    /* it was added to its lane */
    MESSAGE_ON_BEGIN,      /* it is the next of its lane and has taken a slot */
    MESSAGE_ON_COPY,       /* like MESSAGE_ON_BEGIN, but a copy of it was handled */
    MESSAGE_ON_LEDGER_HIT, /* like MESSAGE_ON_BEGIN, but the ledger has its id */
    /* The handler's answer. A message whose lease is lost gets only the last two. */
    MESSAGE_ON_DONE,
    MESSAGE_ON_REJECTED,
    MESSAGE_ON_FAILED, /* HANDLER_RETRY or HANDLER_UNANSWERED */
    MESSAGE_ON_NOT_REACHED,
    MESSAGE_ON_NOT_REACHED_AT_STOP,
    MESSAGE_ON_ENDED,        /* the handler has ended; the lease has ended, too */
    MESSAGE_ON_ENDED_LEASED, /* the handler has ended; a late renewal has kept the lease */
    /* What happens around it. */
    MESSAGE_ON_CHARGED,     /* it is to blame for the handler's outage (outage.h) */
    MESSAGE_ON_RECORDED,    /* the ledger was written, or writing it failed */
    MESSAGE_ON_NO_LEDGER,   /* there is no ledger */
    MESSAGE_ON_BEHIND,      /* an earlier message of its lane comes back */
    MESSAGE_ON_BEHIND_SENT, /* the same, and its delete was sent */
    MESSAGE_ON_LEASE_LOST,
    MESSAGE_ON_LEASE_LOST_SENT, /* the same, and its delete was sent */
    MESSAGE_ON_STOP,
    MESSAGE_ON_STOP_DEADLINE, /* the stop leaves no more time for handling */
    /* SQS's answers. */
    MESSAGE_ON_DELETED,
    MESSAGE_ON_NOT_DELETED,        /* it was not deleted, and its lease has ended */
    MESSAGE_ON_NOT_DELETED_LEASED, /* it was not deleted, and its lease has not ended */
    MESSAGE_ON_RELEASED,
    MESSAGE_ON_NOT_RELEASED,
    MESSAGE_N_EVENTS,
};

enum message_action {
    MESSAGE_IMPOSSIBLE, /* the event cannot happen in this state */
    MESSAGE_DO_NOTHING,
    MESSAGE_DO_HANDLE,       /* give it to the handler */
    MESSAGE_DO_CANCEL,       /* cancel its handling */
    MESSAGE_DO_DEFER,        /* put it back as the first of its lane */
    MESSAGE_DO_RECORD,       /* write its id into the ledger */
    MESSAGE_DO_ACKNOWLEDGE,  /* add it to the delete queue */
    MESSAGE_DO_WITHDRAW,     /* remove it from its lane; do not repeat its delete */
    MESSAGE_DO_RELEASE,      /* add it to the release queue */
    MESSAGE_DO_RELEASE_LANE, /* release all messages behind it in its lane, then itself */
    MESSAGE_DO_END,          /* count it and free it */
};

/* Why a transition was made. The reasons for releases come first, because each has its own
 * counter. */
enum message_reason {
    RELEASE_NOT_BEGUN,   /* a stop came before it was begun */
    RELEASE_INTERRUPTED, /* a stop cancelled its handling */
    RELEASE_NOT_REACHED, /* a stop came while the handler was not reached */
    RELEASE_RETRY,       /* the handler failed or did not answer */
    RELEASE_REFUSED,     /* it was charged with a gateway's refusals (outage.h) */
    RELEASE_BEHIND,      /* an earlier message of its group comes back */
    RELEASE_LEASE,       /* its lease counted as lost, but SQS still hides it */
    RELEASE_N_REASONS,
    MESSAGE_REASON_RECEIVED = RELEASE_N_REASONS,
    MESSAGE_REASON_BEGUN,
    MESSAGE_REASON_COPY,
    MESSAGE_REASON_LEDGER_HIT,
    MESSAGE_REASON_DONE,
    MESSAGE_REASON_REJECTED,
    MESSAGE_REASON_NOT_REACHED,
    MESSAGE_REASON_RECORDED,
    MESSAGE_REASON_NO_LEDGER,
    MESSAGE_REASON_LEASE_LOST,
    MESSAGE_REASON_ENDED,
    MESSAGE_REASON_DELETED,
    MESSAGE_REASON_NOT_DELETED,
    MESSAGE_REASON_DELETE_REFUSED,
    MESSAGE_REASON_RELEASED,
    MESSAGE_REASON_NOT_RELEASED,
    MESSAGE_N_REASONS,
};

/* One cell of the table. If the event cannot happen in the state, the cell is all zero
 * (MESSAGE_IMPOSSIBLE). */
struct message_step {
    uint8_t action; /* enum message_action */
    uint8_t to;     /* enum message_state */
    uint8_t reason; /* enum message_reason */
};

struct message_step message_step(enum message_state from, enum message_event event);

/* Texts for the journal: "handling"; "it was not begun before the stop". */
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

/* Its delete was sent, and the consumer only waits for the answer. */
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
