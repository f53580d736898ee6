/* SPDX-License-Identifier: MIT */
/* Of each group, how many messages are out of the spool, and from where on its messages were passed
 * over because that was enough. The spool is read in order once; a group that was passed over is
 * read by itself, from the first message passed over on, whenever it has room, and is passed over
 * by the reading in order until it has caught up: so each group's messages go out in order.
 *
 * Pure. All memory is there from the start. */
#pragma once

#include "sqs/message.h"

struct spool_groups;

/* `in_flight_max` messages of a group, `groups_max` groups. 0 or -ENOMEM. */
int spool_groups_new(unsigned in_flight_max, size_t groups_max, struct spool_groups **ret);
struct spool_groups *spool_groups_free(struct spool_groups *groups);
DEFINE_CLEANUP(struct spool_groups *, spool_groups_free)

enum group_decision {
    GROUP_TAKE, /* it goes out */
    GROUP_SKIP, /* not now: noted */
    GROUP_STOP, /* not now, and too many groups are known to note it: read on from here when
                        one is done */
};

/* The reading in order has come to a message of the group (at most SQS_ID_MAX_BYTES). */
enum group_decision spool_groups_decide(struct spool_groups *groups, const char *group_id,
                                        uint64_t number);

/* A message that had gone out is settled, or has not gone out after all. */
void spool_groups_done(struct spool_groups *groups, const char *group_id);

/* A group that was passed over and has room: its id, and the number from which on to look; NULL
 * where there is none. Followed by one of the next two: its message goes out, or there is none up
 * to where the reading in order has come. Borrowed until then. */
const char *spool_groups_next_lagging(const struct spool_groups *groups, uint64_t *ret_number);
void spool_groups_lagging_found(struct spool_groups *groups, uint64_t number);
void spool_groups_caught_up(struct spool_groups *groups);

/* How many groups are known. */
size_t spool_groups_count(const struct spool_groups *groups);
