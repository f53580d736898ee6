/* SPDX-License-Identifier: MIT */
/* Batches on their way to SQS: makes the requests, sends them, and keeps for each message whether
 * it may stand in the queue (deduplication.h), over all attempts. */
#pragma once

#include "daemon/queue.h"
#include "producerd/batcher.h"

struct sender;

struct sender_options {
    struct queue *queue;   /* borrowed */
    struct source *source; /* borrowed; told of what is about to go (`sending`) */
    unsigned requests_max; /* under way at once; fewer for a while after one has stalled
                              (util/adaptive-limit.h) */
    /* The answer to a batch, which was taken at `sent_usec` of the boot clock at the earliest. Runs
     * once for each batch that was sent, never from inside sender_send; its request is free for
     * another by then. What the answer means for the messages' doubt is for the callee to note. */
    void (*answered)(void *userdata, const struct batch *batch, uint64_t sent_usec,
                     const struct sqs_result *result);
    /* Requests have stalled, all sent since the last time: batches are to be smaller. Runs before
     * `answered` tells of the first of them. Its batch is given back so, as `answered` with the
     * stall for an error, where more requests are under way than may be, and where it has several
     * messages. */
    void (*stalled)(void *userdata);
    /* A message goes again, and SQS may have forgotten that it has it. May run inside sender_send.
     */
    void (*possible_duplicate)(void *userdata, const struct outgoing_message *message);
    void *userdata;
};

/* 0 or -ENOMEM. The options are copied. */
int sender_new(const struct sender_options *options, struct sender **ret);
/* After the queue, which ends what is under way. */
struct sender *sender_free(struct sender *sender);
DEFINE_CLEANUP(struct sender *, sender_free)

bool sender_has_slot(const struct sender *sender); /* to send another batch */
unsigned sender_in_flight(const struct sender *sender);

/* Sends a batch; only while sender_has_slot. Its messages are borrowed until the answer. 0, or a
 * negative errno of what this machine lacks: then nothing was sent. */
int sender_send(struct sender *sender, const struct batch *batch);
