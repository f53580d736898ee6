/* SPDX-License-Identifier: MIT */
/* What the files of the hand share, each of which calls those that come after it: inflight.c does
 * all that is due and is what others see, inflight-handling.c has messages handled,
 * inflight-message.c takes them in and lets them go, inflight-state.c makes each transition of a
 * message. What a transition has done it does by a table of what the others offer. */
#pragma once

#include "consumerd/ack-queue.h"
#include "consumerd/handler-trouble.h"
#include "consumerd/idempotency.h"
#include "consumerd/inflight.h"
#include "consumerd/lane.h"
#include "consumerd/lease-renewer.h"

/* What a transition may have done with a message; each is documented with its function below. */
struct hand_actions {
    void (*handle)(struct hand *hand, struct message *message);
    void (*end_handling)(struct hand *hand, struct message *message, uint64_t grace_usec);
    void (*defer)(struct hand *hand, struct message *message);
    void (*record)(struct hand *hand, struct message *message);
    void (*withdraw)(struct hand *hand, struct message *message);
    void (*release)(struct hand *hand, struct message *message, unsigned delay_sec);
    void (*drop_after)(struct hand *hand, struct message *message, const char *why);
    void (*settled)(struct hand *hand, struct message *message, uint64_t *counter);
};

struct hand {
    const struct hand_actions *actions;
    struct handler *handler;
    struct hand_options options;
    hand_changed_fn changed;
    void *userdata;

    struct lanes *lanes;
    struct leases leases;
    struct extender *extender;
    struct settler *deleter, *releaser;
    struct handled handled;
    struct outage outage;
    struct message *isolated; /* with the handler, and nothing may be beside it; NULL: none */
    struct handler_trouble trouble;

    struct list messages; /* the earliest received first: so those of a reply side by side */
    size_t bytes;         /* of their replies */
    size_t n_messages, n_begun, n_handling;
    struct counts counts;
    uint64_t back_usec; /* see struct hand_counts */
    bool is_stopping;
    bool is_receiving; /* what is released could come back in a receive under way */
    bool is_groupless_told;
};

/* "message <id> of group <id>"; a standard queue's messages are of none. */
#define MESSAGE_FORMAT "message %s%s%s"
#define MESSAGE_ARGUMENTS(received)                                                                \
    (received)->message_id, (received)->group_id ? " of group " : "",                              \
        (received)->group_id ? (received)->group_id : ""

/* ---- inflight-state.c ---- */

/* Something has happened to a message: it goes into its next state, the journal has a line of it,
 * and what the table says is done, maybe with further transitions inside. `usec`: of
 * ON_STOP_DEADLINE, the handler's grace; of what releases a message, until it comes back; else 0.
 * After an end the caller must not touch the message. */
void hand_apply(struct hand *hand, struct message *message, enum message_event event,
                uint64_t usec);

/* ---- inflight-message.c ---- */

/* Takes in the i-th message of a reply. 0 or -ENOMEM. */
int hand_take_in(struct hand *hand, struct sqs_reply *reply, size_t i, uint64_t sent_usec,
                 uint64_t now_usec);

/* Takes it out of its lane and its lease, whatever becomes of it. */
void hand_withdraw(struct hand *hand, struct message *message);

/* It is no longer in flight: `*counter` counts it. */
void hand_settled(struct hand *hand, struct message *message, uint64_t *counter);

/* A message leaves our hands, and by then it can be received again: until then it stays hidden, and
 * with it the rest of its group. */
void hand_note_back(struct hand *hand, uint64_t usec);

/* Has it made visible again after that time. */
void hand_release(struct hand *hand, struct message *message, unsigned delay_sec);

/* Gives back all behind it in its lane, because it comes back itself; says how many, and why: `why`
 * follows "comes back: ". */
void hand_drop_after(struct hand *hand, struct message *message, const char *why);

/* A message is no longer ours: it is handed out again. What follows it in its group is dropped with
 * it, or would be handled before it. */
void hand_lose(struct hand *hand, struct message *message, const char *why);

/* Gives back what is not begun, at a stop; does nothing while something is received. */
void hand_release_waiting(struct hand *hand);

/* What extender and settlers call, with the hand. */
void hand_on_lost(void *userdata, struct message *message, const struct batch_result *result);
void hand_on_deleted(void *userdata, struct message *message, enum settled what,
                     const struct batch_result *result);
void hand_on_released(void *userdata, struct message *message, enum settled what,
                      const struct batch_result *result);

/* ---- inflight-handling.c ---- */

/* Begins what may be begun. */
void hand_begin_all(struct hand *hand);

/* Hands it to the handler. What follows from that may happen inside. */
void hand_handle(struct hand *hand, struct message *message);

/* Has the handler end with a message. What follows from that may happen inside. */
void hand_end_handling(struct hand *hand, struct message *message, uint64_t grace_usec);

/* Puts it back into its lane: it is handled later. */
void hand_defer(struct hand *hand, struct message *message);

/* It is handled: it has its id written into the ledger, if there is one. */
void hand_record(struct hand *hand, struct message *message);

/* What the ledger has, or could not take, goes on to be deleted. */
void hand_delete_handled(struct hand *hand);

/* While the handler is away, receives wait for what is in flight; without any of that, for the next
 * try. */
bool hand_is_paused(const struct hand *hand, uint64_t now_usec);

/* When there is to be another try; USEC_INFINITY: none, or it waits for something else. */
uint64_t hand_next_try_usec(const struct hand *hand, uint64_t now_usec);
