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

struct consumer_lanes;

/* 0 or -ENOMEM. */
int consumer_lanes_new(bool by_group, struct consumer_lanes **ret);
struct consumer_lanes *
consumer_lanes_free(struct consumer_lanes *lanes); /* all messages must have been removed */
DEFINE_CLEANUP(struct consumer_lanes *, consumer_lanes_free)

/* Adds a message behind those of its lane. 0 or -ENOMEM. */
int consumer_lanes_add(struct consumer_lanes *lanes, struct message *message);

/* Returns the next message that may be begun. From now until consumer_lanes_handled,
 * consumer_lanes_requeue or consumer_lanes_remove it counts as being handled, and no other message
 * of its lane may be begun. NULL: none may be begun. */
struct message *consumer_lanes_begin_next(struct consumer_lanes *lanes);

/* The message that consumer_lanes_begin_next would return. */
struct message *consumer_lanes_peek(const struct consumer_lanes *lanes);

/* The message has been handled: the next of its lane may be begun. */
void consumer_lanes_handled(struct consumer_lanes *lanes, struct message *message);

/* The message has been handled, but will be released. Its copies need not be handled. */
void lane_mark_handled(struct message *message);

/* Whether the message, in a lane, is a copy of one that has been handled. */
bool lane_is_copy_handled(const struct message *message);

/* The message could not be handled: it waits again as the first of its lane. The other lanes have
 * their turn before it. */
void consumer_lanes_requeue(struct consumer_lanes *lanes, struct message *message);

/* Removes a message, whatever its state. A message that is in no lane is left alone. */
void consumer_lanes_remove(struct consumer_lanes *lanes, struct message *message);

/* The neighbours of a message in its lane; NULL: none, or the message is in no lane. */
struct message *lane_before(const struct message *message);
struct message *lane_after(const struct message *message);

/* How many messages may be begun now, one of each lane at most. */
size_t consumer_lanes_ready_count(const struct consumer_lanes *lanes);
