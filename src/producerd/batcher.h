/* SPDX-License-Identifier: MIT */
/* Fills batches: takes what the lanes have ready, asks for more while there is room, and says when
 * a batch goes: when it is full, when it has waited long enough, when no more can come to fill it,
 * and not before the rate limit allows.
 *
 * Pure: the time is a parameter, in microseconds of any clock that does not jump. */
#pragma once

#include "producerd/lane.h"

struct batch {
    struct outgoing_message *messages[SQS_BATCH_MAX];
    size_t n;
    size_t bytes;
    uint64_t since_usec; /* when the first came */
};

enum batcher_supply {
    SUPPLY_ADDED,   /* a message was added to the lanes */
    SUPPLY_LATER,   /* none now, but one may come: worth waiting for */
    SUPPLY_NO_MORE, /* none that is worth waiting for */
};

struct batcher_options {
    struct lanes *lanes;  /* borrowed; must outlive the batcher */
    unsigned size_max;    /* messages of a batch, 1 to SQS_BATCH_MAX; fewer after a stall */
    uint64_t linger_usec; /* how long a batch waits to be filled; 0: not at all */
    uint64_t rate_limit;  /* messages a second; 0: no limit */
    enum batcher_supply (*supply)(void *userdata); /* called while a batch has room */
    void *userdata;
};

struct batcher;

/* 0 or -ENOMEM. The options are copied. */
int batcher_new(const struct batcher_options *options, struct batcher **ret);
struct batcher *batcher_free(struct batcher *batcher);
DEFINE_CLEANUP(struct batcher *, batcher_free)

/* 0 with the next batch, which is outstanding from then on; or BATCHER_E_WAIT with the time to ask
 * again, USEC_INFINITY where only a new message or a reply can change anything.
 * A batch is at most SQS_BATCH_MAX_BYTES in all; a message that needs_own_request shares it with none. */
enum { BATCHER_E_WAIT = 1 };
int batcher_next(struct batcher *batcher, uint64_t now_usec, struct batch *ret,
                 uint64_t *ret_wake_usec);

/* Requests have stalled: batches are half as large from now on, and grow step by step with each
 * that gets through, of `n` messages (util/adaptive-limit.h). */
void batcher_stalled(struct batcher *batcher);
void batcher_got_through(struct batcher *batcher, size_t n);

/* Messages in the batch that is being filled: taken from the lanes, and not handed out yet. */
size_t batcher_open_count(const struct batcher *batcher);
