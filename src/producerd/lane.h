/* SPDX-License-Identifier: MIT */
/* Decides which message is sent next. Each message group has a lane: a queue in which its messages
 * wait in order. A message leaves its lane only when no earlier message of the lane is outstanding.
 * Lanes that have a message ready take turns. A lane exists only as long as it has a message.
 *
 *     add -> waiting -> (peek, take) -> outstanding -> done
 *               ^                            |
 *               +---------- retry -----------+
 *
 * Pure: the time is a parameter, in microseconds of any clock that does not jump. */
#pragma once

#include "producerd/outgoing-message.h"

struct producer_lanes;

enum producer_lanes_kind {
    LANES_STRICT,    /* one message of a lane is outstanding at a time */
    LANES_BATCH,     /* the messages of a lane in one batch are outstanding together */
    LANES_UNORDERED, /* no order: each message has a lane of its own */
};

/* `messages_max` bounds the messages in the lanes, outstanding ones included. Messages are borrowed
 * from producer_lanes_add to producer_lanes_done. Returns 0 or -ENOMEM. */
int producer_lanes_new(enum producer_lanes_kind kind, size_t messages_max,
                       struct producer_lanes **ret);
struct producer_lanes *producer_lanes_free(struct producer_lanes *lanes);
DEFINE_CLEANUP(struct producer_lanes *, producer_lanes_free)

/* Appends a message to the lane of its group. The group id is required unless the kind is
 * LANES_UNORDERED, and has at most SQS_ID_MAX_BYTES. */
void producer_lanes_add(struct producer_lanes *lanes, struct outgoing_message *message);

/* producer_lanes_peek returns the message that is sent next, or NULL when none may go.
 * producer_lanes_take makes that message outstanding. */
struct outgoing_message *producer_lanes_peek(const struct producer_lanes *lanes);
void producer_lanes_take(struct producer_lanes *lanes, struct outgoing_message *message);

/* Closes the batch of the messages taken since the last call. Their lanes give no further message
 * until all of these are done or put back. Only LANES_BATCH needs it. */
void producer_lanes_seal(struct producer_lanes *lanes);

/* An outstanding message is settled: it leaves its lane. */
void producer_lanes_done(struct producer_lanes *lanes, struct outgoing_message *message);

/* Puts an outstanding message back at the front of its lane. The lane waits until `due_usec` (0:
 * not at all). When several messages of one lane are put back, put the last one back first. */
void producer_lanes_retry(struct producer_lanes *lanes, struct outgoing_message *message,
                          uint64_t due_usec);

/* Makes the delayed lanes whose time has come ready again. */
void producer_lanes_wake(struct producer_lanes *lanes, uint64_t now_usec);

/* The time at which the next delayed lane is due; USEC_INFINITY when none is delayed. */
uint64_t producer_lanes_due_usec(const struct producer_lanes *lanes);
