/* SPDX-License-Identifier: MIT */
/* Fills batches. A batch takes the messages that the lanes have ready, and asks the source for more
 * while it is not full. It goes out when it is full, when it has lingered long enough, or when
 * nothing more can come, and never before the rate limit allows it.
 *
 * Pure: the time is a parameter, in microseconds of any clock that does not jump. */
#pragma once

#include "producerd/lane.h"

struct batch {
    struct outgoing_message *messages[SQS_BATCH_MAX];
    size_t n;
    size_t bytes;
    uint64_t since_usec; /* time of its first message */
};

enum batcher_supply {
    SUPPLY_ADDED,   /* one message was added to the lanes */
    SUPPLY_LATER,   /* none now, but one may come soon: linger */
    SUPPLY_NO_MORE, /* none will come soon: send what there is */
};

struct batcher_options {
    struct producer_lanes *lanes; /* borrowed; must outlive the batcher */
    unsigned size_max;    /* messages in a batch, 1 to SQS_BATCH_MAX; halved by batcher_stalled */
    uint64_t linger_usec; /* time that a batch waits to be filled; 0: none */
    uint64_t rate_limit;  /* messages a second; 0: no limit */
    enum batcher_supply (*supply)(void *userdata); /* called while the open batch is not full */
    void *userdata;
};

struct batcher;

/* 0 or -ENOMEM. The options are copied. */
int batcher_new(const struct batcher_options *options, struct batcher **ret);
struct batcher *batcher_free(struct batcher *batcher);
DEFINE_CLEANUP(struct batcher *, batcher_free)

/* Changes these three options from now on. An open batch that has more messages than `size_max`
 * goes out as it is. */
void batcher_reconfigure(struct batcher *batcher, unsigned size_max, uint64_t linger_usec,
                         uint64_t rate_limit, uint64_t now_usec);

/* Returns 0 with the next batch, whose messages are outstanding from now on. Returns BATCHER_E_WAIT
 * when nothing may go yet: *ret_wake_usec is then the time to call again, or USEC_INFINITY when
 * only a new message or an answer can change anything. A batch has at most SQS_BATCH_MAX_BYTES; a
 * message with needs_own_request is alone in its batch. */
enum { BATCHER_E_WAIT = 1 };
int batcher_next(struct batcher *batcher, uint64_t now_usec, struct batch *ret,
                 uint64_t *ret_wake_usec);

/* A request has stalled: batches have half as many messages from now on. Each batch of `n` messages
 * that gets through lets them grow again, step by step (util/adaptive-limit.h). */
void batcher_stalled(struct batcher *batcher);
void batcher_got_through(struct batcher *batcher, size_t n);
