/* SPDX-License-Identifier: MIT */
/* One batch is open at a time. A message that does not fit closes it: if smaller messages went
 * first, a large one could wait for ever. */
#include "producerd/batcher.h"

#include <assert.h>
#include <errno.h>

#include "util/rate-limit.h"
#include "util/adaptive-limit.h"

struct batcher {
    struct batcher_options options;
    struct rate_limit rate_limit;
    struct adaptive_limit size;
    struct batch open;
};

int batcher_new(const struct batcher_options *options, struct batcher **ret)
{
    struct batcher *batcher = calloc(1, sizeof(*batcher));

    assert(options->size_max >= 1 && options->size_max <= SQS_BATCH_MAX);
    if (!batcher)
        return -ENOMEM;
    batcher->options = *options;
    batcher->size = ADAPTIVE_LIMIT_INIT(options->size_max);
    batcher->rate_limit = RATE_LIMIT_INIT(options->rate_limit);
    *ret = batcher;
    return 0;
}

void batcher_reconfigure(struct batcher *b, unsigned size_max, uint64_t linger_usec,
                         uint64_t rate_limit, uint64_t now_usec)
{
    assert(size_max >= 1 && size_max <= SQS_BATCH_MAX);
    b->options.linger_usec = linger_usec;
    adaptive_limit_set_max(&b->size, size_max);
    rate_limit_set(&b->rate_limit, rate_limit, now_usec);
}

struct batcher *batcher_free(struct batcher *batcher)
{
    free(batcher);
    return NULL;
}

static bool fits(const struct batch *batch, const struct outgoing_message *message)
{
    return batch->n == 0 ||
           (!message->needs_own_request && batch->bytes + message->bytes <= SQS_BATCH_MAX_BYTES);
}

/* True when the batch takes no further message. */
static bool is_closed(const struct batcher *b)
{
    return b->open.n >= b->size.current || b->open.bytes >= SQS_BATCH_MAX_BYTES ||
           (b->open.n > 0 && b->open.messages[0]->needs_own_request);
}

static void add(struct batcher *b, struct outgoing_message *message, uint64_t now_usec)
{
    producer_lanes_take(b->options.lanes, message);
    if (b->open.n == 0)
        b->open.since_usec = now_usec;
    b->open.messages[b->open.n++] = message;
    b->open.bytes += message->bytes;
}

/* Fills the open batch. Returns true when a further message may come soon, so that lingering can
 * help. */
static bool fill(struct batcher *b, uint64_t now_usec)
{
    enum batcher_supply supply = SUPPLY_ADDED;

    while (!is_closed(b)) {
        struct outgoing_message *message = producer_lanes_peek(b->options.lanes);

        if (message && !fits(&b->open, message))
            return false;
        if (message)
            add(b, message, now_usec);
        else if (supply == SUPPLY_ADDED)
            supply = b->options.supply(b->options.userdata);
        else
            return supply == SUPPLY_LATER;
    }
    return false;
}

int batcher_next(struct batcher *b, uint64_t now_usec, struct batch *ret, uint64_t *ret_wake_usec)
{
    bool may_wait;
    uint64_t lingers_until;

    if (now_usec < rate_limit_next_usec(&b->rate_limit)) {
        *ret_wake_usec = rate_limit_next_usec(&b->rate_limit);
        return BATCHER_E_WAIT;
    }
    producer_lanes_wake(b->options.lanes, now_usec);
    may_wait = fill(b, now_usec);
    lingers_until = b->open.since_usec + b->options.linger_usec;
    if (b->open.n == 0 || (may_wait && now_usec < lingers_until)) {
        *ret_wake_usec = producer_lanes_due_usec(b->options.lanes);
        if (b->open.n > 0)
            *ret_wake_usec = MIN(*ret_wake_usec, lingers_until);
        return BATCHER_E_WAIT;
    }
    producer_lanes_seal(b->options.lanes);
    rate_limit_take(&b->rate_limit, b->open.n, now_usec);
    *ret = b->open;
    b->open = (struct batch){};
    return 0;
}

void batcher_stalled(struct batcher *b)
{
    (void)adaptive_limit_stalled(&b->size, b->size.epoch);
}

void batcher_got_through(struct batcher *b, size_t n)
{
    if (n >= b->size.current)
        adaptive_limit_succeeded(&b->size, b->size.epoch);
}
