/* SPDX-License-Identifier: MIT */
/* Sends batches to SQS. It makes the requests, follows their attempts, and notes for each message
 * whether SQS may have stored it (deduplication.h). */
#pragma once

#include "daemon/queue.h"
#include "producerd/batcher.h"

struct sender;

enum { SENDER_REQUESTS_MAX = 64 };

struct sender_options {
    struct queue *queue;   /* borrowed */
    struct source *source; /* borrowed; its `sending` is called before each attempt */
    /* in flight at once, 1 to SENDER_REQUESTS_MAX; fewer after a stall (util/adaptive-limit.h) */
    unsigned requests_max;
    /* The answer to a batch whose last attempt was sent at `sent_usec` of the boot clock. Runs once
     * for each batch, never inside sender_send; its request slot is free again by then. The callee
     * notes which messages are in doubt. */
    void (*answered)(void *userdata, const struct batch *batch, uint64_t sent_usec,
                     const struct sqs_result *result);
    /* A request has stalled: the batches should be smaller. Runs once for all requests that were in
     * flight together, before `answered` runs for the first of them. The stalled batch comes back
     * through `answered` if it has several messages or if too many requests are in flight;
     * otherwise its request is repeated. */
    void (*stalled)(void *userdata);
    /* A message is sent again after SQS may have forgotten its deduplication id. May run inside
     * sender_send. */
    void (*possible_duplicate)(void *userdata, const struct outgoing_message *message);
    void *userdata;
};

/* 0 or -ENOMEM. The options are copied. */
int sender_new(const struct sender_options *options, struct sender **ret);
/* Free the queue first: it cancels the requests in flight. */
struct sender *sender_free(struct sender *sender);
DEFINE_CLEANUP(struct sender *, sender_free)

/* Changes requests_max. When more are in flight, no further one is sent until enough have ended. */
void sender_set_requests_max(struct sender *sender, unsigned requests_max);

bool sender_has_slot(const struct sender *sender);
unsigned sender_in_flight(const struct sender *sender);

/* Sends a batch; call it only while sender_has_slot. The messages are borrowed until the answer.
 * Returns 0, or a negative errno for a shortage of this machine; then nothing was sent. */
int sender_send(struct sender *sender, const struct batch *batch);
