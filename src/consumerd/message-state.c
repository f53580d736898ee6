/* SPDX-License-Identifier: MIT */
#include "consumerd/message-state.h"

#include <assert.h>

#define STEP(do, next, why)                                                                        \
    {                                                                                              \
        .action = (do), .to = (next), .reason = (why)                                              \
    }
#define RELEASE(why) STEP(DO_RELEASE, MESSAGE_RELEASING, why)
#define RELEASE_LANE(why) STEP(DO_RELEASE_LANE, MESSAGE_RELEASING, why)
#define LOSE(why) STEP(DO_END, MESSAGE_LOST, why)
#define ACKNOWLEDGE(why) STEP(DO_ACKNOWLEDGE, MESSAGE_ACKNOWLEDGING, why)
#define CANCEL(next, why) STEP(DO_CANCEL, next, why)

/* The steps that both waiting states have. */
#define WAITING_STEPS                                                                              \
    [ON_BEGIN] = STEP(DO_HANDLE, MESSAGE_HANDLING, REASON_BEGUN),                                  \
    [ON_COPY] = ACKNOWLEDGE(REASON_COPY), [ON_LEDGER_HIT] = ACKNOWLEDGE(REASON_LEDGER_HIT),        \
    [ON_BEHIND] = RELEASE(RELEASE_BEHIND), [ON_LEASE_LOST] = RELEASE(RELEASE_LEASE),               \
    [ON_STOP] = RELEASE(RELEASE_NOT_BEGUN)

/* Whatever the handler answers, the message is released. */
#define RELEASE_WHATEVER_CAME(why)                                                                 \
    [ON_DONE] = RELEASE_LANE(why), [ON_REJECTED] = RELEASE_LANE(why),                              \
    [ON_FAILED] = RELEASE_LANE(why), [ON_NOT_REACHED] = RELEASE_LANE(why),                         \
    [ON_NOT_REACHED_AT_STOP] = RELEASE_LANE(why)

static const struct message_step table[MESSAGE_N_STATES][MESSAGE_N_EVENTS] =
    {
        [MESSAGE_RECEIVED] = {[ON_RECEIPT] = STEP(DO_NOTHING, MESSAGE_QUEUED, REASON_RECEIVED)},
        [MESSAGE_QUEUED] = {WAITING_STEPS},
        [MESSAGE_DEFERRED] = {WAITING_STEPS, [ON_CHARGED] = RELEASE_LANE(RELEASE_REFUSED)},
        [MESSAGE_HANDLING] =
            {
                [ON_DONE] = STEP(DO_RECORD, MESSAGE_RECORDING, REASON_DONE),
                [ON_REJECTED] = STEP(DO_RECORD, MESSAGE_RECORDING, REASON_REJECTED),
                [ON_FAILED] = RELEASE_LANE(RELEASE_RETRY),
                [ON_NOT_REACHED] = STEP(DO_DEFER, MESSAGE_DEFERRED, REASON_NOT_REACHED),
                [ON_NOT_REACHED_AT_STOP] = RELEASE_LANE(RELEASE_NOT_REACHED),
                [ON_BEHIND] = CANCEL(MESSAGE_CANCELLED_BEHIND, RELEASE_BEHIND),
                [ON_LEASE_LOST] = CANCEL(MESSAGE_LEASE_LOST, REASON_LEASE_LOST),
                [ON_STOP_DEADLINE] = CANCEL(MESSAGE_CANCELLED, RELEASE_INTERRUPTED),
            },
        [MESSAGE_CANCELLED] =
            {
                /* The handler may have been done before the cancel. */
                [ON_DONE] = STEP(DO_RECORD, MESSAGE_RECORDING, REASON_DONE),
                [ON_REJECTED] = STEP(DO_RECORD, MESSAGE_RECORDING, REASON_REJECTED),
                [ON_FAILED] = RELEASE_LANE(RELEASE_INTERRUPTED),
                [ON_NOT_REACHED] = RELEASE_LANE(RELEASE_INTERRUPTED),
                [ON_NOT_REACHED_AT_STOP] = RELEASE_LANE(RELEASE_INTERRUPTED),
                [ON_BEHIND] = CANCEL(MESSAGE_CANCELLED_BEHIND, RELEASE_BEHIND),
                [ON_LEASE_LOST] = CANCEL(MESSAGE_LEASE_LOST, REASON_LEASE_LOST),
                [ON_STOP_DEADLINE] = CANCEL(MESSAGE_CANCELLED, RELEASE_INTERRUPTED),
            },
        [MESSAGE_CANCELLED_BEHIND] =
            {
                /* Also if the handler is done with it: it must not be deleted before the one that
                 * comes back. */
                RELEASE_WHATEVER_CAME(RELEASE_BEHIND),
                [ON_BEHIND] = CANCEL(MESSAGE_CANCELLED_BEHIND, RELEASE_BEHIND),
                [ON_LEASE_LOST] = CANCEL(MESSAGE_LEASE_LOST, REASON_LEASE_LOST),
                [ON_STOP_DEADLINE] = CANCEL(MESSAGE_CANCELLED_BEHIND, RELEASE_INTERRUPTED),
            },
        [MESSAGE_LEASE_LOST] =
            {
                [ON_ENDED] = LOSE(REASON_ENDED),
                [ON_ENDED_LEASED] = RELEASE(RELEASE_LEASE),
                [ON_BEHIND] = STEP(DO_NOTHING, MESSAGE_LEASE_LOST, RELEASE_BEHIND),
                [ON_STOP_DEADLINE] = CANCEL(MESSAGE_LEASE_LOST, RELEASE_INTERRUPTED),
            },
        [MESSAGE_RECORDING] =
            {
                [ON_RECORDED] = ACKNOWLEDGE(REASON_RECORDED),
                [ON_NO_LEDGER] = ACKNOWLEDGE(REASON_NO_LEDGER),
                [ON_BEHIND] = RELEASE(RELEASE_BEHIND),
                [ON_LEASE_LOST] = RELEASE(RELEASE_LEASE),
            },
        [MESSAGE_ACKNOWLEDGING] =
            {
                [ON_DELETED] = STEP(DO_END, MESSAGE_DELETED, REASON_DELETED),
                [ON_NOT_DELETED] = LOSE(REASON_NOT_DELETED),
                [ON_NOT_DELETED_LEASED] = LOSE(REASON_DELETE_REFUSED),
                [ON_BEHIND] = RELEASE(RELEASE_BEHIND),
                [ON_BEHIND_SENT] = STEP(DO_WITHDRAW, MESSAGE_WITHDRAWN_BEHIND, RELEASE_BEHIND),
                [ON_LEASE_LOST] = RELEASE(RELEASE_LEASE),
                [ON_LEASE_LOST_SENT] = STEP(DO_WITHDRAW, MESSAGE_WITHDRAWN_LOST, REASON_LEASE_LOST),
            },
        [MESSAGE_WITHDRAWN_BEHIND] =
            {
                [ON_DELETED] = STEP(DO_END, MESSAGE_DELETED, REASON_DELETED),
                [ON_NOT_DELETED] = LOSE(REASON_NOT_DELETED),
                [ON_NOT_DELETED_LEASED] = RELEASE(RELEASE_BEHIND),
            },
        [MESSAGE_WITHDRAWN_LOST] =
            {
                [ON_DELETED] = STEP(DO_END, MESSAGE_DELETED, REASON_DELETED),
                [ON_NOT_DELETED] = LOSE(REASON_NOT_DELETED),
                [ON_NOT_DELETED_LEASED] = RELEASE(RELEASE_LEASE),
            },
        [MESSAGE_RELEASING] =
            {
                [ON_RELEASED] = STEP(DO_END, MESSAGE_RELEASED, REASON_RELEASED),
                [ON_NOT_RELEASED] = LOSE(REASON_NOT_RELEASED),
            },
};

