/* SPDX-License-Identifier: MIT */
/* A message between the source and its settlement. A plain value, in a pool of the producer's,
 * which goes through the states of message-state.h by outgoing_message_apply alone. What is noted on it is
 * written by the functions here and by the lanes. */
#pragma once

#include "producerd/message-state.h"
#include "producerd/source.h"
#include "util/backoff.h"

struct outgoing_message {
    const struct source_message *source; /* NULL: this place of the pool is free */
    size_t bytes;                        /* that SQS counts */
    enum outgoing_state state;
    bool
        needs_own_request; /* goes in a request of its own: a batch with it was refused as a whole */
    int64_t in_doubt_since_usec; /* see deduplication.h */
    unsigned failures;           /* in a row, of the same kind */
    enum backoff_kind failure_kind;

    /* the lanes' (lane.h) */
    struct lane *lane;
    struct outgoing_message *next; /* in its lane; or of the free places */
};

/* Something has happened to a message: it goes into its next state, and the journal has a line of
 * it. Returns what is to be done about it. */
enum outgoing_action outgoing_message_apply(struct outgoing_message *message,
                                            enum outgoing_event event);

/* It has failed in this way. Returns how often in a row. */
unsigned outgoing_message_count_failure(struct outgoing_message *message, enum backoff_kind kind);
