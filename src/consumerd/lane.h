/* SPDX-License-Identifier: MIT */
/* Decides which message may be begun next.
 *
 * On a FIFO queue the messages of a group form a lane. One message of a lane is handled at a time,
 * in the order in which they were received; lanes are independent and take turns. Messages without
 * a group in SQS's reply share one lane. On a standard queue each message id is a lane: it holds
 * the message, and any copies that SQS delivers. When one copy has been handled, the others need
 * not be.
 *
 * A handled message stays in its lane until it is removed, because others depend on it: its delete
 * is sent before those of its successors, and when its lease is lost, its successors are
 * released. */
#pragma once

#include "consumerd/message.h"

struct lanes;

/* 0 or -ENOMEM. */
int lanes_new(bool by_group, struct lanes **ret);
struct lanes *lanes_free(struct lanes *lanes); /* all messages must have been removed */
DEFINE_CLEANUP(struct lanes *, lanes_free)

/* Adds a message behind those of its lane. 0 or -ENOMEM. */
int lanes_add(struct lanes *lanes, struct message *message);

/* Returns the next message that may be begun. From now until lanes_handled, lanes_requeue or
 * lanes_remove it counts as being handled, and no other message of its lane may be begun. NULL:
 * none may be begun. */
struct message *lanes_begin_next(struct lanes *lanes);

/* The message that lanes_begin_next would return. */
struct message *lanes_peek(const struct lanes *lanes);

/* The message has been handled: the next of its lane may be begun. */
void lanes_handled(struct lanes *lanes, struct message *message);

/* The message has been handled, but will be released. Its copies need not be handled. */
void lane_mark_handled(struct message *message);

/* Whether the message, in a lane, is a copy of one that has been handled. */
bool lane_is_copy_handled(const struct message *message);

/* The message could not be handled: it waits again as the first of its lane. The other lanes have
 * their turn before it. */
void lanes_requeue(struct lanes *lanes, struct message *message);

/* Removes a message, whatever its state. A message that is in no lane is left alone. */
void lanes_remove(struct lanes *lanes, struct message *message);

/* The neighbours of a message in its lane; NULL: none, or the message is in no lane. */
struct message *lane_before(const struct message *message);
struct message *lane_after(const struct message *message);

/* How many messages may be begun now, one of each lane at most. */
size_t lanes_ready_count(const struct lanes *lanes);
