/* SPDX-License-Identifier: MIT */
/* What the files of the hand share, each of which calls those that come after it: inflight.c does
 * all that is due and is what others see, inflight-handler.c has messages handled,
 * inflight-release.c takes them in and lets them go, inflight-transition.c makes each transition of a
 * message. What a transition has done it does by a table of what the others offer. */
#pragma once

#include "consumerd/ack-queue.h"
#include "consumerd/outage-log.h"
#include "consumerd/idempotency.h"
#include "consumerd/inflight.h"
#include "consumerd/lane.h"
#include "consumerd/lease-renewer.h"

/* What a transition may have done with a message; each is documented with its function below. */
struct inflight_actions {
    void (*handle)(struct inflight *inflight, struct message *message);
    void (*cancel_handling)(struct inflight *inflight, struct message *message,
                            uint64_t grace_usec);
    void (*defer)(struct inflight *inflight, struct message *message);
    void (*record)(struct inflight *inflight, struct message *message);
    void (*withdraw)(struct inflight *inflight, struct message *message);
    void (*release)(struct inflight *inflight, struct message *message, unsigned delay_sec);
    void (*release_behind)(struct inflight *inflight, struct message *message, const char *why);
    void (*remove)(struct inflight *inflight, struct message *message, uint64_t *counter);
};

struct inflight {
    const struct inflight_actions *actions;
    struct handler *handler;
    struct inflight_options options;
    inflight_changed_fn changed;
    void *userdata;

    struct lanes *lanes;
    struct leases leases;
    struct lease_renewer *lease_renewer;
    struct ack_queue *deleter, *releaser;
    struct idempotency idempotency;
    struct outage outage;
    struct message *isolated; /* with the handler, and nothing may be beside it; NULL: none */
    struct outage_log outage_log;

    struct list messages; /* the earliest received first: so those of a reply side by side */
    size_t bytes;         /* of their replies */
    size_t n_messages, n_slots_taken, n_handling;
    struct consumer_counts counts;
    uint64_t visible_usec; /* see struct inflight_status */
    bool is_stopping;
    bool is_receiving; /* what is released could come back in a receive under way */
    bool is_groupless_told;
};

/* "message <id> of group <id>"; a standard queue's messages are of none. */
#define MESSAGE_FORMAT "message %s%s%s"
#define MESSAGE_ARGUMENTS(received)                                                                \
    (received)->message_id, (received)->group_id ? " of group " : "",                              \
        (received)->group_id ? (received)->group_id : ""

/* ---- inflight-transition.c ---- */

/* Something has happened to a message: it goes into its next state, the journal has a line of it,
 * and what the table says is done, maybe with further transitions inside. `usec`: of
 * ON_STOP_DEADLINE, the handler's grace; of what releases a message, until it comes back; else 0.
 * After an end the caller must not touch the message. */
void inflight_apply(struct inflight *inflight, struct message *message, enum message_event event,
                    uint64_t usec);

/* ---- inflight-release.c ---- */

/* Takes in the i-th message of a reply. 0 or -ENOMEM. */
int inflight_add_message(struct inflight *inflight, struct sqs_reply *reply, size_t i,
                         uint64_t sent_usec, uint64_t now_usec);

/* Takes it out of its lane and its lease, whatever becomes of it. */
void inflight_withdraw(struct inflight *inflight, struct message *message);

/* It is no longer in flight: `*counter` counts it. */
void inflight_remove(struct inflight *inflight, struct message *message, uint64_t *counter);

/* A message leaves our hands, and by then it can be received again: until then it stays hidden, and
 * with it the rest of its group. */
void inflight_note_visible(struct inflight *inflight, uint64_t usec);

/* Has it made visible again after that time. */
void inflight_release(struct inflight *inflight, struct message *message, unsigned delay_sec);

/* Gives back all behind it in its lane, because it comes back itself; says how many, and why: `why`
 * follows "comes back: ". */
void inflight_release_behind(struct inflight *inflight, struct message *message, const char *why);

/* A message is no longer ours: it is handed out again. What follows it in its group is dropped with
 * it, or would be handled before it. */
void inflight_lease_lost(struct inflight *inflight, struct message *message, const char *why);

/* Gives back what is not begun, at a stop; does nothing while something is received. */
void inflight_release_waiting(struct inflight *inflight);

/* What lease_renewer and ack_queues call, with the hand. */
void inflight_on_lease_lost(void *userdata, struct message *message,
                            const struct ack_result *result);
void inflight_on_deleted(void *userdata, struct message *message, enum ack_outcome what,
                         const struct ack_result *result);
void inflight_on_released(void *userdata, struct message *message, enum ack_outcome what,
                          const struct ack_result *result);

/* ---- inflight-handler.c ---- */

/* Begins what may be begun. */
void inflight_begin_ready(struct inflight *inflight);

/* Hands it to the handler. What follows from that may happen inside. */
void inflight_handle(struct inflight *inflight, struct message *message);

/* Has the handler end with a message. What follows from that may happen inside. */
void inflight_cancel_handling(struct inflight *inflight, struct message *message,
                              uint64_t grace_usec);

/* Puts it back into its lane: it is handled later. */
void inflight_defer(struct inflight *inflight, struct message *message);

/* It is handled: it has its id written into the ledger, if there is one. */
void inflight_record(struct inflight *inflight, struct message *message);

/* What the ledger has, or could not take, goes on to be deleted. */
void inflight_acknowledge_recorded(struct inflight *inflight);

/* While the handler is away, receives wait for what is in flight; without any of that, for the next
 * try. */
bool inflight_is_paused(const struct inflight *inflight, uint64_t now_usec);

/* When there is to be another try; USEC_INFINITY: none, or it waits for something else. */
uint64_t inflight_next_retry_usec(const struct inflight *inflight, uint64_t now_usec);
