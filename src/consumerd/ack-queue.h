/* SPDX-License-Identifier: MIT */
/* Messages to be deleted, or to be given back, until that is done or their lease has ended:
 * collected into batches, and each that failed tried again after a delay of its own kind of
 * failure.
 *
 * Of one lane the deletes go in order: a message waits until all before it are deleted, or goes in
 * the same batch behind them. So what SQS has deleted of a group is always its beginning, unless it
 * fails an entry in the middle of a batch; then that one is tried again at once.
 *
 * What is given back waits until an extension of its lease that is on its way is answered, which
 * would undo that if it came later. */
#pragma once

#include "consumerd/ack-request.h"

struct ack_queue;

enum {
    ACK_QUEUE_REQUESTS_MAX = 64, /* on their way at once */
};

struct ack_queue_options {
    enum ack_kind kind;
    uint64_t linger_usec; /* how long the first of a batch waits for others */
    /* A request has ended: ack_queue_dispatch is to be called soon, not from inside. With the userdata of
     * `settled`. May be NULL. */
    void (*changed)(void *userdata);
};

/* Runs once for each message added and not removed, never from inside ack_queue_add. The message is
 * out of the ack_queue by then. `result` holds AWS's words. May add and remove messages. */
typedef void (*ack_done_fn)(void *userdata, struct message *message, enum ack_outcome what,
                            const struct ack_result *result);

/* 0 or -ENOMEM. */
int ack_queue_new(struct queue *queue, const struct ack_queue_options *options, ack_done_fn done,
                  void *userdata, struct ack_queue **ret);
struct ack_queue *ack_queue_free(struct ack_queue *ack_queue); /* silently */
DEFINE_CLEANUP(struct ack_queue *, ack_queue_free)

/* The message is borrowed until `settled`. visibility_sec: ACK_CHANGE_VISIBILITY, when it is to come back.
 */
void ack_queue_add(struct ack_queue *ack_queue, struct message *message, unsigned visibility_sec,
                   uint64_t now_usec);

/* Takes a message back. False where its request is on its way: then `settled` will run, after this
 * one try. */
bool ack_queue_remove(struct ack_queue *ack_queue, struct message *message);

/* What is not settled by then is left: the time that remains is shared by the attempts. Nothing
 * waits for others any more, and near the end not even for an extension. */
void ack_queue_stop(struct ack_queue *ack_queue, uint64_t end_usec);

/* Sends what is due; what has a lease that is over is settled without. 0 or a negative errno:
 * nothing can be sent at the moment. */
int ack_queue_dispatch(struct ack_queue *ack_queue);

/* When ack_queue_dispatch has something to do again, if nothing is added and no request ends before;
 * USEC_INFINITY: never. */
uint64_t ack_queue_next_usec(const struct ack_queue *ack_queue);

/* Whether the request of a message is on its way. */
static inline bool ack_queue_is_sent(const struct message *message)
{
    return message->ack.is_in_flight;
}

/* When a message that was released last was asked to come back. */
static inline unsigned ack_queue_visibility_sec(const struct message *message)
{
    return message->ack.visibility_sec;
}

/* How many messages are in it. */
size_t ack_queue_count(const struct ack_queue *ack_queue);
