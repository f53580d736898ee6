/* SPDX-License-Identifier: MIT */
/* See lane.h. A lane is in one of three places: in `ready`, the line of those that have a message
 * that may go; in `resting`, sorted by the time of its next try; or in none, while it is
 * outstanding. Groups find their lane by a hash table. All memory is there from the start (its
 * pages are touched when they are needed): a lane without a message serves the next group. */
#include "producerd/lane.h"

#include <assert.h>
#include <errno.h>

#include "util/hash-table.h"
#include "util/list.h"

enum place { PLACE_NONE, PLACE_READY, PLACE_RESTING };

struct lane {
    struct list of_place;
    struct hash_entry entry;
    struct lane *next_idle, *next_open;
    struct outgoing *first, *last; /* waiting, in order */
    size_t n_outstanding;
    enum place place;
    bool is_open; /* LANES_BATCH: may add to the batch that is being filled */
    uint64_t due_usec;
    char group_id[SQS_ID_MAX_BYTES + 1];
};

struct lanes {
    enum lanes_kind kind;
    struct list ready, resting;
    struct lane *open, *idle;
    size_t n_resting;
    struct lane *pool; /* the first n_used of n_max have been in use */
    size_t n_used, n_max;
    struct hash_table by_group;
};

/* NULL stays so. */
static struct lane *of_place(struct list *link)
{
    return link ? CONTAINER_OF(link, struct lane, of_place) : NULL;
}

static void make_ready(struct lanes *lanes, struct lane *lane)
{
    lane->place = PLACE_READY;
    list_append(&lanes->ready, &lane->of_place);
}

static void unready(struct lanes *lanes, struct lane *lane)
{
    list_remove(&lane->of_place);
    lane->place = PLACE_NONE;
}

static void make_rest(struct lanes *lanes, struct lane *lane)
{
    struct list *before = &lanes->resting;

    while (before->previous != &lanes->resting &&
           of_place(before->previous)->due_usec > lane->due_usec)
        before = before->previous;
    lane->place = PLACE_RESTING;
    list_insert_before(before, &lane->of_place);
    lanes->n_resting++;
}

static struct lane *lane_new(struct lanes *lanes)
{
    struct lane *lane = lanes->idle;

    if (lane) {
        lanes->idle = lane->next_idle;
    } else {
        assert(lanes->n_used < lanes->n_max);
        lane = &lanes->pool[lanes->n_used++];
    }
    memset(lane, 0, offsetof(struct lane, group_id));
    return lane;
}

static struct lane *lane_of(struct lanes *lanes, const char *group_id)
{
    size_t size = strlen(group_id) + 1;
    struct hash_entry *found = hash_table_find(&lanes->by_group, group_id, size);
    struct lane *lane;

    if (found)
        return CONTAINER_OF(found, struct lane, entry);
    assert(size <= sizeof(lane->group_id));
    lane = lane_new(lanes);
    memcpy(lane->group_id, group_id, size);
    (void)hash_table_insert(&lanes->by_group, &lane->entry, lane->group_id, size); /* reserved */
    return lane;
}

static void retire(struct lanes *lanes, struct lane *lane)
{
    if (lanes->kind != LANES_NONE)
        hash_table_remove(&lanes->by_group, &lane->entry);
    lane->next_idle = lanes->idle;
    lanes->idle = lane;
}

int lanes_new(enum lanes_kind kind, size_t messages_max, struct lanes **ret)
{
    CLEANUP(lanes_free) struct lanes *lanes = calloc(1, sizeof(*lanes));

    if (!lanes)
        return -ENOMEM;
    lanes->kind = kind;
    lanes->n_max = messages_max;
    list_init(&lanes->ready);
    list_init(&lanes->resting);
    lanes->pool = calloc(messages_max, sizeof(struct lane));
    if (!lanes->pool ||
        (kind != LANES_NONE && hash_table_reserve(&lanes->by_group, 2 * messages_max) < 0))
        return -ENOMEM;
    *ret = TAKE(lanes);
    return 0;
}

struct lanes *lanes_free(struct lanes *lanes)
{
    if (lanes) {
        hash_table_done(&lanes->by_group);
        free(lanes->pool);
        free(lanes);
    }
    return NULL;
}

static void push_back(struct lane *lane, struct outgoing *message)
{
    message->lane = lane;
    message->next = NULL;
    if (lane->last)
        lane->last->next = message;
    else
        lane->first = message;
    lane->last = message;
}

static void push_front(struct lane *lane, struct outgoing *message)
{
    message->next = lane->first;
    lane->first = message;
    if (!lane->last)
        lane->last = message;
}

static void pop_front(struct lane *lane)
{
    lane->first = lane->first->next;
    if (!lane->first)
        lane->last = NULL;
}

void lanes_add(struct lanes *lanes, struct outgoing *message)
{
    struct lane *lane = lanes->kind == LANES_NONE
                            ? lane_new(lanes)
                            : lane_of(lanes, message->source->message.group_id);

    push_back(lane, message);
    if (lane->place == PLACE_NONE && (lane->n_outstanding == 0 || lane->is_open))
        make_ready(lanes, lane);
}

struct outgoing *lanes_peek(const struct lanes *lanes)
{
    struct lane *lane = of_place(list_first(&lanes->ready));

    return lane ? lane->first : NULL;
}

void lanes_take(struct lanes *lanes, struct outgoing *message)
{
    struct lane *lane = message->lane;

    assert(lane->place == PLACE_READY && lane->first == message);
    pop_front(lane);
    lane->n_outstanding++;
    if (lanes->kind != LANES_BATCH) {
        unready(lanes, lane);
        return;
    }
    if (!lane->is_open) {
        lane->is_open = true;
        lane->next_open = lanes->open;
        lanes->open = lane;
    }
    if (!lane->first)
        unready(lanes, lane);
}

void lanes_seal(struct lanes *lanes)
{
    for (struct lane *lane = lanes->open; lane; lane = lane->next_open) {
        lane->is_open = false;
        if (lane->place == PLACE_READY)
            unready(lanes, lane);
    }
    lanes->open = NULL;
}

/* One message less is outstanding. */
static void release(struct lanes *lanes, struct lane *lane)
{
    assert(lane->n_outstanding > 0 && lane->place == PLACE_NONE && !lane->is_open);
    if (--lane->n_outstanding > 0)
        return;
    if (!lane->first)
        retire(lanes, lane);
    else if (lane->due_usec > 0)
        make_rest(lanes, lane);
    else
        make_ready(lanes, lane);
}

void lanes_done(struct lanes *lanes, struct outgoing *message)
{
    release(lanes, TAKE(message->lane));
}

void lanes_again(struct lanes *lanes, struct outgoing *message, uint64_t due_usec)
{
    struct lane *lane = message->lane;

    push_front(lane, message);
    lane->due_usec = MAX(lane->due_usec, due_usec);
    release(lanes, lane);
}

void lanes_wake(struct lanes *lanes, uint64_t now_usec)
{
    struct lane *lane;

    while ((lane = of_place(list_first(&lanes->resting))) && lane->due_usec <= now_usec) {
        list_remove(&lane->of_place);
        lanes->n_resting--;
        lane->due_usec = 0;
        make_ready(lanes, lane);
    }
}

uint64_t lanes_due_usec(const struct lanes *lanes)
{
    struct lane *lane = of_place(list_first(&lanes->resting));

    return lane ? lane->due_usec : USEC_INFINITY;
}

size_t lanes_resting(const struct lanes *lanes)
{
    return lanes->n_resting;
}
