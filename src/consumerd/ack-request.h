/* SPDX-License-Identifier: MIT */
/* One request on its way for up to ten messages: it deletes them or changes their visibility. What
 * became of each is told one by one. Whatever an attempt has to wait for, it leaves out the
 * messages whose lease has ended meanwhile: nothing is ever asked for with a handle that is no
 * longer ours. A change of the visibility has to get through before the first of its leases ends,
 * and its attempts share that time (attempts.h): one that stalls does not cost the lease.
 */
#pragma once

#include "consumerd/message.h"
#include "daemon/queue.h"

struct batch;

enum batch_kind {
    BATCH_DELETE,
    BATCH_CHANGE,
};

struct batch_item {
    struct message *message; /* borrowed; the batch takes a reference of its own */
    unsigned visibility_sec; /* BATCH_CHANGE */
};

enum batch_outcome {
    BATCH_OK,
    BATCH_LOST,    /* the handle is no longer good, here or at SQS */
    BATCH_REFUSED, /* the same would be refused again */
    BATCH_AGAIN,   /* not done; `class` says how long to wait */
};

struct batch_result {
    enum batch_outcome outcome;
    enum aws_error_class class; /* of BATCH_REFUSED and BATCH_AGAIN */
    const char *code, *text;    /* AWS's words; "" where there are none */
    const char *request_id;
    uint64_t sent_usec; /* boot clock, before the last attempt went out */
};

struct batch_ops {
    /* Whether an item is still worth a further attempt. */
    bool (*is_wanted)(void *userdata, const struct batch_item *item);
    /* By when it must have got through, if not for a lease; USEC_INFINITY: no such time. Asked
     * before each attempt, also from inside batch_send. May be NULL. */
    uint64_t (*end_usec)(void *userdata);
    /* What became of one; runs once for each. */
    void (*item_done)(void *userdata, const struct batch_item *item,
                      const struct batch_result *result);
    /* After the last item; the batch is gone then. */
    void (*done)(void *userdata, struct batch *batch);
};

/* Sends 1 to 10 items; one to be deleted goes by DeleteMessage, all else in the batch operations.
 * The callbacks never run from inside, but for end_usec. The ops must outlive the batch. `*ret` is
 * valid until `done`. 0 or a negative errno. */
int batch_send(struct queue *queue, enum batch_kind kind, const struct batch_item *items, size_t n,
               const struct batch_ops *ops, void *userdata, struct batch **ret);

/* Ends it without its callbacks; what was sent may still take effect. */
struct batch *batch_free(struct batch *batch);
DEFINE_CLEANUP(struct batch *, batch_free)

/* Those who own several of them. */
struct list *batch_link(struct batch *batch);
struct batch *batch_of_link(struct list *link);
