/* SPDX-License-Identifier: MIT */
/* `pending` holds the messages that are in no request. A message is appended when it is added, and
 * appended again when an attempt has failed. Each dispatch looks through the list for messages that
 * are due and need not wait for others, and sends them, up to ten in a request. */
#include "consumerd/ack-queue.h"

#include <assert.h>
#include <errno.h>

#include "aws/backoff.h"
#include "consumerd/lane.h"
#include "consumerd/lease.h"
#include "util/clock.h"
#include "util/random.h"

/* In the last part of a stop no release waits for a renewal: in the last 2 s, or in the last
 * quarter of a shorter stop. */
#define URGENT_USEC (2 * USEC_PER_SEC)

struct ack_queue {
    struct queue *queue;
    struct ack_queue_options options;
    ack_done_fn done;
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
    return CONTAINER_OF(link, struct message, ack.pending);
}

/* Whether all messages before it in its lane are deleted, or are among the `n` chosen for the same
 * request. */
static bool may_be_deleted(const struct message *m, const struct ack_item *chosen, size_t n)
{
    const struct message *before = lane_before(m);

    if (!before)
        return true;
    for (size_t i = n; i > 0; i--)
        if (chosen[i - 1].message == before)
            return true;
    return false;
}

static bool may_go(const struct ack_queue *q, const struct message *m,
                   const struct ack_item *chosen, size_t n, uint64_t now_usec)
{
    return q->options.kind == ACK_DELETE ? may_be_deleted(m, chosen, n)
                                         : !lease_is_renewing(m) || now_usec >= q->urgent_usec;
}

/* Fills items[] for the next request and returns how many. 0: nothing may be sent now; then
 * next_usec says when to look again. */
static size_t choose(struct ack_queue *q, uint64_t now_usec, struct ack_item items[SQS_BATCH_MAX])
{
    size_t n = 0;
    uint64_t flush_usec = USEC_INFINITY, next_usec = USEC_INFINITY;

    LIST_FOREACH(&q->pending, link)
    {
        struct message *m = of(link);

        if (m->ack.ready_usec > now_usec) {
            next_usec = MIN(next_usec, m->ack.ready_usec);
            continue;
        }
        if (!may_go(q, m, items, n, now_usec)) {
            if (q->urgent_usec > now_usec)
                next_usec = MIN(next_usec, q->urgent_usec);
            continue;
        }
        flush_usec = MIN(flush_usec, m->ack.flush_usec);
        items[n++] = (struct ack_item){m, m->ack.visibility_sec};
        if (n == SQS_BATCH_MAX)
            return n;
    }
    if (flush_usec <= now_usec)
        return n;
    q->next_usec = MIN(next_usec, flush_usec);
    return 0;
}

static void put_back(struct ack_queue *q, struct message *m, enum aws_error_class class)
{
    uint64_t delay = backoff_delay_usec(aws_error_backoff(class), ++m->ack.failures, true,
                                        USEC_INFINITY, random_u64());

    m->ack.ready_usec = m->ack.flush_usec = clock_boot_usec() + delay;
    list_append(&q->pending, &m->ack.pending);
}

static bool is_wanted(void *userdata, const struct ack_item *item)
{
    return !item->message->ack.is_last_try;
}

static uint64_t end_usec(void *userdata)
{
    const struct ack_queue *q = userdata;

    return q->end_usec;
}

static void on_item(void *userdata, const struct ack_item *item, const struct ack_result *result)
{
    static const enum ack_outcome meaning[] = {
        [ACK_OK] = ACK_OK,
        [ACK_LEASE_LOST] = ACK_LEASE_LOST,
        [ACK_REFUSED] = ACK_REFUSED,
        [ACK_RETRY] = ACK_LEASE_LOST,
    };
    struct ack_queue *q = userdata;
    struct message *m = item->message;

    m->ack.is_sent = false;
    if (result->outcome == ACK_RETRY && !m->ack.is_last_try && lease_holds(m, clock_boot_usec())) {
        put_back(q, m, result->class);
        return;
    }
    q->n_messages--;
    q->done(q->userdata, m, meaning[result->outcome], result);
}

static void on_batch(void *userdata, struct ack_request *ack)
{
    struct ack_queue *q = userdata;

    q->n_requests--;
    /* Runs even if no message has ended: a failed one has a new time, and a request is free
     * again. */
    if (q->options.changed)
        q->options.changed(q->userdata);
}

