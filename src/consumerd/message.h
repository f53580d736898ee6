/* A message in hand: from its receipt until SQS has deleted it or has it back. It belongs to the
 * consumer; each module keeps its own notes on it in its own member, and nobody else's. */
#pragma once

#include "counts.h"
#include "list.h"
#include "outage.h"
#include "sqs-reply.h"

struct lane;
struct handler_run;
struct log_receipt;

enum message_state {
    MESSAGE_WAITING,   /* in its lane, not begun */
    MESSAGE_HANDLING,  /* with the handler */
    MESSAGE_ENDING,    /* the lease is lost while it is with the handler: only the end of that is
                          awaited, and its lane waits with it */
    MESSAGE_HANDLED,   /* to be written into the ledger, then deleted */
    MESSAGE_DELETING,  /* to be deleted */
    MESSAGE_RELEASING, /* to be given back */
    MESSAGE_ABANDONED, /* the lease is lost while a delete is on its way: only its answer is awaited
                        */
    MESSAGE_SETTLED,   /* no longer in hand; somebody still holds a reference */
};

struct message {
    unsigned references;
    struct sqs_reply *reply; /* that `received` points into */
    const struct sqs_received_message *received;
    uint64_t received_usec; /* boot clock, before the request that brought it went out */

    /* The consumer's. */
    void *owner;
    struct list of_owner;
    struct list of_handled; /* in MESSAGE_HANDLED */
    enum message_state state;
    bool is_begun;   /* takes one of the places for messages handled at once */
    bool is_ending;  /* the handler was asked to end with it */
    bool is_dropped; /* so it was, because one before it in its lane comes back: so must this */
    enum release_reason release_reason; /* in MESSAGE_RELEASING and MESSAGE_ABANDONED */
    struct handler_run *run;
    struct log_receipt *receipt; /* of the line that will keep a rejected message; NULL: none */
    bool is_rejected;            /* by the handler, but the log could not take that line yet */
    struct outage_mark outage;
    uint64_t asked_usec; /* when a gateway wants it to come back */

    struct {
        struct list by_time;
        uint64_t next_usec; /* when something is to be done about it; at most end_usec */
        uint64_t end_usec;  /* from then on SQS may give it to others */
        bool is_extending;  /* a request for that is on its way */
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
    } settle;
};

/* One reference, for the caller. NULL: no memory. */
struct message *message_new(struct sqs_reply *reply, size_t i, uint64_t received_usec);
struct message *message_ref(struct message *message);
struct message *message_unref(struct message *message);
DEFINE_CLEANUP(struct message *, message_unref)
