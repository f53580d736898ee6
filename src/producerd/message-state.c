/* SPDX-License-Identifier: MIT */
#include "producerd/message-state.h"

#include <assert.h>

#define STEP(do, next, why)                                                                        \
    {                                                                                              \
        .action = (do), .to = (next), .reason = (why)                                              \
    }

/* An attempt of a message that waits in its lane. */
#define SENDING(sending) [ON_SENDING] = STEP(DO_NOTHING, sending, REASON_SENDING)
#define SENDING_POSSIBLE_DUPLICATE                                                                 \
    [ON_SENDING_POSSIBLE_DUPLICATE] =                                                              \
        STEP(DO_NOTHING, OUTGOING_SENDING_POSSIBLE_DUPLICATE, REASON_SENDING_POSSIBLE_DUPLICATE)

/* The events of a message that is being sent. `known` and `unknown` are the states in which it
 * waits after an attempt of known or unknown outcome; `sending_known` and `sending_unknown` are the
 * states when the next attempt follows at once. */
#define ANSWERS(known, unknown, sending_known, sending_unknown)                                    \
    [ON_NOT_SENT] = STEP(DO_NOTHING, known, REASON_NOT_SENT),                                      \
    [ON_ATTEMPT_FAILED] = STEP(DO_NOTHING, sending_known, REASON_ATTEMPT_FAILED),                  \
    [ON_ATTEMPT_UNKNOWN] = STEP(DO_NOTHING, sending_unknown, REASON_ATTEMPT_UNKNOWN),              \
    [ON_SENT] = STEP(DO_SETTLE, OUTGOING_SENT, REASON_SENT),                                       \
    [ON_REJECTED] = STEP(DO_SETTLE, OUTGOING_REJECTED, REASON_REJECTED),                           \
    [ON_FAILED] = STEP(DO_REQUEUE, known, REASON_FAILED),                                          \
    [ON_UNKNOWN] = STEP(DO_REQUEUE, unknown, REASON_UNKNOWN),                                      \
    [ON_BATCH_REFUSED] = STEP(DO_REQUEUE_SPLIT, known, REASON_BATCH_REFUSED),                      \
    [ON_BATCH_REFUSED_UNKNOWN] = STEP(DO_REQUEUE_SPLIT, unknown, REASON_BATCH_REFUSED)

static const struct outgoing_step table[OUTGOING_N_STATES][OUTGOING_N_EVENTS] = {
    [OUTGOING_NEW] =
        {
            [ON_VALID] = STEP(DO_QUEUE, OUTGOING_QUEUED, REASON_VALID),
            [ON_VALID_IN_DOUBT] = STEP(DO_QUEUE, OUTGOING_IN_DOUBT, REASON_VALID_IN_DOUBT),
            [ON_INVALID] = STEP(DO_SETTLE_UNQUEUED, OUTGOING_REJECTED, REASON_INVALID),
        },
    [OUTGOING_QUEUED] = {SENDING(OUTGOING_SENDING)},
    [OUTGOING_SENDING] = {SENDING(OUTGOING_SENDING),
                          ANSWERS(OUTGOING_QUEUED, OUTGOING_IN_DOUBT, OUTGOING_SENDING,
                                  OUTGOING_SENDING_IN_DOUBT)},
    [OUTGOING_IN_DOUBT] = {SENDING(OUTGOING_SENDING_IN_DOUBT), SENDING_POSSIBLE_DUPLICATE},
    [OUTGOING_SENDING_IN_DOUBT] = {SENDING(OUTGOING_SENDING_IN_DOUBT), SENDING_POSSIBLE_DUPLICATE,
                                   ANSWERS(OUTGOING_IN_DOUBT, OUTGOING_IN_DOUBT,
                                           OUTGOING_SENDING_IN_DOUBT, OUTGOING_SENDING_IN_DOUBT)},
    [OUTGOING_POSSIBLE_DUPLICATE] = {SENDING(OUTGOING_SENDING_POSSIBLE_DUPLICATE)},
    [OUTGOING_SENDING_POSSIBLE_DUPLICATE] = {SENDING(OUTGOING_SENDING_POSSIBLE_DUPLICATE),
                                             ANSWERS(OUTGOING_POSSIBLE_DUPLICATE,
                                                     OUTGOING_POSSIBLE_DUPLICATE,
                                                     OUTGOING_SENDING_POSSIBLE_DUPLICATE,
                                                     OUTGOING_SENDING_POSSIBLE_DUPLICATE)},
};

struct outgoing_step outgoing_step(enum outgoing_state from, enum outgoing_event event)
{
    assert((unsigned)from < OUTGOING_N_STATES && (unsigned)event < OUTGOING_N_EVENTS);
    return table[from][event];
}

const char *outgoing_state_text(enum outgoing_state state)
{
    static const char *const texts[OUTGOING_N_STATES] = {
        [OUTGOING_NEW] = "new",
        [OUTGOING_QUEUED] = "queued",
        [OUTGOING_SENDING] = "sending",
        [OUTGOING_IN_DOUBT] = "in doubt",
        [OUTGOING_SENDING_IN_DOUBT] = "sending in doubt",
        [OUTGOING_POSSIBLE_DUPLICATE] = "possible duplicate",
        [OUTGOING_SENDING_POSSIBLE_DUPLICATE] = "sending possible duplicate",
        [OUTGOING_SENT] = "sent",
        [OUTGOING_REJECTED] = "rejected",
    };

    return texts[state];
}

const char *outgoing_reason_text(enum outgoing_reason reason)
{
    static const char *const texts[OUTGOING_N_REASONS] = {
        [REASON_VALID] = "it was taken from the source",
        [REASON_VALID_IN_DOUBT] = "it was taken from the source, and may have been sent before",
        [REASON_INVALID] = "SQS would reject it",
        [REASON_SENDING] = "an attempt begins",
        [REASON_SENDING_POSSIBLE_DUPLICATE] =
            "an attempt begins, and SQS may have forgotten an earlier one",
        [REASON_NOT_SENT] = "a resource shortage prevents the attempt",
        [REASON_ATTEMPT_FAILED] = "the attempt has failed, and another one follows",
        [REASON_ATTEMPT_UNKNOWN] = "the outcome of the attempt is unknown, and another one follows",
        [REASON_SENT] = "SQS has it",
        [REASON_REJECTED] = "SQS has rejected it",
        [REASON_FAILED] = "the attempt has failed, it is sent again later",
        [REASON_UNKNOWN] = "the outcome of the attempt is unknown, it is sent again later",
        [REASON_BATCH_REFUSED] = "its whole batch was refused, it is sent again by itself",
    };

    return texts[reason];
}
