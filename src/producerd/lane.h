/* SPDX-License-Identifier: MIT */
/* Which message may go next. Each message group has a lane: what waits stands in it in order, and
 * something of it goes out only when nothing earlier is outstanding. A lane exists only as long as
 * it has a message; lanes that could go take turns.
 *
 *     add -> waiting -> (peek, take) -> outstanding -> done
 *               ^                            |
 *               +---------- again -----------+
 *
 * Pure: the time is a parameter, in microseconds of any clock that does not jump. */
#pragma once

#include "producerd/outgoing-message.h"

struct lanes;

enum lanes_kind {
    LANES_STRICT,    /* of a lane, one message is outstanding */
    LANES_BATCH,     /* of a lane, what was taken until lanes_seal is outstanding together */
    LANES_UNORDERED, /* no order: each message is a lane of its own, whatever its group */
};

/* At most `messages_max` messages will be in the lanes at once, outstanding ones counted. 0 or
 * -ENOMEM. The messages are borrowed, each from add to done. */
int lanes_new(enum lanes_kind kind, size_t messages_max, struct lanes **ret);
struct lanes *lanes_free(struct lanes *lanes);
DEFINE_CLEANUP(struct lanes *, lanes_free)

/* Puts a message last into the lane of its group; one of SQS_ID_MAX_BYTES at most, and required
 * unless the kind is LANES_UNORDERED. */
void lanes_add(struct lanes *lanes, struct outgoing_message *message);

/* The message whose turn it is, NULL where none may go now; and its taking: from then on it is
 * outstanding. */
struct outgoing_message *lanes_peek(const struct lanes *lanes);
void lanes_take(struct lanes *lanes, struct outgoing_message *message);

/* What was taken since the last call goes out in one batch; its lanes give nothing more until all
 * of it is done or to go again. Only LANES_BATCH needs it. */
void lanes_seal(struct lanes *lanes);

/* An outstanding message is settled. */
void lanes_done(struct lanes *lanes, struct outgoing_message *message);

/* An outstanding message goes again, first of its lane, which rests until `due_usec` (0: not at
 * all). Of several of one lane, the last comes first. */
void lanes_retry(struct lanes *lanes, struct outgoing_message *message, uint64_t due_usec);

/* Gives their turn back to lanes that have rested enough. */
void lanes_wake(struct lanes *lanes, uint64_t now_usec);

/* When the next lane has rested enough; USEC_INFINITY where none rests. */
uint64_t lanes_due_usec(const struct lanes *lanes);

/* How many lanes rest. */
size_t lanes_n_delayed(const struct lanes *lanes);
