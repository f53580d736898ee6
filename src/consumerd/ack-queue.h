/* SPDX-License-Identifier: MIT */
/* A queue of messages that wait to be deleted (kind ACK_DELETE) or released (kind
 * ACK_CHANGE_VISIBILITY). A message leaves the queue when SQS has done the operation or has refused
 * it for good, or when the message's lease has ended. Up to ten messages share a request. If an
 * attempt fails for a message, the message is tried again after the back-off for that kind of
 * failure.
 *
 * Deletes of one lane are sent in order: a message waits until all messages before it are deleted,
 * or shares a request with them. So the first messages of a group are always deleted first. There
 * is one exception: SQS may fail one entry of a request and delete the messages behind it. The
 * failed delete is repeated.
 *
 * A release waits for the answer to a lease renewal that is under way. If the renewal took effect
 * after the release, the message would stay hidden. */
#pragma once

#include "consumerd/ack-request.h"

struct ack_queue;

enum {
    ACK_QUEUE_REQUESTS_MAX = 64, /* under way at once */
};

struct ack_queue_options {
    enum ack_kind kind;
    uint64_t linger_usec; /* how long a message waits for others to share its request */
    /* A request has ended. Call ack_queue_dispatch soon, but not from inside this callback. Gets
     * the same userdata as `done`. May be NULL. */
    void (*changed)(void *userdata);
};

/* Runs once for each message that was added and not removed, never from inside ack_queue_add. The
 * message has left the queue by then. `outcome` is never ACK_RETRY; it is ACK_LEASE_LOST if the
 * lease ended before SQS did the operation. `result` tells how the last attempt ended. The callback
 * may add and remove messages. */
typedef void (*ack_done_fn)(void *userdata, struct message *message, enum ack_outcome outcome,
                            const struct ack_result *result);

/* 0 or -ENOMEM. */
int ack_queue_new(struct queue *queue, const struct ack_queue_options *options, ack_done_fn done,
                  void *userdata, struct ack_queue **ret);
struct ack_queue *ack_queue_free(struct ack_queue *ack_queue); /* runs no callback */
DEFINE_CLEANUP(struct ack_queue *, ack_queue_free)

/* The message is borrowed until `done` runs. visibility_sec: for ACK_CHANGE_VISIBILITY, the time
 * until the message becomes visible. */
void ack_queue_add(struct ack_queue *ack_queue, struct message *message, unsigned visibility_sec,
                   uint64_t now_usec);

/* Removes a message. False: its request is under way, and `done` runs after this attempt. */
bool ack_queue_remove(struct ack_queue *ack_queue, struct message *message);

/* Changes linger_usec for messages that are added from now on. */
void ack_queue_set_linger(struct ack_queue *ack_queue, uint64_t linger_usec);

/* Tries to finish all messages before `end_usec`. The attempts share the time that is left.
 * Messages that are not finished by then stay in the queue. From now on no message waits for
 * others, and near the end no release waits for a renewal. */
void ack_queue_stop(struct ack_queue *ack_queue, uint64_t end_usec);

/* Sends the messages that are due, and ends those whose lease has ended. 0, or a negative errno:
 * nothing can be sent at the moment. */
int ack_queue_dispatch(struct ack_queue *ack_queue);

/* The time of the next dispatch if no message is added and no request ends before; USEC_INFINITY:
 * none. */
uint64_t ack_queue_next_usec(const struct ack_queue *ack_queue);

/* Whether the message's request is under way. */
static inline bool ack_queue_is_sent(const struct message *message)
{
    return message->ack.is_sent;
}

/* The visibility_sec that the message was added with last. */
static inline unsigned ack_queue_visibility_sec(const struct message *message)
{
    return message->ack.visibility_sec;
}

/* The number of messages in the queue. Messages whose request is under way count, too. */
size_t ack_queue_count(const struct ack_queue *ack_queue);
