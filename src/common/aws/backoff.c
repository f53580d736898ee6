/* SPDX-License-Identifier: MIT */
/* All arithmetic is on whole numbers and cannot overflow: the exponent stops at the cap, and 38
 * random bits times a range below 2^26 fit into 64 bits. */
#include "aws/backoff.h"

#define RETRY_AFTER_EXCESS_USEC (5 * USEC_PER_SEC)

static unsigned retry_cost(enum backoff_kind kind)
{
    switch (kind) {
    case BACKOFF_TRANSIENT:
        return RETRY_COST_TRANSIENT;
    case BACKOFF_THROTTLED:
        return RETRY_COST_THROTTLED;
    case BACKOFF_SLOW:
        break;
    }
    return 0;
}

void retry_quota_end_trial(struct retry_quota *quota, struct retry_grant *grant)
{
    if (!grant->is_trial)
        return;
    grant->is_trial = false;
    quota->n_trials[grant->is_poll]--;
}

bool retry_quota_take(struct retry_quota *quota, struct retry_grant *grant, enum backoff_kind kind)
{
    unsigned cost = retry_cost(kind);

    retry_quota_end_trial(quota, grant);
    grant->cost = 0;
    if (cost <= quota->tokens) {
        quota->tokens -= cost;
        grant->cost = cost;
        return true;
    }
    if (quota->n_trials[grant->is_poll] >= RETRY_TRIALS_MAX)
        return false;
    quota->n_trials[grant->is_poll]++;
    grant->is_trial = true;
    return true;
}

void retry_quota_refund(struct retry_quota *quota, const struct retry_grant *grant)
{
    unsigned refund = grant->cost > 0 ? grant->cost : 1;
    unsigned missing = RETRY_QUOTA_MAX - MIN(quota->tokens, (unsigned)RETRY_QUOTA_MAX);

    quota->tokens += MIN(refund, missing);
}

static uint64_t base_usec(enum backoff_kind kind)
{
    switch (kind) {
    case BACKOFF_THROTTLED:
        return BACKOFF_THROTTLED_BASE_USEC;
    case BACKOFF_SLOW:
        return BACKOFF_SLOW_BASE_USEC;
    case BACKOFF_TRANSIENT:
        break;
    }
    return BACKOFF_TRANSIENT_BASE_USEC;
}

static uint64_t cap_usec(enum backoff_kind kind)
{
    return kind == BACKOFF_SLOW ? BACKOFF_SLOW_CAP_USEC : BACKOFF_CAP_USEC;
}

/* A number from `low` to `high`, both included: the upper 38 bits of `random` are a fraction of the
 * range, which is below 2^26 (67 s). */
static uint64_t scale(uint64_t random, uint64_t low, uint64_t high)
{
    return low + (((random >> 26) * (high - low + 1)) >> 38);
}

_Static_assert(2 * BACKOFF_CAP_USEC < 1 << 26 && BACKOFF_SLOW_CAP_USEC < 1 << 26,
               "scale() would overflow");

uint64_t backoff_delay_usec(enum backoff_kind kind, unsigned attempt, bool in_quota,
                            uint64_t retry_after_usec, uint64_t random)
{
    uint64_t cap = cap_usec(kind), limit = base_usec(kind), delay;

    for (unsigned n = 1; n < attempt && limit < cap; n++)
        limit *= 2;
    limit = MIN(limit, cap);

    delay = in_quota ? scale(random, 0, limit) : scale(random, cap, 2 * cap);
    if (retry_after_usec == USEC_INFINITY)
        return delay;
    return MIN(MAX(retry_after_usec, delay), delay + RETRY_AFTER_EXCESS_USEC);
}
