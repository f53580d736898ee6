/* SPDX-License-Identifier: MIT */
/* What the files of inflight.h share. Each calls only those listed after it:
 *
 *   inflight.c             the public functions: adds messages, does the work that is due, counts
 *   inflight-handler.c     begins messages and takes the handler's answers
 *   inflight-release.c     how messages end: deleted, released, or their lease is lost
 *   inflight-transition.c  makes every transition of a message
 *
 * A transition may need a function of a file above it, so it calls through a table of functions. */
#pragma once

#include "consumerd/ack-queue.h"
#include "consumerd/idempotency.h"
#include "consumerd/inflight.h"
#include "consumerd/lane.h"
#include "consumerd/lease-renewer.h"
#include "consumerd/outage-log.h"

/* The functions that a transition may call. Each is documented at inflight_<name> below. */
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

    struct consumer_lanes *lanes;
    struct leases leases;
    struct lease_renewer *lease_renewer;
    struct ack_queue *deleter, *releaser;
    struct idempotency idempotency;
    struct outage outage;
    struct message *isolated; /* with the handler, and must be alone there; NULL: none */
    struct outage_log outage_log;

    struct list messages; /* the earliest received first, so messages of one reply are neighbours */
    size_t bytes;         /* of their replies */
    size_t n_messages, n_slots_taken, n_handling;
    struct consumer_counts counts;
    uint64_t visible_usec; /* see struct inflight_status */
    bool is_stopping;
    bool is_receiving; /* see inflight_set_receiving */
    bool has_warned_of_missing_groups;
};

/* "message <id> of group <id>"; messages of a standard queue have no group here. */
#define MESSAGE_FORMAT "message %s%s%s"
#define MESSAGE_ARGUMENTS(received)                                                                \
    (received)->message_id, (received)->group_id ? " of group " : "",                              \
        (received)->group_id ? (received)->group_id : ""

/* ---- inflight-transition.c ---- */

/* Something has happened to a message. Looks the event up in message-state.h, writes the line for
 * the journal, sets the new state and does the table's action. The action may cause further
 * transitions, also of this message, before this function returns. After a final state the caller
 * must not touch the message.
 *
 * `usec`: for MESSAGE_ON_STOP_DEADLINE, the handler's grace; for an event that releases the
 * message, the delay until it becomes visible; for all others 0. */
void inflight_apply(struct inflight *inflight, struct message *message, enum message_event event,
                    uint64_t usec);

/* ---- inflight-release.c ---- */

/* Takes the message out of its lane and out of the messages that wait for the ledger. Stops
 * renewing its lease. */
void inflight_withdraw(struct inflight *inflight, struct message *message);

/* Ends the message: adds 1 to `*counter` and drops the reference. */
void inflight_remove(struct inflight *inflight, struct message *message, uint64_t *counter);

/* A message that is no longer in flight stays hidden at SQS until `usec` at the latest, and the
 * rest of its group with it. */
void inflight_note_visible(struct inflight *inflight, uint64_t usec);

/* Asks SQS to make the message visible in `delay_sec`. */
void inflight_release(struct inflight *inflight, struct message *message, unsigned delay_sec);

/* Releases all messages behind this one in its lane, and logs how many. `why` follows "comes back:
 * " in the line. */
void inflight_release_behind(struct inflight *inflight, struct message *message, const char *why);

/* SQS may give the message to another consumer. Those behind it in its group are released, because
 * they must not be handled before it. `why` is for the log. */
void inflight_lease_lost(struct inflight *inflight, struct message *message, const char *why);

/* At a stop: releases messages that were not begun. Does nothing while receives are under way. */
void inflight_release_waiting(struct inflight *inflight);

/* Callbacks of the lease renewer and of the two ack queues; `userdata` is the struct inflight. */
void inflight_on_lease_lost(void *userdata, struct message *message,
                            const struct ack_result *result);
void inflight_on_deleted(void *userdata, struct message *message, enum ack_outcome what,
                         const struct ack_result *result);
void inflight_on_released(void *userdata, struct message *message, enum ack_outcome what,
                          const struct ack_result *result);

/* ---- inflight-handler.c ---- */

/* Begins messages while there are free slots and messages that may be begun. */
void inflight_begin_ready(struct inflight *inflight);

/* Gives the message to the handler, which may answer before this function returns. */
void inflight_handle(struct inflight *inflight, struct message *message);

/* Cancels the handling of a message. The handler may answer before this function returns. */
void inflight_cancel_handling(struct inflight *inflight, struct message *message,
                              uint64_t grace_usec);

/* At a stop: ends the runs of messages that have not reached the handler, for example while it
 * connects. They are released like messages that were not begun. */
void inflight_cancel_unreached(struct inflight *inflight);

/* The handler was not reached: the message gives up its slot and waits in its lane. */
void inflight_defer(struct inflight *inflight, struct message *message);

/* The message was handled: its id will be written into the ledger, if there is one. */
void inflight_record(struct inflight *inflight, struct message *message);

/* Writes the ledger. Then acknowledges the messages that waited for that, whether or not it could
 * be written. */
void inflight_acknowledge_recorded(struct inflight *inflight);

/* Whether to receive nothing further. True during an outage, unless the next try is due and no
 * message in flight can be tried or is being tried. */
bool inflight_is_paused(const struct inflight *inflight, uint64_t now_usec);

/* When the next message is to be tried; USEC_INFINITY: now, or after something else happens. */
uint64_t inflight_next_retry_usec(const struct inflight *inflight, uint64_t now_usec);
