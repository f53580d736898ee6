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

struct settler;

enum {
    SETTLER_REQUESTS_MAX = 64, /* on their way at once */
};

enum settled {
    SETTLED_OK,
    SETTLED_LOST,    /* the lease or the handle is gone */
    SETTLED_REFUSED, /* SQS will never do it */
};

struct settler_options {
    enum batch_kind kind;
    uint64_t linger_usec; /* how long the first of a batch waits for others */
    /* A request has ended: settler_turn is to be called soon, not from inside. With the userdata of
     * `settled`. May be NULL. */
    void (*changed)(void *userdata);
};

/* Runs once for each message added and not removed, never from inside settler_add. The message is
 * out of the settler by then. `result` holds AWS's words. May add and remove messages. */
typedef void (*settled_fn)(void *userdata, struct message *message, enum settled what,
                           const struct batch_result *result);

/* 0 or -ENOMEM. */
int settler_new(struct queue *queue, const struct settler_options *options, settled_fn settled,
                void *userdata, struct settler **ret);
struct settler *settler_free(struct settler *settler); /* silently */
DEFINE_CLEANUP(struct settler *, settler_free)

/* The message is borrowed until `settled`. visibility_sec: BATCH_CHANGE, when it is to come back.
 */
void settler_add(struct settler *settler, struct message *message, unsigned visibility_sec,
                 uint64_t now_usec);

/* Takes a message back. False where its request is on its way: then `settled` will run, after this
 * one try. */
bool settler_remove(struct settler *settler, struct message *message);

/* What is not settled by then is left: the time that remains is shared by the attempts. Nothing
 * waits for others any more, and near the end not even for an extension. */
void settler_stop(struct settler *settler, uint64_t end_usec);

/* Sends what is due; what has a lease that is over is settled without. 0 or a negative errno:
 * nothing can be sent at the moment. */
int settler_turn(struct settler *settler);

/* When settler_turn has something to do again, if nothing is added and no request ends before;
 * USEC_INFINITY: never. */
uint64_t settler_next_usec(const struct settler *settler);

/* Whether the request of a message is on its way. */
static inline bool settler_is_sent(const struct message *message)
{
    return message->settle.is_in_flight;
}

/* When a message that was released last was asked to come back. */
static inline unsigned settler_visibility_sec(const struct message *message)
{
    return message->settle.visibility_sec;
}

/* How many messages are in it. */
size_t settler_count(const struct settler *settler);
