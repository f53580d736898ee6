/* SPDX-License-Identifier: MIT */
/* Limits how many messages of each group are in flight, and remembers which groups lag behind.
 *
 * The spool reads its rows in order, once. When a group has enough messages in flight, its rows are
 * skipped, and it is lagging: it is then read by its group id, from the first skipped row on,
 * whenever one of its messages is settled. The reading in order skips it until it has caught up. So
 * each group's messages are read in order, and a stuck group does not hold up the others.
 *
 * Pure. All memory is allocated at the start. */
#pragma once

#include "sqs/message.h"

struct spool_groups;

/* `in_flight_max` bounds the messages of a group, `groups_max` the groups. Returns 0 or -ENOMEM. */
int spool_groups_new(unsigned in_flight_max, size_t groups_max, struct spool_groups **ret);
struct spool_groups *spool_groups_free(struct spool_groups *groups);
DEFINE_CLEANUP(struct spool_groups *, spool_groups_free)

enum group_decision {
    GROUP_TAKE, /* send it; it counts as in flight */
    GROUP_SKIP, /* skip it; the group is lagging */
    /* too many groups are known to remember another one: stop reading here until a message is
     * settled */
    GROUP_STOP,
};

/* Decides about the row `number`, a message of the group, which the reading in order has reached.
 * The id has at most SQS_ID_MAX_BYTES. */
enum group_decision spool_groups_decide(struct spool_groups *groups, const char *group_id,
                                        uint64_t number);

/* A message in flight was settled, or was not sent after all. */
void spool_groups_done(struct spool_groups *groups, const char *group_id);

/* Returns the id of a lagging group that may have a message more in flight, with the number of the
 * row from which to read it; NULL when there is none. One of the next two calls must follow, and
 * the id is borrowed until then. spool_groups_lagging_found: the row `number` was found, and its
 * message is in flight. spool_groups_caught_up: the group has no more rows among those that the
 * reading in order has passed. */
const char *spool_groups_next_lagging(const struct spool_groups *groups, uint64_t *ret_number);
void spool_groups_lagging_found(struct spool_groups *groups, uint64_t number);
void spool_groups_caught_up(struct spool_groups *groups);

/* The number of known groups. */
size_t spool_groups_count(const struct spool_groups *groups);
