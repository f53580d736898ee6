/* SPDX-License-Identifier: MIT */
/* One request on its way for up to ten messages: it deletes them or changes their visibility. What
 * became of each is told one by one. Whatever an attempt has to wait for, it leaves out the
 * messages whose lease has ended meanwhile: nothing is ever asked for with a handle that is no
 * longer ours. A change of the visibility has to get through before the first of its leases ends,
 * and its attempts share that time (attempt-timeout.h): one that stalls does not cost the lease.
 */
#pragma once

#include "consumerd/message.h"
#include "daemon/queue.h"

struct ack_request;

enum ack_kind {
    ACK_DELETE,
    ACK_CHANGE_VISIBILITY,
};

struct ack_item {
    struct message *message; /* borrowed; the batch takes a reference of its own */
    unsigned visibility_sec; /* ACK_CHANGE_VISIBILITY */
};

enum ack_outcome {
    ACK_OK,
    ACK_LEASE_LOST, /* the handle is no longer good, here or at SQS */
    ACK_REFUSED,    /* the same would be refused again */
    ACK_RETRY,      /* not done; `class` says how long to wait */
};

struct ack_result {
    enum ack_outcome outcome;
    enum aws_error_class class; /* of ACK_REFUSED and ACK_RETRY */
    const char *code, *text;    /* AWS's words; "" where there are none */
    const char *request_id;
    uint64_t sent_usec; /* boot clock, before the last attempt went out */
};

struct ack_request_ops {
    /* Whether an item is still worth a further attempt. */
    bool (*is_wanted)(void *userdata, const struct ack_item *item);
    /* By when it must have got through, if not for a lease; USEC_INFINITY: no such time. Asked
     * before each attempt, also from inside ack_request_send. May be NULL. */
    uint64_t (*end_usec)(void *userdata);
    /* What became of one; runs once for each. */
    void (*item_done)(void *userdata, const struct ack_item *item, const struct ack_result *result);
    /* After the last item; the batch is gone then. */
    void (*done)(void *userdata, struct ack_request *ack);
};

/* Sends 1 to 10 items; one to be deleted goes by DeleteMessage, all else in the batch operations.
 * The callbacks never run from inside, but for end_usec. The ops must outlive the batch. `*ret` is
 * valid until `done`. 0 or a negative errno. */
int ack_request_send(struct queue *queue, enum ack_kind kind, const struct ack_item *items,
                     size_t n, const struct ack_request_ops *ops, void *userdata,
                     struct ack_request **ret);

/* Ends it without its callbacks; what was sent may still take effect. */
struct ack_request *ack_request_free(struct ack_request *ack);
DEFINE_CLEANUP(struct ack_request *, ack_request_free)

/* Those who own several of them. */
struct list *ack_request_link(struct ack_request *ack);
struct ack_request *ack_request_of_link(struct list *link);
