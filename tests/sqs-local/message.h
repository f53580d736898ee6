/* SPDX-License-Identifier: MIT */
/* A message in a queue. All its bytes are in one allocation. */
#pragma once

#include "deduplication.h"
#include "sqs/message.h"
#include "timer-heap.h"

enum message_state {
    MESSAGE_DELAYED,   /* cannot be received yet */
    MESSAGE_READY,     /* may be received when its group may be */
    MESSAGE_IN_FLIGHT, /* received, and neither deleted nor visible again */
};

struct message {
    enum message_state state;
    struct timer due;     /* DELAYED, IN_FLIGHT: when it becomes READY; in the queue's heap */
    struct list of_queue; /* among all messages of the queue, the oldest first */
    struct list
        of_group; /* FIFO: among its group's, in order; standard: in the queue's ready list */
    struct group *group;     /* FIFO: where of_group is; else NULL */
    struct hash_entry entry; /* by serial */
    uint64_t serial;         /* counts up in each queue */
    uint32_t generation;     /* how often this queue has delivered it */
    char *attempt_id;        /* of the receive that delivered it, or NULL; owned */

    uint64_t sent_usec;
    uint64_t first_received_usec; /* 0: never */
    uint64_t received_usec;       /* the newest receive; 0: never */
    unsigned receive_count;       /* in all queues that it has been in */
    bool is_copy;                 /* of another message that the queue has or had */
    char message_id[MESSAGE_ID_SIZE];
    char sequence_number[SEQUENCE_NUMBER_SIZE]; /* "" on a standard queue */

    const char *body;
    size_t body_bytes;
    const char *group_id;         /* NULL: none */
    const char *deduplication_id; /* NULL: none */
    const char *trace_header;     /* AWSTraceHeader, or NULL */
    char *source_queue;           /* the name of the queue it was moved from, or NULL; owned */
    struct sqs_attribute *attributes;
    size_t n_attributes;
};

/* The parts of a new message. All pointers are borrowed. */
struct message_parts {
    const char *message_id;
    const char *body;
    size_t body_bytes;
    const char *group_id;         /* NULL: none */
    const char *deduplication_id; /* NULL: none */
    const char *trace_header;     /* NULL: none */
    const struct sqs_attribute *attributes;
    size_t n_attributes;
};

/* Makes a message from copies of the parts. Returns 0 or -ENOMEM. */
int message_new(const struct message_parts *parts, struct message **ret);

/* Frees a message that is in no queue. */
struct message *message_free(struct message *message);
DEFINE_CLEANUP(struct message *, message_free)
