/* SPDX-License-Identifier: MIT */
#include "consumerd/message-state.h"

#include <assert.h>

#define STEP(do, next, why)                                                                        \
    {                                                                                              \
        .action = (do), .to = (next), .reason = (why)                                              \
    }
#define RELEASE(why) STEP(MESSAGE_DO_RELEASE, MESSAGE_RELEASING, why)
#define RELEASE_LANE(why) STEP(MESSAGE_DO_RELEASE_LANE, MESSAGE_RELEASING, why)
#define LOSE(why) END(MESSAGE_LOST, why)
#define ACKNOWLEDGE(why) STEP(MESSAGE_DO_ACKNOWLEDGE, MESSAGE_ACKNOWLEDGING, why)
#define CANCEL(next, why) STEP(MESSAGE_DO_CANCEL, next, why)
#define RECORD(why) STEP(MESSAGE_DO_RECORD, MESSAGE_RECORDING, why)
#define WITHDRAW(next, why) STEP(MESSAGE_DO_WITHDRAW, next, why)
#define END(next, why) STEP(MESSAGE_DO_END, next, why)

/* The steps that both waiting states have. */
#define WAITING_STEPS                                                                              \
    [MESSAGE_ON_BEGIN] = STEP(MESSAGE_DO_HANDLE, MESSAGE_HANDLING, MESSAGE_REASON_BEGUN),          \
    [MESSAGE_ON_COPY] = ACKNOWLEDGE(MESSAGE_REASON_COPY),                                          \
    [MESSAGE_ON_LEDGER_HIT] = ACKNOWLEDGE(MESSAGE_REASON_LEDGER_HIT),                              \
    [MESSAGE_ON_BEHIND] = RELEASE(RELEASE_BEHIND),                                                 \
    [MESSAGE_ON_LEASE_LOST] = RELEASE(RELEASE_LEASE),                                              \
    [MESSAGE_ON_STOP] = RELEASE(RELEASE_NOT_BEGUN)

/* Whatever the handler answers, the message is released. */
#define RELEASE_WHATEVER_CAME(why)                                                                 \
    [MESSAGE_ON_DONE] = RELEASE_LANE(why), [MESSAGE_ON_REJECTED] = RELEASE_LANE(why),              \
    [MESSAGE_ON_FAILED] = RELEASE_LANE(why), [MESSAGE_ON_NOT_REACHED] = RELEASE_LANE(why),         \
    [MESSAGE_ON_NOT_REACHED_AT_STOP] = RELEASE_LANE(why)

