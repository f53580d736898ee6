/* SPDX-License-Identifier: MIT */
/* A message in flight. Only inflight_apply changes its state (message-state.h). Each module keeps
 * its data about the message in a member of its own, and offers functions that tell other modules
 * about it. */
#pragma once

#include "consumerd/counts.h"
#include "consumerd/message-state.h"
#include "consumerd/outage.h"
#include "sqs/reply.h"
#include "util/list.h"

struct consumer_lane;
struct handler_run;
struct inflight;
struct log_pending;

struct message {
    unsigned references;
    struct sqs_reply *reply; /* `received` points into it */
    const struct sqs_received_message *received;
    uint64_t received_usec; /* boot clock, before the receive that brought it was sent */

    /* inflight.c and its parts. */
    struct inflight *owner;
    struct list of_owner;
    struct list of_recording;   /* in MESSAGE_RECORDING */
    enum message_state state;   /* only inflight_apply writes it */
    enum message_reason reason; /* of the last transition */
    bool has_slot;              /* it holds one of the inflight_options.concurrency slots */
    struct handler_run *run;
    uint64_t begun_usec;         /* boot clock: the handler got it */
    struct log_pending *receipt; /* of the log line that keeps a rejected message; NULL: none */
    bool is_rejected;            /* by the handler, but the log has not taken that line */
    struct outage_record outage;
    uint64_t gateway_delay_usec; /* that a gateway asked for, when it refused the message */

    struct {
        struct list by_time;
        uint64_t next_usec; /* when to renew it; end_usec: it is not renewed before its end */
        uint64_t end_usec;  /* from then on SQS may deliver it again */
        bool is_renewing;   /* a renewal is under way */
    } lease;

    struct {
        struct consumer_lane *lane; /* NULL: in none */
        struct list of_lane, ready;
        bool is_running, is_handled;
    } position; /* in its lane */

    struct {
        struct list pending;
        uint64_t ready_usec; /* it is not sent before */
        uint64_t flush_usec; /* from then on it waits for no others to share its request */
        unsigned failures, visibility_sec;
        bool is_sent, is_last_try;
    } ack;
};

/* One reference, for the caller. NULL: no memory. */
struct message *message_new(struct sqs_reply *reply, size_t i, uint64_t received_usec);
struct message *message_ref(struct message *message);
struct message *message_unref(struct message *message);
DEFINE_CLEANUP(struct message *, message_unref)
