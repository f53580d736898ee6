/* SPDX-License-Identifier: MIT */
/* See ack-queue.h. `pending` holds what is not on its way, in the order in which it was added. */
#include "consumerd/ack-queue.h"

#include <assert.h>
#include <errno.h>

#include "consumerd/lane.h"
#include "consumerd/lease.h"
#include "util/backoff.h"
#include "util/clock.h"
#include "util/random.h"

/* This long before the end of a stop, nothing waits for an extension; but not more than a quarter
 * of what remains before. */
#define URGENT_USEC (2 * USEC_PER_SEC)

struct settler {
    struct queue *queue;
    struct settler_options options;
    settled_fn settled;
    void *userdata;
    struct list pending;
    struct list batches;
    size_t n_requests, n_messages;
    uint64_t next_usec;
    uint64_t end_usec;    /* of the stop; USEC_INFINITY: none */
    uint64_t urgent_usec; /* see URGENT_USEC; USEC_INFINITY: none */
};

static struct message *of(struct list *link)
{
    return CONTAINER_OF(link, struct message, settle.pending);
}

/* Whether nothing of its lane must be deleted before. The `n` chosen go in the same batch. */
static bool may_be_deleted(const struct message *m, const struct batch_item *chosen, size_t n)
{
    const struct message *before = lane_before(m);

    if (!before)
        return true;
    for (size_t i = n; i > 0; i--)
        if (chosen[i - 1].message == before)
            return true;
    return false;
}

static bool may_go(const struct settler *s, const struct message *m,
                   const struct batch_item *chosen, size_t n, uint64_t now_usec)
{
    return s->options.kind == BATCH_DELETE ? may_be_deleted(m, chosen, n)
                                           : !lease_is_extending(m) || now_usec >= s->urgent_usec;
}

/* The next batch that may go now: fills items[], and notes in next_usec when to look again. */
static size_t choose(struct settler *s, uint64_t now_usec, struct batch_item items[SQS_BATCH_MAX])
{
    size_t n = 0;
    uint64_t flush_usec = USEC_INFINITY, next_usec = USEC_INFINITY;

    LIST_FOREACH(&s->pending, link)
    {
        struct message *m = of(link);

        if (m->settle.ready_usec > now_usec) {
            next_usec = MIN(next_usec, m->settle.ready_usec);
            continue;
        }
        if (!may_go(s, m, items, n, now_usec)) {
            if (s->urgent_usec > now_usec)
                next_usec = MIN(next_usec, s->urgent_usec);
            continue;
        }
        flush_usec = MIN(flush_usec, m->settle.flush_usec);
        items[n++] = (struct batch_item){m, m->settle.visibility_sec};
        if (n == SQS_BATCH_MAX)
            return n;
    }
    if (flush_usec <= now_usec)
        return n;
    s->next_usec = MIN(next_usec, flush_usec);
    return 0;
}

static void put_back(struct settler *s, struct message *m, enum aws_error_class class)
{
    uint64_t delay = backoff_delay_usec(aws_error_backoff(class), ++m->settle.failures, true,
                                        USEC_INFINITY, random_u64());

    m->settle.ready_usec = m->settle.flush_usec = clock_boot_usec() + delay;
    list_append(&s->pending, &m->settle.pending);
}

static bool is_wanted(void *userdata, const struct batch_item *item)
{
    return !item->message->settle.is_last_try;
}

static uint64_t end_usec(void *userdata)
{
    const struct settler *s = userdata;

    return s->end_usec;
}

static void on_item(void *userdata, const struct batch_item *item,
                    const struct batch_result *result)
{
    static const enum settled meaning[] = {
        [BATCH_OK] = SETTLED_OK,
        [BATCH_LOST] = SETTLED_LOST,
        [BATCH_REFUSED] = SETTLED_REFUSED,
        [BATCH_AGAIN] = SETTLED_LOST,
    };
    struct settler *s = userdata;
    struct message *m = item->message;

    m->settle.is_in_flight = false;
    if (result->outcome == BATCH_AGAIN && !m->settle.is_last_try &&
        lease_holds(m, clock_boot_usec())) {
        put_back(s, m, result->class);
        return;
    }
    s->n_messages--;
    s->settled(s->userdata, m, meaning[result->outcome], result);
}

