/* SPDX-License-Identifier: MIT */
/* What the queue's two files share; see queue.h and queue.c. */
#pragma once

#include "queue.h"

/* A FIFO queue's messages of one group id; lives while it has any. */
struct group {
    struct hash_entry entry;
    struct list messages;
    struct list ready; /* in the queue's ready list, if the head is READY */
};

/* Does what has become due: visibility and delays that end, messages too old. */
void queue_advance(struct queue *queue, uint64_t now_usec);

/* Moves a message of the queue to a state; due_usec counts for those that end by themselves. Keeps
 * the ready list right. 0 or -ENOMEM (only from READY to another state). */
int queue_set_state(struct queue *queue, struct message *message, enum message_state state,
                    uint64_t due_usec);

/* Takes a message out of the queue; it is the caller's then. */
void queue_take(struct queue *queue, struct message *message);

/* Puts a message that is in no queue at the end of this one. 0 or -ENOMEM: then it is in none. */
int queue_put(struct queue *queue, struct message *message, enum message_state state,
              uint64_t due_usec);

struct message *queue_find(struct queue *queue, uint64_t serial);

/* The next sequence number. */
void queue_next_sequence(struct queue *queue, char ret[SEQUENCE_NUMBER_SIZE]);
