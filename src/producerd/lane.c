/* SPDX-License-Identifier: MIT */
/* A lane stands in one of two lists: `ready` when a message of it may be sent, `delayed`, sorted by
 * time, when it waits to retry. It stands in neither while its message is outstanding. A hash table
 * finds the lane of a group. All memory is allocated at the start, and the kernel supplies its
 * pages when they are first used. A lane without a message serves the next group. */
#include "producerd/lane.h"

#include <assert.h>
#include <errno.h>

#include "util/hash-table.h"
#include "util/list.h"

enum lane_state { LANE_UNLISTED, LANE_READY, LANE_DELAYED };

struct producer_lane {
    struct list link;
    struct hash_entry entry;
    struct producer_lane *next_idle, *next_open;
    struct list waiting; /* its messages that are not outstanding, in order */
    size_t n_outstanding;
    enum lane_state state;
    bool is_open; /* LANES_BATCH: it may add to the open batch */
    uint64_t due_usec;
    char group_id[SQS_ID_MAX_BYTES + 1];
};

struct producer_lanes {
    enum producer_lanes_kind kind;
    struct list ready, delayed;
    struct producer_lane *open, *idle;
    struct producer_lane *pool; /* n_max lanes; the first n_used were in use before */
    size_t n_used, n_max;
    struct hash_table by_group;
};

/* NULL gives NULL. */
static struct producer_lane *lane_of_link(struct list *link)
{
    return link ? CONTAINER_OF(link, struct producer_lane, link) : NULL;
}

static void make_ready(struct producer_lanes *lanes, struct producer_lane *lane)
{
    lane->state = LANE_READY;
    list_append(&lanes->ready, &lane->link);
}

static void make_unlisted(struct producer_lanes *lanes, struct producer_lane *lane)
{
    list_remove(&lane->link);
    lane->state = LANE_UNLISTED;
}

static void make_delayed(struct producer_lanes *lanes, struct producer_lane *lane)
{
    struct list *before = &lanes->delayed;

    while (before->previous != &lanes->delayed &&
           lane_of_link(before->previous)->due_usec > lane->due_usec)
        before = before->previous;
    lane->state = LANE_DELAYED;
    list_insert_before(before, &lane->link);
}

static struct producer_lane *lane_new(struct producer_lanes *lanes)
{
    struct producer_lane *lane = lanes->idle;

    if (lane) {
        lanes->idle = lane->next_idle;
    } else {
        assert(lanes->n_used < lanes->n_max);
        lane = &lanes->pool[lanes->n_used++];
    }
    memset(lane, 0, offsetof(struct producer_lane, group_id));
    list_init(&lane->waiting);
    return lane;
}

static struct producer_lane *lane_of_group(struct producer_lanes *lanes, const char *group_id)
{
    size_t size = strlen(group_id) + 1;
    struct hash_entry *found = hash_table_find(&lanes->by_group, group_id, size);
    struct producer_lane *lane;

    if (found)
        return CONTAINER_OF(found, struct producer_lane, entry);
    assert(size <= sizeof(lane->group_id));
    lane = lane_new(lanes);
    memcpy(lane->group_id, group_id, size);
    (void)hash_table_insert(&lanes->by_group, &lane->entry, lane->group_id, size); /* reserved */
    return lane;
}

static void lane_recycle(struct producer_lanes *lanes, struct producer_lane *lane)
{
    if (lanes->kind != LANES_UNORDERED)
        hash_table_remove(&lanes->by_group, &lane->entry);
    lane->next_idle = lanes->idle;
    lanes->idle = lane;
}

int producer_lanes_new(enum producer_lanes_kind kind, size_t messages_max,
                       struct producer_lanes **ret)
{
    CLEANUP(producer_lanes_free) struct producer_lanes *lanes = calloc(1, sizeof(*lanes));