static const struct message_step table[MESSAGE_N_STATES][MESSAGE_N_EVENTS] =
    {
        [MESSAGE_RECEIVED] = {[MESSAGE_ON_RECEIPT] = STEP(MESSAGE_DO_NOTHING, MESSAGE_QUEUED,
                                                          MESSAGE_REASON_RECEIVED)},
        [MESSAGE_QUEUED] = {WAITING_STEPS},
        [MESSAGE_DEFERRED] = {WAITING_STEPS, [MESSAGE_ON_CHARGED] = RELEASE_LANE(RELEASE_REFUSED)},
        [MESSAGE_HANDLING] =
            {
                [MESSAGE_ON_DONE] = RECORD(MESSAGE_REASON_DONE),
                [MESSAGE_ON_REJECTED] = RECORD(MESSAGE_REASON_REJECTED),
                [MESSAGE_ON_FAILED] = RELEASE_LANE(RELEASE_RETRY),
                [MESSAGE_ON_NOT_REACHED] =
                    STEP(MESSAGE_DO_DEFER, MESSAGE_DEFERRED, MESSAGE_REASON_NOT_REACHED),
                [MESSAGE_ON_NOT_REACHED_AT_STOP] = RELEASE_LANE(RELEASE_NOT_REACHED),
                [MESSAGE_ON_BEHIND] = CANCEL(MESSAGE_CANCELLED_BEHIND, RELEASE_BEHIND),
                [MESSAGE_ON_LEASE_LOST] = CANCEL(MESSAGE_LEASE_LOST, MESSAGE_REASON_LEASE_LOST),
                [MESSAGE_ON_STOP_DEADLINE] = CANCEL(MESSAGE_CANCELLED, RELEASE_INTERRUPTED),
            },
        [MESSAGE_CANCELLED] =
            {
                /* The handler may have been done before the cancel. */
                [MESSAGE_ON_DONE] = RECORD(MESSAGE_REASON_DONE),
                [MESSAGE_ON_REJECTED] = RECORD(MESSAGE_REASON_REJECTED),
                [MESSAGE_ON_FAILED] = RELEASE_LANE(RELEASE_INTERRUPTED),
                [MESSAGE_ON_NOT_REACHED] = RELEASE_LANE(RELEASE_INTERRUPTED),
                [MESSAGE_ON_NOT_REACHED_AT_STOP] = RELEASE_LANE(RELEASE_INTERRUPTED),
                [MESSAGE_ON_BEHIND] = CANCEL(MESSAGE_CANCELLED_BEHIND, RELEASE_BEHIND),
                [MESSAGE_ON_LEASE_LOST] = CANCEL(MESSAGE_LEASE_LOST, MESSAGE_REASON_LEASE_LOST),
                [MESSAGE_ON_STOP_DEADLINE] = CANCEL(MESSAGE_CANCELLED, RELEASE_INTERRUPTED),
            },
        [MESSAGE_CANCELLED_BEHIND] =
            {
                /* Also if the handler is done with it: it must not be deleted before the one that
                 * comes back. */
                RELEASE_WHATEVER_CAME(RELEASE_BEHIND),
                [MESSAGE_ON_BEHIND] = CANCEL(MESSAGE_CANCELLED_BEHIND, RELEASE_BEHIND),
                [MESSAGE_ON_LEASE_LOST] = CANCEL(MESSAGE_LEASE_LOST, MESSAGE_REASON_LEASE_LOST),
                [MESSAGE_ON_STOP_DEADLINE] = CANCEL(MESSAGE_CANCELLED_BEHIND, RELEASE_INTERRUPTED),
            },
        [MESSAGE_LEASE_LOST] =
            {
                [MESSAGE_ON_ENDED] = LOSE(MESSAGE_REASON_ENDED),
                [MESSAGE_ON_ENDED_LEASED] = RELEASE(RELEASE_LEASE),
                [MESSAGE_ON_BEHIND] = STEP(MESSAGE_DO_NOTHING, MESSAGE_LEASE_LOST, RELEASE_BEHIND),
                [MESSAGE_ON_STOP_DEADLINE] = CANCEL(MESSAGE_LEASE_LOST, RELEASE_INTERRUPTED),
            },
        [MESSAGE_RECORDING] =
            {
                [MESSAGE_ON_RECORDED] = ACKNOWLEDGE(MESSAGE_REASON_RECORDED),
                [MESSAGE_ON_NO_LEDGER] = ACKNOWLEDGE(MESSAGE_REASON_NO_LEDGER),
                [MESSAGE_ON_BEHIND] = RELEASE(RELEASE_BEHIND),
                [MESSAGE_ON_LEASE_LOST] = RELEASE(RELEASE_LEASE),
            },
        [MESSAGE_ACKNOWLEDGING] =
            {
                [MESSAGE_ON_DELETED] = END(MESSAGE_DELETED, MESSAGE_REASON_DELETED),
                [MESSAGE_ON_NOT_DELETED] = LOSE(MESSAGE_REASON_NOT_DELETED),
                [MESSAGE_ON_NOT_DELETED_LEASED] = LOSE(MESSAGE_REASON_DELETE_REFUSED),
                [MESSAGE_ON_BEHIND] = RELEASE(RELEASE_BEHIND),
                [MESSAGE_ON_BEHIND_SENT] = WITHDRAW(MESSAGE_WITHDRAWN_BEHIND, RELEASE_BEHIND),
                [MESSAGE_ON_LEASE_LOST] = RELEASE(RELEASE_LEASE),
                [MESSAGE_ON_LEASE_LOST_SENT] =
                    WITHDRAW(MESSAGE_WITHDRAWN_LOST, MESSAGE_REASON_LEASE_LOST),
            },
        [MESSAGE_WITHDRAWN_BEHIND] =
            {
                [MESSAGE_ON_DELETED] = END(MESSAGE_DELETED, MESSAGE_REASON_DELETED),
                [MESSAGE_ON_NOT_DELETED] = LOSE(MESSAGE_REASON_NOT_DELETED),
                [MESSAGE_ON_NOT_DELETED_LEASED] = RELEASE(RELEASE_BEHIND),
            },
        [MESSAGE_WITHDRAWN_LOST] =
            {
                [MESSAGE_ON_DELETED] = END(MESSAGE_DELETED, MESSAGE_REASON_DELETED),
                [MESSAGE_ON_NOT_DELETED] = LOSE(MESSAGE_REASON_NOT_DELETED),
                [MESSAGE_ON_NOT_DELETED_LEASED] = RELEASE(RELEASE_LEASE),
            },
        [MESSAGE_RELEASING] =
            {
                [MESSAGE_ON_RELEASED] = END(MESSAGE_RELEASED, MESSAGE_REASON_RELEASED),
                [MESSAGE_ON_NOT_RELEASED] = LOSE(MESSAGE_REASON_NOT_RELEASED),
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
        [MESSAGE_REASON_RECEIVED] = "it was received",
        [MESSAGE_REASON_BEGUN] = "its turn has come",
        [MESSAGE_REASON_COPY] = "a copy of it was handled",
        [MESSAGE_REASON_LEDGER_HIT] = "the ledger knows it as handled",
        [MESSAGE_REASON_DONE] = "the handler is done with it",
        [MESSAGE_REASON_REJECTED] = "the handler has rejected it",
        [MESSAGE_REASON_NOT_REACHED] = "the handler was not reached",
        [MESSAGE_REASON_RECORDED] = "the ledger was written",
        [MESSAGE_REASON_NO_LEDGER] = "there is no ledger to write",
        [MESSAGE_REASON_LEASE_LOST] = "its lease is lost",
        [MESSAGE_REASON_ENDED] = "the handler has ended with it, and its lease is lost",
        [MESSAGE_REASON_DELETED] = "SQS has deleted it",
        [MESSAGE_REASON_NOT_DELETED] = "it was not deleted before its lease ended",
        [MESSAGE_REASON_DELETE_REFUSED] = "SQS has refused to delete it",
        [MESSAGE_REASON_RELEASED] = "SQS has made it visible again",
        [MESSAGE_REASON_NOT_RELEASED] = "SQS has not made it visible before its time",
    };

    return texts[reason];
}
