/* SPDX-License-Identifier: MIT */
/* A message from the moment at which the producer takes it from the source until it is settled. Its
 * memory is a slot of the producer's pool. Its state changes only in outgoing_message_apply; its
 * other notes are written by this file, by deduplication.h and by the lanes. */
#pragma once

#include "aws/backoff.h"
#include "producerd/message-state.h"
#include "producerd/source.h"
#include "util/list.h"

struct outgoing_message {
    const struct source_message *source; /* NULL: this slot of the pool is free */
    size_t bytes;                        /* as sqs_message_bytes counts */
    enum outgoing_state state;
    /* SQS refused a batch with it as a whole: it goes in a request of its own */
    bool needs_own_request;
    int64_t in_doubt_since_usec; /* boot clock (deduplication.h) */
    unsigned failures;           /* in a row, of failure_kind */
    enum backoff_kind failure_kind;

    /* used by the lanes (lane.h) */
    struct producer_lane *lane;
    struct list lane_link;              /* while it waits in its lane */
    struct outgoing_message *next_free; /* in the list of free slots */
};

/* Changes the state of the message by the table of message-state.h, and writes the change to the
 * journal at debug level. Returns the action that the caller must do. */
enum outgoing_action outgoing_message_apply(struct outgoing_message *message,
                                            enum outgoing_event event);

/* Counts a failure. Returns the number of failures of this kind in a row, for the back-off. */
unsigned outgoing_message_count_failure(struct outgoing_message *message, enum backoff_kind kind);
