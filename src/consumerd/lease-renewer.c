/* SPDX-License-Identifier: MIT */
/* See lease-renewer.h. */
#include "consumerd/lease-renewer.h"

#include <errno.h>

#include "consumerd/ack-queue.h"
#include "util/clock.h"

/* What failed is tried again this many times before the lease's end, and not more often than this.
 */
enum { RETRIES_WITHIN_LEASE = 4 };
#define RETRY_MIN_USEC (100 * USEC_PER_MSEC)

struct extender {
    struct queue *queue;
    struct leases *leases;
    extender_lost_fn lost;
    extender_changed_fn changed;
    void *userdata;
    struct list batches;
    size_t n_requests;
};

static bool is_wanted(void *userdata, const struct batch_item *item)
{
    return message_state_keeps_lease(item->message->state);
}

static void try_again(struct extender *e, struct message *m, uint64_t now_usec)
{
    uint64_t end_usec = lease_until_usec(m);
    uint64_t left_usec = end_usec > now_usec ? end_usec - now_usec : 0;

    lease_not_extended(e->leases, m,
                       now_usec + MAX(left_usec / RETRIES_WITHIN_LEASE, RETRY_MIN_USEC));
}

static void on_item(void *userdata, const struct batch_item *item,
                    const struct batch_result *result)
{
    struct extender *e = userdata;
    struct message *m = item->message;
    uint64_t now_usec = clock_boot_usec();

    switch (result->outcome) {
    case BATCH_OK:
        /* An answer that comes after the end has come too late: the work was stopped already. */
        lease_extended(e->leases, m, result->sent_usec, item->visibility_sec, now_usec);
        break;
    case BATCH_AGAIN:
        try_again(e, m, now_usec);
        break;
    case BATCH_REFUSED:
        lease_not_extended(e->leases, m, USEC_INFINITY);
        break;
    case BATCH_LOST:
        /* A delete on its way may be why: its own answer tells. */
        if (is_wanted(e, item) && !settler_is_sent(m)) {
            lease_forfeit(e->leases, m);
            e->lost(e->userdata, m, result);
        } else {
            lease_not_extended(e->leases, m, USEC_INFINITY);
        }
        break;
    }
}

static void on_batch(void *userdata, struct batch *batch)
{
    struct extender *e = userdata;

    e->n_requests--;
    if (e->changed)
        e->changed(e->userdata);
}

static const struct batch_ops ops = {
    .is_wanted = is_wanted,
    .item_done = on_item,
    .done = on_batch,
};

static int send(struct extender *e, const struct lease_extension *due, size_t n)
{
    struct batch_item items[SQS_BATCH_MAX];
    struct batch *batch;
    int r;

    for (size_t i = 0; i < n; i++)
        items[i] = (struct batch_item){due[i].message, due[i].visibility_sec};
    r = batch_send(e->queue, BATCH_CHANGE, items, n, &ops, e, &batch);
    if (r < 0)
        return r;
    e->n_requests++;
    list_append(&e->batches, batch_link(batch));
    return 0;
}

int extender_turn(struct extender *e)
{
    struct lease_extension due[SQS_BATCH_MAX];
    uint64_t now_usec = clock_boot_usec();
    size_t n;
    int r = 0;

    while (r >= 0 && (n = leases_take_due(e->leases, now_usec, due, SQS_BATCH_MAX)) > 0) {
        r = e->n_requests < EXTENDER_REQUESTS_MAX ? send(e, due, n) : -EBUSY;
        for (size_t i = 0; r < 0 && i < n; i++)
            lease_not_extended(e->leases, due[i].message, now_usec + USEC_PER_SEC);
    }
    return r == -EBUSY ? 0 : r;
}

int extender_new(struct queue *queue, struct leases *leases, extender_lost_fn lost,
                 extender_changed_fn changed, void *userdata, struct extender **ret)
{
    struct extender *e = calloc(1, sizeof(*e));

    if (!e)
        return -ENOMEM;
    e->queue = queue;
    e->leases = leases;
    e->lost = lost;
    e->changed = changed;
    e->userdata = userdata;
    list_init(&e->batches);
    *ret = e;
    return 0;
}

struct extender *extender_free(struct extender *e)
{
    if (!e)
        return NULL;
    LIST_FOREACH(&e->batches, link)
    {
        batch_free(batch_of_link(link));
    }
    free(e);
    return NULL;
}
