/* SPDX-License-Identifier: MIT */
/* A hash table finds a lane by its group id or message id. A lane exists as long as it has
 * messages, so there are never more lanes than messages in flight. `ready` holds the one message of
 * each lane that may be begun. */
#include "consumerd/lane.h"

#include <assert.h>
#include <errno.h>

#include "util/hash-table.h"

struct consumer_lane {
    struct hash_entry entry;
    struct list messages; /* first handled ones, then the running one, then those that wait */
    struct message *running;
    bool is_by_group;
    bool is_handled; /* one of its messages was handled; that one may be removed */
    char id[];
};

struct consumer_lanes {
    bool by_group;
    struct list ready;
    size_t n_ready;
    struct hash_table by_id;
};

static struct message *of(struct list *link)
{
    return CONTAINER_OF(link, struct message, position.of_lane);
}

int consumer_lanes_new(bool by_group, struct consumer_lanes **ret)
{
    struct consumer_lanes *lanes = calloc(1, sizeof(*lanes));

    if (!lanes)
        return -ENOMEM;
    lanes->by_group = by_group;
    list_init(&lanes->ready);
    *ret = lanes;
    return 0;
}

struct consumer_lanes *consumer_lanes_free(struct consumer_lanes *lanes)
{
    if (!lanes)
        return NULL;
    assert(lanes->by_id.n_entries == 0 && list_is_empty(&lanes->ready));
    hash_table_done(&lanes->by_id);
    free(lanes);
    return NULL;
}

static struct consumer_lane *find_or_add(struct consumer_lanes *lanes, const char *id)
{
    size_t size = strlen(id) + 1;
    struct hash_entry *found = hash_table_find(&lanes->by_id, id, size);
    struct consumer_lane *lane;

    if (found)
        return CONTAINER_OF(found, struct consumer_lane, entry);
    lane = calloc(1, sizeof(*lane) + size);
    if (!lane)
        return NULL;
    memcpy(lane->id, id, size);
    lane->is_by_group = lanes->by_group;
    list_init(&lane->messages);
    if (hash_table_insert(&lanes->by_id, &lane->entry, lane->id, size) < 0) {
        free(lane);
        return NULL;
    }
    return lane;
}

static void add_ready(struct consumer_lanes *lanes, struct message *m)
{
    list_append(&lanes->ready, &m->position.ready);
    lanes->n_ready++;
}

static void remove_ready(struct consumer_lanes *lanes, struct message *m)
{
    if (!list_is_linked(&m->position.ready))
        return;
    list_remove(&m->position.ready);
    lanes->n_ready--;
}

/* Makes the lane's first waiting message ready, unless one is being handled. */
static void advance(struct consumer_lanes *lanes, struct consumer_lane *lane)
{
    if (lane->running)
        return;
    LIST_FOREACH(&lane->messages, link)
    {
        struct message *m = of(link);

        if (m->position.is_handled)
            continue;
        if (!list_is_linked(&m->position.ready))
            add_ready(lanes, m);
        return;
    }
}

/* On a standard queue a group id names a tenant (fair queues), and demands no order. */
static const char *lane_id(const struct consumer_lanes *lanes, const struct message *m)
{
    if (!lanes->by_group)
        return m->received->message_id;
    return m->received->group_id ? m->received->group_id : ""; /* no group has this id */
}

int consumer_lanes_add(struct consumer_lanes *lanes, struct message *m)
{
    struct consumer_lane *lane;

    assert(!m->position.lane && !list_is_linked(&m->position.ready));
    m->position.is_running = m->position.is_handled = false;
    lane = find_or_add(lanes, lane_id(lanes, m));
    if (!lane)
        return -ENOMEM;
    m->position.lane = lane;
    list_append(&lane->messages, &m->position.of_lane);
    advance(lanes, lane);
    return 0;
}

struct message *consumer_lanes_peek(const struct consumer_lanes *lanes)
{
    return list_is_empty(&lanes->ready)
               ? NULL
               : CONTAINER_OF(lanes->ready.next, struct message, position.ready);
}

struct message *consumer_lanes_begin_next(struct consumer_lanes *lanes)
{
    struct message *m = consumer_lanes_peek(lanes);

    if (!m)
        return NULL;
    remove_ready(lanes, m);
    m->position.is_running = true;
    m->position.lane->running = m;
    return m;
}

void consumer_lanes_handled(struct consumer_lanes *lanes, struct message *m)
{
    assert(m->position.is_running);
    m->position.is_running = false;
    m->position.is_handled = true;
    m->position.lane->running = NULL;
    m->position.lane->is_handled = true;
    advance(lanes, m->position.lane);
}

void lane_mark_handled(struct message *m)
{
    if (m->position.lane)
        m->position.lane->is_handled = true;
}

bool lane_is_copy_handled(const struct message *m)
{
    const struct message *before;

    if (!m->position.lane->is_by_group)
        return m->position.lane->is_handled;
    before = lane_before(m);
    return before && before->position.is_handled &&
           streq(before->received->message_id, m->received->message_id);
}

void consumer_lanes_requeue(struct consumer_lanes *lanes, struct message *m)
{
    assert(m->position.is_running);
    m->position.is_running = false;
    m->position.lane->running = NULL;
    advance(lanes, m->position.lane);
}

void consumer_lanes_remove(struct consumer_lanes *lanes, struct message *m)
{
    struct consumer_lane *lane = TAKE(m->position.lane);

    remove_ready(lanes, m);
    m->position.is_running = false;
    if (!lane)
        return;
    list_remove(&m->position.of_lane);
    if (lane->running == m)
        lane->running = NULL;
    if (list_is_empty(&lane->messages)) {
        hash_table_remove(&lanes->by_id, &lane->entry);
        free(lane);
        return;
    }
    advance(lanes, lane);
}

struct message *lane_before(const struct message *m)
{
    if (!m->position.lane || m->position.of_lane.previous == &m->position.lane->messages)
        return NULL;
    return of(m->position.of_lane.previous);
}

struct message *lane_after(const struct message *m)
{
    if (!m->position.lane || m->position.of_lane.next == &m->position.lane->messages)
        return NULL;
    return of(m->position.of_lane.next);
}

size_t consumer_lanes_ready_count(const struct consumer_lanes *lanes)
{
    return lanes->n_ready;
}
