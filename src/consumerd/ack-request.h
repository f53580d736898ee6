/* SPDX-License-Identifier: MIT */
/* One request for up to ten messages: it deletes them, or changes their visibility timeouts. Each
 * message has an outcome of its own.
 *
 * Each attempt leaves out the messages whose lease has ended by then: an expired receipt handle is
 * never sent. A change of visibility must succeed before the first lease of its messages ends. Its
 * attempts share the time until then (attempt-timeout.h), so one stalled attempt does not lose the
 * lease. */
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
    ACK_REFUSED,    /* SQS would refuse it again */
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
    /* Whether the next attempt should include the item. */
    bool (*is_wanted)(void *userdata, const struct ack_item *item);
    /* The time by which the request must have succeeded, besides the end of a lease; USEC_INFINITY:
     * none. Asked before each attempt, also from inside ack_request_send. May be NULL. */
    uint64_t (*end_usec)(void *userdata);
    /* Runs once for each item. */
    void (*item_done)(void *userdata, const struct ack_item *item, const struct ack_result *result);
    /* Runs after the last item's; the request is freed when it returns. */
    void (*done)(void *userdata, struct ack_request *ack);
};

/* Sends 1 to 10 items: a single delete by DeleteMessage, all others by the batch operations. Of the
 * callbacks only end_usec runs from inside. The ops must outlive the request. `*ret` is valid until
 * `done`. 0 or a negative errno. */
int ack_request_send(struct queue *queue, enum ack_kind kind, const struct ack_item *items,
                     size_t n, const struct ack_request_ops *ops, void *userdata,
                     struct ack_request **ret);

/* Cancels the request; no callback runs. SQS may still carry out an attempt that was sent. */
struct ack_request *ack_request_free(struct ack_request *ack);
DEFINE_CLEANUP(struct ack_request *, ack_request_free)

/* For the owner's list of requests. */
struct list *ack_request_link(struct ack_request *ack);
struct ack_request *ack_request_of_link(struct list *link);