static void on_batch(void *userdata, struct batch *batch)
{
    struct settler *s = userdata;

    s->n_requests--;
    /* Even if nothing was settled: what failed has a new time, and others may have waited for room.
     */
    if (s->options.changed)
        s->options.changed(s->userdata);
}

static const struct batch_ops ops = {
    .is_wanted = is_wanted,
    .end_usec = end_usec,
    .item_done = on_item,
    .done = on_batch,
};

static int send(struct settler *s, const struct batch_item *items, size_t n)
{
    struct batch *batch;
    int r = batch_send(s->queue, s->options.kind, items, n, &ops, s, &batch);

    if (r < 0)
        return r;
    s->n_requests++;
    list_append(&s->batches, batch_link(batch));
    for (size_t i = 0; i < n; i++) {
        items[i].message->settle.is_in_flight = true;
        list_remove(&items[i].message->settle.pending);
    }
    return 0;
}

/* The first whose handle is no longer ours; NULL: none. */
static struct message *find_ended(struct settler *s, uint64_t now_usec)
{
    LIST_FOREACH(&s->pending, link)
    {
        if (!lease_holds(of(link), now_usec))
            return of(link);
    }
    return NULL;
}

void settler_stop(struct settler *s, uint64_t stop_end_usec)
{
    uint64_t now_usec = clock_boot_usec();

    s->end_usec = stop_end_usec;
    s->urgent_usec =
        stop_end_usec - MIN(URGENT_USEC, (stop_end_usec - MIN(now_usec, stop_end_usec)) / 4);
    s->options.linger_usec = 0;
    LIST_FOREACH(&s->pending, link)
    {
        of(link)->settle.flush_usec = 0;
    }
}

int settler_turn(struct settler *s)
{
    static const struct batch_result ended = {
        .outcome = BATCH_LOST, .code = "", .text = "", .request_id = ""};
    struct batch_item items[SQS_BATCH_MAX];
    uint64_t now_usec = clock_boot_usec();
    struct message *m;
    size_t n;
    int r = 0;

    while ((m = find_ended(s, now_usec))) {
        settler_remove(s, m);
        s->settled(s->userdata, m, SETTLED_LOST, &ended);
    }

    s->next_usec = USEC_INFINITY;
    while (r >= 0 && s->n_requests < SETTLER_REQUESTS_MAX && (n = choose(s, now_usec, items)) > 0)
        r = send(s, items, n);
    if (r < 0)
        s->next_usec = now_usec + USEC_PER_SEC;
    return r;
}

uint64_t settler_next_usec(const struct settler *s)
{
    return s->next_usec;
}

void settler_add(struct settler *s, struct message *m, unsigned visibility_sec, uint64_t now_usec)
{
    assert(!list_is_linked(&m->settle.pending) && !m->settle.is_in_flight);
    m->settle.ready_usec = now_usec;
    m->settle.flush_usec = now_usec + s->options.linger_usec;
    m->settle.failures = 0;
    m->settle.visibility_sec = visibility_sec;
    m->settle.is_last_try = false;
    list_append(&s->pending, &m->settle.pending);
    s->n_messages++;
}

bool settler_remove(struct settler *s, struct message *m)
{
    if (m->settle.is_in_flight) {
        m->settle.is_last_try = true;
        return false;
    }
    assert(list_is_linked(&m->settle.pending));
    list_remove(&m->settle.pending);
    s->n_messages--;
    return true;
}

size_t settler_count(const struct settler *s)
{
    return s->n_messages;
}

int settler_new(struct queue *queue, const struct settler_options *options, settled_fn settled,
                void *userdata, struct settler **ret)
{
    struct settler *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    s->queue = queue;
    s->options = *options;
    s->settled = settled;
    s->userdata = userdata;
    s->next_usec = s->end_usec = s->urgent_usec = USEC_INFINITY;
    list_init(&s->pending);
    list_init(&s->batches);
    *ret = s;
    return 0;
}

struct settler *settler_free(struct settler *s)
{
    if (!s)
        return NULL;
    LIST_FOREACH(&s->batches, link)
    {
        batch_free(batch_of_link(link));
    }
    free(s);
    return NULL;
}
