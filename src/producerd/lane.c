/* See lane.h. A lane is in one of three places: in `ready`, the line of those that have a message
 * that may go; in `resting`, sorted by the time of its next try; or in none, while it is
 * outstanding. Groups find their lane by a hash table. All memory is there from the start (its
 * pages are touched when they are needed): a lane without a message serves the next group. */
#include "lane.h"

#include <assert.h>
#include <errno.h>

#include "hash.h"

enum { BUCKETS_MIN = 16 };

enum place { PLACE_NONE, PLACE_READY, PLACE_RESTING };

struct lane {
    struct lane *previous, *next; /* in the list of its place */
    struct lane *next_in_bucket;  /* also: of the idle ones */
    struct lane *next_open;
    struct outgoing *first, *last; /* waiting, in order */
    size_t n_outstanding;
    enum place place;
    bool is_open; /* LANES_BATCH: may add to the batch that is being filled */
    uint64_t due_usec;
    uint64_t hash;
    char group_id[SQS_ID_MAX_BYTES + 1];
};

struct list {
    struct lane *first, *last;
};

struct lanes {
    enum lanes_kind kind;
    struct list ready, resting;
    struct lane *open, *idle;
    size_t n_resting;
    struct lane *pool; /* the first n_used of n_max have been in use */
    size_t n_used, n_max;
    struct lane **buckets;
    size_t n_buckets; /* a power of two */
};

/* `after` NULL: at the front. */
static void list_insert(struct list *list, struct lane *after, struct lane *lane)
{
    struct lane *before = after ? after->next : list->first;

    lane->previous = after;
    lane->next = before;
    *(after ? &after->next : &list->first) = lane;
    *(before ? &before->previous : &list->last) = lane;
}

static void list_remove(struct list *list, struct lane *lane)
{
    *(lane->previous ? &lane->previous->next : &list->first) = lane->next;
    *(lane->next ? &lane->next->previous : &list->last) = lane->previous;
    lane->previous = lane->next = NULL;
}

static void make_ready(struct lanes *lanes, struct lane *lane)
{
    lane->place = PLACE_READY;
    list_insert(&lanes->ready, lanes->ready.last, lane);
}

static void unready(struct lanes *lanes, struct lane *lane)
{
    list_remove(&lanes->ready, lane);
    lane->place = PLACE_NONE;
}

static void make_rest(struct lanes *lanes, struct lane *lane)
{
    struct lane *after = lanes->resting.last;

    while (after && after->due_usec > lane->due_usec)
        after = after->previous;
    lane->place = PLACE_RESTING;
    list_insert(&lanes->resting, after, lane);
    lanes->n_resting++;
}

static struct lane **bucket_of(struct lanes *lanes, uint64_t hash)
{
    return &lanes->buckets[hash & (lanes->n_buckets - 1)];
}

static struct lane *find(struct lanes *lanes, const char *group_id, uint64_t hash)
{
    struct lane *lane = *bucket_of(lanes, hash);

    while (lane && (lane->hash != hash || !streq(lane->group_id, group_id)))
        lane = lane->next_in_bucket;
    return lane;
}

static struct lane *lane_new(struct lanes *lanes)
{
    struct lane *lane = lanes->idle;

    if (lane) {
        lanes->idle = lane->next_in_bucket;
    } else {
        assert(lanes->n_used < lanes->n_max);
        lane = &lanes->pool[lanes->n_used++];
    }
    memset(lane, 0, offsetof(struct lane, group_id));
    return lane;
}

static struct lane *lane_of(struct lanes *lanes, const char *group_id)
{
    uint64_t hash = hash_string(group_id);
    struct lane *lane = find(lanes, group_id, hash), **bucket;
    size_t size = strlen(group_id) + 1;

    if (lane)
        return lane;
    assert(size <= sizeof(lane->group_id));
    lane = lane_new(lanes);
    memcpy(lane->group_id, group_id, size);
    lane->hash = hash;
    bucket = bucket_of(lanes, hash);
    lane->next_in_bucket = *bucket;
    *bucket = lane;
    return lane;
}

static void retire(struct lanes *lanes, struct lane *lane)
{
    if (lanes->kind != LANES_NONE) {
        struct lane **at = bucket_of(lanes, lane->hash);

        while (*at != lane)
            at = &(*at)->next_in_bucket;
        *at = lane->next_in_bucket;
    }
    lane->next_in_bucket = lanes->idle;
    lanes->idle = lane;
}

int lanes_new(enum lanes_kind kind, size_t messages_max, struct lanes **ret)
{
    CLEANUP(lanes_free) struct lanes *lanes = calloc(1, sizeof(*lanes));

    if (!lanes)
        return -ENOMEM;
    lanes->kind = kind;
    lanes->n_max = messages_max;
    lanes->n_buckets = BUCKETS_MIN;
    while (kind != LANES_NONE && lanes->n_buckets < 2 * messages_max)
        lanes->n_buckets *= 2;
    lanes->buckets = calloc(lanes->n_buckets, sizeof(struct lane *));
    lanes->pool = calloc(messages_max, sizeof(struct lane));
    if (!lanes->buckets || !lanes->pool)
        return -ENOMEM;
    *ret = TAKE(lanes);
    return 0;
}

struct lanes *lanes_free(struct lanes *lanes)
{
    if (lanes) {
        free(lanes->buckets);
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
    return lanes->ready.first ? lanes->ready.first->first : NULL;
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

    while ((lane = lanes->resting.first) && lane->due_usec <= now_usec) {
        list_remove(&lanes->resting, lane);
        lanes->n_resting--;
        lane->due_usec = 0;
        make_ready(lanes, lane);
    }
}

uint64_t lanes_due_usec(const struct lanes *lanes)
{
    return lanes->resting.first ? lanes->resting.first->due_usec : USEC_INFINITY;
}

size_t lanes_resting(const struct lanes *lanes)
{
    return lanes->n_resting;
}