struct message_step message_step(enum message_state from, enum message_event event)
{
    assert((unsigned)from < MESSAGE_N_STATES && (unsigned)event < MESSAGE_N_EVENTS);
    return table[from][event];
}

const char *message_state_text(enum message_state state)
{
    static const char *const texts[MESSAGE_N_STATES] = {
        [MESSAGE_RECEIVED] = "received",
        [MESSAGE_QUEUED] = "queued",
        [MESSAGE_DEFERRED] = "deferred",
        [MESSAGE_HANDLING] = "handling",
        [MESSAGE_CANCELLED] = "cancelled",
        [MESSAGE_CANCELLED_BEHIND] = "cancelled with its group",
        [MESSAGE_LEASE_LOST] = "cancelled without a lease",
        [MESSAGE_RECORDING] = "recording",
        [MESSAGE_ACKNOWLEDGING] = "acknowledging",
        [MESSAGE_WITHDRAWN_BEHIND] = "withdrawn with its group",
        [MESSAGE_WITHDRAWN_LOST] = "withdrawn without a lease",
        [MESSAGE_RELEASING] = "releasing",
        [MESSAGE_DELETED] = "deleted",
        [MESSAGE_RELEASED] = "released",
        [MESSAGE_LOST] = "lost",
    };

    return texts[state];
}

const char *message_reason_text(enum message_reason reason)
{
    static const char *const texts[MESSAGE_N_REASONS] = {
        [RELEASE_NOT_BEGUN] = "it was not begun before the stop",
        [RELEASE_INTERRUPTED] = "the stop left no more time to handle it",
        [RELEASE_NOT_REACHED] = "the handler was not reached before the stop",
        [RELEASE_RETRY] = "it was not handled, and is to be tried again",
        [RELEASE_REFUSED] = "the gateway in front of the handler has refused it too often",
        [RELEASE_BEHIND] = "an earlier message of its group comes back",
        [RELEASE_LEASE] = "its lease had counted as lost",
        [REASON_RECEIVED] = "it was received",
        [REASON_BEGUN] = "its turn has come",
        [REASON_COPY] = "a copy of it was handled",
        [REASON_LEDGER_HIT] = "the ledger knows it as handled",
        [REASON_DONE] = "the handler is done with it",
        [REASON_REJECTED] = "the handler has rejected it",
        [REASON_NOT_REACHED] = "the handler was not reached",
        [REASON_RECORDED] = "the ledger was written",
        [REASON_NO_LEDGER] = "there is no ledger to write",
        [REASON_LEASE_LOST] = "its lease is lost",
        [REASON_ENDED] = "the handler has ended with it, and its lease is lost",
        [REASON_DELETED] = "SQS has deleted it",
        [REASON_NOT_DELETED] = "it was not deleted before its lease ended",
        [REASON_DELETE_REFUSED] = "SQS has refused to delete it",
        [REASON_RELEASED] = "SQS has made it visible again",
        [REASON_NOT_RELEASED] = "SQS has not made it visible before its time",
    };

    return texts[reason];
}