static const struct ack_request_ops ops = {
    .is_wanted = is_wanted,
    .end_usec = end_usec,
    .item_done = on_item,
    .done = on_batch,
};

static int send(struct ack_queue *q, const struct ack_item *items, size_t n)
{
    struct ack_request *ack;
    int r = ack_request_send(q->queue, q->options.kind, items, n, &ops, q, &ack);

    if (r < 0)
        return r;
    q->n_requests++;
    list_append(&q->batches, ack_request_link(ack));
    for (size_t i = 0; i < n; i++) {
        items[i].message->ack.is_sent = true;
        list_remove(&items[i].message->ack.pending);
    }
    return 0;
}

/* The first message whose lease has ended; its receipt handle is not valid any more. NULL: none. */
static struct message *find_ended(struct ack_queue *q, uint64_t now_usec)
{
    LIST_FOREACH(&q->pending, link)
    {
        if (!lease_holds(of(link), now_usec))
            return of(link);
    }
    return NULL;
}

void ack_queue_set_linger(struct ack_queue *q, uint64_t linger_usec)
{
    q->options.linger_usec = linger_usec;
}

void ack_queue_stop(struct ack_queue *q, uint64_t stop_end_usec)
{
    uint64_t now_usec = clock_boot_usec();

    q->end_usec = stop_end_usec;
    q->urgent_usec =
        stop_end_usec - MIN(URGENT_USEC, (stop_end_usec - MIN(now_usec, stop_end_usec)) / 4);
    q->options.linger_usec = 0;
    LIST_FOREACH(&q->pending, link)
    {
        of(link)->ack.flush_usec = 0;
    }
}

int ack_queue_dispatch(struct ack_queue *q)
{
    static const struct ack_result ended = {
        .outcome = ACK_LEASE_LOST, .code = "", .text = "", .request_id = ""};
    struct ack_item items[SQS_BATCH_MAX];
    uint64_t now_usec = clock_boot_usec();
    struct message *m;
    size_t n;
    int r = 0;

    while ((m = find_ended(q, now_usec))) {
        ack_queue_remove(q, m);
        q->done(q->userdata, m, ACK_LEASE_LOST, &ended);
    }

    q->next_usec = USEC_INFINITY;
    while (r >= 0 && q->n_requests < ACK_QUEUE_REQUESTS_MAX && (n = choose(q, now_usec, items)) > 0)
        r = send(q, items, n);
    if (r < 0)
        q->next_usec = now_usec + USEC_PER_SEC;
    return r;
}

uint64_t ack_queue_next_usec(const struct ack_queue *q)
{
    return q->next_usec;
}

void ack_queue_add(struct ack_queue *q, struct message *m, unsigned visibility_sec,
                   uint64_t now_usec)
{
    assert(!list_is_linked(&m->ack.pending) && !m->ack.is_sent);
    m->ack.ready_usec = now_usec;
    m->ack.flush_usec = now_usec + q->options.linger_usec;
    m->ack.failures = 0;
    m->ack.visibility_sec = visibility_sec;
    m->ack.is_last_try = false;
    list_append(&q->pending, &m->ack.pending);
    q->n_messages++;
}

bool ack_queue_remove(struct ack_queue *q, struct message *m)
{
    if (m->ack.is_sent) {
        m->ack.is_last_try = true;
        return false;
    }
    assert(list_is_linked(&m->ack.pending));
    list_remove(&m->ack.pending);
    q->n_messages--;
    return true;
}

size_t ack_queue_count(const struct ack_queue *q)
{
    return q->n_messages;
}

int ack_queue_new(struct queue *queue, const struct ack_queue_options *options, ack_done_fn done,
                  void *userdata, struct ack_queue **ret)
{
    struct ack_queue *q = calloc(1, sizeof(*q));

    if (!q)
        return -ENOMEM;
    q->queue = queue;
    q->options = *options;
    q->done = done;
    q->userdata = userdata;
    q->next_usec = q->end_usec = q->urgent_usec = USEC_INFINITY;
    list_init(&q->pending);
    list_init(&q->batches);
    *ret = q;
    return 0;
}

struct ack_queue *ack_queue_free(struct ack_queue *q)
{
    if (!q)
        return NULL;
    LIST_FOREACH(&q->batches, link)
    {
        ack_request_free(ack_request_of_link(link));
    }
    free(q);
    return NULL;
}
