/* SPDX-License-Identifier: MIT */
/* Shared by queue.c and queue-receive.c. */
#pragma once

#include "queue.h"

/* The messages of one group of a FIFO queue. It exists as long as it has messages. */
struct group {
    struct hash_entry entry;
    struct list messages;
    struct list ready; /* in the queue's ready list, if the head is READY */
};

/* Applies what has become due: visibility timeouts and delays that end, and messages that are too
 * old. */
void queue_advance(struct queue *queue, uint64_t now_usec);

/* Moves a message of the queue to a state. `due_usec` is used only for DELAYED and IN_FLIGHT. Keeps
 * the ready list correct. Returns 0 or -ENOMEM (only from READY to another state). */
int queue_set_state(struct queue *queue, struct message *message, enum message_state state,
                    uint64_t due_usec);

/* Removes a message from the queue. It then belongs to the caller. */
void queue_take(struct queue *queue, struct message *message);

/* Adds a message that is in no queue to the end of this one. Returns 0, or -ENOMEM: it is then
 * still in no queue. */
int queue_put(struct queue *queue, struct message *message, enum message_state state,
              uint64_t due_usec);

struct message *queue_find(struct queue *queue, uint64_t serial);

/* The next sequence number. */
void queue_next_sequence(struct queue *queue, char ret[SEQUENCE_NUMBER_SIZE]);
