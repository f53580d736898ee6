/* SPDX-License-Identifier: MIT */
/* One request for up to ten messages: it deletes them, or changes their visibility timeouts. Each
 * message has an outcome of its own.
 *
 * Each attempt leaves out the messages whose lease has ended by then: an expired receipt handle is
 * never sent. A change of visibility must get through before the first of its leases ends; its
 * attempts share that time (attempt-timeout.h), so that one that stalls does not cost the lease. */
#pragma once

#include "consumerd/message.h"
#include "daemon/queue.h"

struct ack_request;

enum ack_kind {
    ACK_DELETE,
    ACK_CHANGE_VISIBILITY, /* a renewal or a release */
};

struct ack_item {
    struct message *message; /* borrowed; the request takes a reference of its own */
    unsigned visibility_sec; /* for ACK_CHANGE_VISIBILITY */
};

enum ack_outcome {
    ACK_OK,
    ACK_LEASE_LOST, /* the lease has ended by our clock, or SQS says so */
    ACK_REFUSED,    /* SQS would refuse the same again */
    ACK_RETRY,      /* not done; `class` says how long to wait */
};

struct ack_result {
    enum ack_outcome outcome;
    enum aws_error_class class; /* for ACK_REFUSED and ACK_RETRY */
    const char *code, *text;    /* AWS's error code and message; "" when there are none */
    const char *request_id;
    uint64_t sent_usec; /* boot clock, before the last attempt was sent */
};

struct ack_request_ops {
    /* Whether an item is to be part of a further attempt. */
    bool (*is_wanted)(void *userdata, const struct ack_item *item);
    /* When the request must have got through, if not because of a lease; USEC_INFINITY: at no
     * certain time. Asked before each attempt, also from inside ack_request_send. May be NULL. */
    uint64_t (*end_usec)(void *userdata);
    /* Runs once for each item. */
    void (*item_done)(void *userdata, const struct ack_item *item, const struct ack_result *result);
    /* Runs after the last item's; the request is freed when it returns. */
    void (*done)(void *userdata, struct ack_request *ack);
};

/* Sends 1 to 10 items: a single delete by DeleteMessage, all others by the batch operations. No
 * callback but end_usec runs from inside. The ops must outlive the request. `*ret` is valid until
 * `done`. 0 or a negative errno. */
int ack_request_send(struct queue *queue, enum ack_kind kind, const struct ack_item *items,
                     size_t n, const struct ack_request_ops *ops, void *userdata,
                     struct ack_request **ret);

/* Cancels the request; no callback runs. What was sent may still take effect. */
struct ack_request *ack_request_free(struct ack_request *ack);
DEFINE_CLEANUP(struct ack_request *, ack_request_free)

/* For the owner's list of requests. */
struct list *ack_request_link(struct ack_request *ack);
struct ack_request *ack_request_of_link(struct list *link);
