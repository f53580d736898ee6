/* SPDX-License-Identifier: MIT */
/* Which message may be handled next. On a FIFO queue the messages of a group form a lane: one of
 * them is handled at a time, in the order in which they came; lanes go side by side, and take
 * turns. Messages whose group the server does not tell share one lane. On a standard queue each
 * message is a lane of its own, with the copies of it that SQS may hand out. Once one of them has
 * been handled, none of the others is to be.
 *
 * A message that was handled stays in its lane until it is removed, so that what depends on it can
 * be found: its delete goes before those of its successors, and if its lease is lost they are
 * dropped. */
#pragma once

#include "consumerd/message.h"

struct lanes;

/* 0 or -ENOMEM. */
int lanes_new(bool by_group, struct lanes **ret);
struct lanes *lanes_free(struct lanes *lanes); /* all messages must have been removed */
DEFINE_CLEANUP(struct lanes *, lanes_free)

/* Adds a message behind those of its lane. 0 or -ENOMEM. */
int lanes_add(struct lanes *lanes, struct message *message);

/* The next message that may be handled; it counts as being handled from now on. NULL: none. */
struct message *lanes_begin_next(struct lanes *lanes);

/* The same, but it stays as it is. */
struct message *lanes_peek(const struct lanes *lanes);

/* The message has been handled: the next of its lane may be. */
void lanes_handled(struct lanes *lanes, struct message *message);

/* The message has been handled, but is given back all the same: its copies need not be handled. */
void lane_mark_handled(struct message *message);

/* Whether the message, in a lane, is a copy of one that has been handled. */
bool lane_is_copy_handled(const struct message *message);

/* A message that is being handled could not be: it is the first that waits in its lane again. Other
 * lanes are served before it. */
void lanes_requeue(struct lanes *lanes, struct message *message);

/* Takes a message out, however it stands. One that is in no lane is left alone. */
void lanes_remove(struct lanes *lanes, struct message *message);

/* Its neighbours in its lane; NULL: none. */
struct message *lane_before(const struct message *message);
struct message *lane_after(const struct message *message);

/* How many messages could be begun now: all others wait for one of their own lane. */
size_t lanes_ready_count(const struct lanes *lanes);
