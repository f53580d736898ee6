/* SPDX-License-Identifier: MIT */
#include "consumerd/lease-renewer.h"

#include <errno.h>

#include "consumerd/ack-queue.h"
#include "util/clock.h"

/* A failed renewal is tried again after a quarter of the time that the lease has left, but not
 * sooner than after RETRY_MIN_USEC. */
enum { RETRY_LEASE_PARTS = 4 };
#define RETRY_MIN_USEC (100 * USEC_PER_MSEC)

struct lease_renewer {
    struct queue *queue;
    struct leases *leases;
    lease_renewer_lost_fn lost;
    lease_renewer_changed_fn changed;
    void *userdata;
    struct list batches;
    size_t n_requests;
};

static bool is_wanted(void *userdata, const struct ack_item *item)
{
    return message_state_keeps_lease(item->message->state);
}

static void retry(struct lease_renewer *renewer, struct message *m, uint64_t now_usec)
{
    uint64_t end_usec = lease_end_usec(m);
    uint64_t left_usec = end_usec > now_usec ? end_usec - now_usec : 0;

    lease_not_renewed(renewer->leases, m,
                      now_usec + MAX(left_usec / RETRY_LEASE_PARTS, RETRY_MIN_USEC));
}

static void on_item(void *userdata, const struct ack_item *item, const struct ack_result *result)
{
    struct lease_renewer *renewer = userdata;
    struct message *m = item->message;
    uint64_t now_usec = clock_boot_usec();

    switch (result->outcome) {
    case ACK_OK:
        /* After the lease's end this changes nothing: the work on the message was stopped then. */
        lease_renewed(renewer->leases, m, result->sent_usec, item->visibility_sec, now_usec);
        break;
    case ACK_RETRY:
        retry(renewer, m, now_usec);
        break;
    case ACK_REFUSED:
        lease_not_renewed(renewer->leases, m, USEC_INFINITY);
        break;
    case ACK_LEASE_LOST:
        /* A delete under way may be the reason. Its own answer will tell. */
        if (is_wanted(renewer, item) && !ack_queue_is_sent(m)) {
            lease_mark_lost(renewer->leases, m);
            renewer->lost(renewer->userdata, m, result);
        } else {
            lease_not_renewed(renewer->leases, m, USEC_INFINITY);
        }
        break;
    }
}

static void on_batch(void *userdata, struct ack_request *ack)
{
    struct lease_renewer *renewer = userdata;

    renewer->n_requests--;
    if (renewer->changed)
        renewer->changed(renewer->userdata);
}

static const struct ack_request_ops ops = {
    .is_wanted = is_wanted,
    .item_done = on_item,
    .done = on_batch,
};

static int send(struct lease_renewer *renewer, const struct lease_renewal *due, size_t n)
{
    struct ack_item items[SQS_BATCH_MAX];
    struct ack_request *ack;
    int r;

    for (size_t i = 0; i < n; i++)
        items[i] = (struct ack_item){due[i].message, due[i].visibility_sec};
    r = ack_request_send(renewer->queue, ACK_CHANGE_VISIBILITY, items, n, &ops, renewer, &ack);
    if (r < 0)
        return r;
    renewer->n_requests++;
    list_append(&renewer->batches, ack_request_link(ack));
    return 0;
}

int lease_renewer_dispatch(struct lease_renewer *renewer)
{
    struct lease_renewal due[SQS_BATCH_MAX];
    uint64_t now_usec = clock_boot_usec();
    size_t n;
    int r = 0;

    while (r >= 0 && (n = leases_take_due(renewer->leases, now_usec, due, SQS_BATCH_MAX)) > 0) {
        r = renewer->n_requests < LEASE_RENEWER_REQUESTS_MAX ? send(renewer, due, n) : -EBUSY;
        for (size_t i = 0; r < 0 && i < n; i++)
            lease_not_renewed(renewer->leases, due[i].message, now_usec + USEC_PER_SEC);
    }
    return r == -EBUSY ? 0 : r;
}

int lease_renewer_new(struct queue *queue, struct leases *leases, lease_renewer_lost_fn lost,
                      lease_renewer_changed_fn changed, void *userdata, struct lease_renewer **ret)
{
    struct lease_renewer *renewer = calloc(1, sizeof(*renewer));

    if (!renewer)
        return -ENOMEM;
    renewer->queue = queue;
    renewer->leases = leases;
    renewer->lost = lost;
    renewer->changed = changed;
    renewer->userdata = userdata;
    list_init(&renewer->batches);
    *ret = renewer;
    return 0;
}

struct lease_renewer *lease_renewer_free(struct lease_renewer *renewer)
{
    if (!renewer)
        return NULL;
    LIST_FOREACH(&renewer->batches, link)
    {
        ack_request_free(ack_request_of_link(link));
    }
    free(renewer);
    return NULL;
}
