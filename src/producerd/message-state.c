/* SPDX-License-Identifier: MIT */
#include "producerd/message-state.h"

#include <assert.h>

#define STEP(do, next, why)                                                                        \
    {                                                                                              \
        .action = (do), .to = (next), .reason = (why)                                              \
    }
#define ATTEMPT(next, why) STEP(OUTGOING_DO_NOTHING, next, why)
#define QUEUE(next, why) STEP(OUTGOING_DO_QUEUE, next, why)
#define REQUEUE(next, why) STEP(OUTGOING_DO_REQUEUE, next, why)
#define REQUEUE_SPLIT(next, why) STEP(OUTGOING_DO_REQUEUE_SPLIT, next, why)
#define SETTLE(next, why) STEP(OUTGOING_DO_SETTLE, next, why)

/* An attempt of a message that waits in its lane. */
#define SENDING(sending) [OUTGOING_ON_SENDING] = ATTEMPT(sending, OUTGOING_REASON_SENDING)
#define SENDING_POSSIBLE_DUPLICATE                                                                 \
    [OUTGOING_ON_SENDING_POSSIBLE_DUPLICATE] =                                                     \
        ATTEMPT(OUTGOING_SENDING_POSSIBLE_DUPLICATE, OUTGOING_REASON_SENDING_POSSIBLE_DUPLICATE)

/* The events of a message that is being sent. `known` and `unknown` are the states in which it
 * waits after an attempt of known or unknown outcome; `sending_known` and `sending_unknown` are the
 * states when the next attempt follows at once. */
#define ANSWERS(known, unknown, sending_known, sending_unknown)                                    \
    [OUTGOING_ON_NOT_SENT] = ATTEMPT(known, OUTGOING_REASON_NOT_SENT),                             \
    [OUTGOING_ON_ATTEMPT_FAILED] = ATTEMPT(sending_known, OUTGOING_REASON_ATTEMPT_FAILED),         \
    [OUTGOING_ON_ATTEMPT_UNKNOWN] = ATTEMPT(sending_unknown, OUTGOING_REASON_ATTEMPT_UNKNOWN),     \
    [OUTGOING_ON_SENT] = SETTLE(OUTGOING_SENT, OUTGOING_REASON_SENT),                              \
    [OUTGOING_ON_REJECTED] = SETTLE(OUTGOING_REJECTED, OUTGOING_REASON_REJECTED),                  \
    [OUTGOING_ON_FAILED] = REQUEUE(known, OUTGOING_REASON_FAILED),                                 \
    [OUTGOING_ON_UNKNOWN] = REQUEUE(unknown, OUTGOING_REASON_UNKNOWN),                             \
    [OUTGOING_ON_BATCH_REFUSED] = REQUEUE_SPLIT(known, OUTGOING_REASON_BATCH_REFUSED),             \
    [OUTGOING_ON_BATCH_REFUSED_UNKNOWN] = REQUEUE_SPLIT(unknown, OUTGOING_REASON_BATCH_REFUSED)

static const struct outgoing_step table[OUTGOING_N_STATES][OUTGOING_N_EVENTS] = {
    [OUTGOING_NEW] =
        {
            [OUTGOING_ON_VALID] = QUEUE(OUTGOING_QUEUED, OUTGOING_REASON_VALID),
            [OUTGOING_ON_VALID_IN_DOUBT] = QUEUE(OUTGOING_IN_DOUBT, OUTGOING_REASON_VALID_IN_DOUBT),
            [OUTGOING_ON_INVALID] =
                STEP(OUTGOING_DO_SETTLE_UNQUEUED, OUTGOING_REJECTED, OUTGOING_REASON_INVALID),
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
        [OUTGOING_REASON_VALID] = "it was taken from the source",
        [OUTGOING_REASON_VALID_IN_DOUBT] =
            "it was taken from the source, and may have been sent before",
        [OUTGOING_REASON_INVALID] = "SQS would reject it",
        [OUTGOING_REASON_SENDING] = "an attempt begins",
        [OUTGOING_REASON_SENDING_POSSIBLE_DUPLICATE] =
            "an attempt begins, and SQS may have forgotten an earlier one",
        [OUTGOING_REASON_NOT_SENT] = "a resource shortage prevents the attempt",
        [OUTGOING_REASON_ATTEMPT_FAILED] = "the attempt has failed, and another one follows",
        [OUTGOING_REASON_ATTEMPT_UNKNOWN] =
            "the outcome of the attempt is unknown, and another one follows",
        [OUTGOING_REASON_SENT] = "SQS has it",
        [OUTGOING_REASON_REJECTED] = "SQS has rejected it",
        [OUTGOING_REASON_FAILED] = "the attempt has failed, it is sent again later",
        [OUTGOING_REASON_UNKNOWN] = "the outcome of the attempt is unknown, it is sent again later",
        [OUTGOING_REASON_BATCH_REFUSED] = "its whole batch was refused, it is sent again by itself",
    };

    return texts[reason];
}