    if (!lanes)
        return -ENOMEM;
    lanes->kind = kind;
    lanes->n_max = messages_max;
    list_init(&lanes->ready);
    list_init(&lanes->delayed);
    lanes->pool = calloc(messages_max, sizeof(struct producer_lane));
    if (!lanes->pool ||
        (kind != LANES_UNORDERED && hash_table_reserve(&lanes->by_group, 2 * messages_max) < 0))
        return -ENOMEM;
    *ret = TAKE(lanes);
    return 0;
}

struct producer_lanes *producer_lanes_free(struct producer_lanes *lanes)
{
    if (lanes) {
        hash_table_done(&lanes->by_group);
        free(lanes->pool);
        free(lanes);
    }
    return NULL;
}

static struct outgoing_message *first_waiting(const struct producer_lane *lane)
{
    struct list *first = list_first(&lane->waiting);

    return first ? CONTAINER_OF(first, struct outgoing_message, lane_link) : NULL;
}

void producer_lanes_add(struct producer_lanes *lanes, struct outgoing_message *message)
{
    struct producer_lane *lane = lanes->kind == LANES_UNORDERED
                                     ? lane_new(lanes)
                                     : lane_of_group(lanes, message->source->message.group_id);

    message->lane = lane;
    list_append(&lane->waiting, &message->lane_link);
    if (lane->state == LANE_UNLISTED && (lane->n_outstanding == 0 || lane->is_open))
        make_ready(lanes, lane);
}

struct outgoing_message *producer_lanes_peek(const struct producer_lanes *lanes)
{
    struct producer_lane *lane = lane_of_link(list_first(&lanes->ready));

    return lane ? first_waiting(lane) : NULL;
}

void producer_lanes_take(struct producer_lanes *lanes, struct outgoing_message *message)
{
    struct producer_lane *lane = message->lane;

    assert(lane->state == LANE_READY && first_waiting(lane) == message);
    list_remove(&message->lane_link);
    lane->n_outstanding++;
    if (lanes->kind != LANES_BATCH) {
        make_unlisted(lanes, lane);
        return;
    }
    if (!lane->is_open) {
        lane->is_open = true;
        lane->next_open = lanes->open;
        lanes->open = lane;
    }
    if (list_is_empty(&lane->waiting))
        make_unlisted(lanes, lane);
}

void producer_lanes_seal(struct producer_lanes *lanes)
{
    for (struct producer_lane *lane = lanes->open; lane; lane = lane->next_open) {
        lane->is_open = false;
        if (lane->state == LANE_READY)
            make_unlisted(lanes, lane);
    }
    lanes->open = NULL;
}

/* One message of the lane is no longer outstanding. */
static void end_attempt(struct producer_lanes *lanes, struct producer_lane *lane)
{
    assert(lane->n_outstanding > 0 && lane->state == LANE_UNLISTED && !lane->is_open);
    if (--lane->n_outstanding > 0)
        return;
    if (list_is_empty(&lane->waiting))
        lane_recycle(lanes, lane);
    else if (lane->due_usec > 0)
        make_delayed(lanes, lane);
    else
        make_ready(lanes, lane);
}

void producer_lanes_done(struct producer_lanes *lanes, struct outgoing_message *message)
{
    end_attempt(lanes, TAKE(message->lane));
}

void producer_lanes_retry(struct producer_lanes *lanes, struct outgoing_message *message,
                          uint64_t due_usec)
{
    struct producer_lane *lane = message->lane;

    list_prepend(&lane->waiting, &message->lane_link);
    lane->due_usec = MAX(lane->due_usec, due_usec);
    end_attempt(lanes, lane);
}

void producer_lanes_wake(struct producer_lanes *lanes, uint64_t now_usec)
{
    struct producer_lane *lane;

    while ((lane = lane_of_link(list_first(&lanes->delayed))) && lane->due_usec <= now_usec) {
        list_remove(&lane->link);
        lane->due_usec = 0;
        make_ready(lanes, lane);
    }
}

uint64_t producer_lanes_due_usec(const struct producer_lanes *lanes)
{
    struct producer_lane *lane = lane_of_link(list_first(&lanes->delayed));

    return lane ? lane->due_usec : USEC_INFINITY;
}
