/* SPDX-License-Identifier: MIT */
/* A message in flight: from its receipt until SQS has deleted it or has it back. It belongs to the
 * consumer, whose inflight_apply alone makes its way through the states of message-state.h. Each module
 * keeps its own notes on it in its own member, and tells others of them by its functions. */
#pragma once

#include "consumerd/counts.h"
#include "consumerd/message-state.h"
#include "consumerd/outage.h"
#include "sqs/reply.h"
#include "util/list.h"

struct lane;
struct handler_run;
struct log_pending;

struct message {
    unsigned references;
    struct sqs_reply *reply; /* that `received` points into */
    const struct sqs_received_message *received;
    uint64_t received_usec; /* boot clock, before the request that brought it went out */

    /* The consumer's. */
    void *owner;
    struct list of_owner;
    struct list of_recording;   /* in MESSAGE_RECORDING */
    enum message_state state;   /* written by inflight_apply alone */
    enum message_reason reason; /* why it is in it */
    bool has_slot;              /* takes one of the slots for messages handled at once */
    struct handler_run *run;
    struct log_pending *receipt; /* of the line that will keep a rejected message; NULL: none */
    bool is_rejected;            /* by the handler, but the log could not take that line yet */
    struct outage_record outage;
    uint64_t asked_usec; /* when a gateway wants it to come back */

    struct {
        struct list by_time;
        uint64_t next_usec; /* when something is to be done about it; at most end_usec */
        uint64_t end_usec;  /* from then on SQS may give it to others */
        bool is_renewing;   /* a request for that is on its way */
    } lease;

    struct {
        struct lane *lane; /* NULL: in none */
        struct list of_lane, ready;
        bool is_running, is_handled;
    } place;

    struct {
        struct list pending;
        uint64_t ready_usec; /* not sent before */
        uint64_t flush_usec; /* not kept longer for others to share the request */
        unsigned failures, visibility_sec;
        bool is_in_flight, is_last_try;
    } ack;
};

/* One reference, for the caller. NULL: no memory. */
struct message *message_new(struct sqs_reply *reply, size_t i, uint64_t received_usec);
struct message *message_ref(struct message *message);
struct message *message_unref(struct message *message);
DEFINE_CLEANUP(struct message *, message_unref)
