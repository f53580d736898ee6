/* How long to wait before the next try, after the AWS SDKs' standard retry mode as of November 2026
 * (AWS SDKs and Tools Reference Guide, "Retry behavior"): full jitter over base * 2^(n-1), capped at
 * 20 s, base 50 ms for transient failures and 1 s for throttling; a server's x-amz-retry-after wins.
 *
 * A daemon has no last attempt. The SDKs' token quota, which there fails a call at once when too
 * many fail, here slows it down: without tokens the delay is drawn from the upper half of the cap. */
#pragma once

#include "macro.h"

#define BACKOFF_TRANSIENT_BASE_USEC (50 * USEC_PER_MSEC)
#define BACKOFF_THROTTLED_BASE_USEC (1 * USEC_PER_SEC)
#define BACKOFF_SLOW_BASE_USEC (5 * USEC_PER_SEC) /* ours: what a person must mend */
#define BACKOFF_CAP_USEC (20 * USEC_PER_SEC)
#define BACKOFF_SLOW_CAP_USEC (60 * USEC_PER_SEC)

enum backoff_kind { BACKOFF_TRANSIENT, BACKOFF_THROTTLED, BACKOFF_SLOW };

/* The SDKs' token bucket, one for a client. A plain value; start with RETRY_QUOTA_INIT. */
struct retry_quota {
    unsigned tokens;
};

enum {
    RETRY_QUOTA_MAX = 500,
    RETRY_COST_TRANSIENT = 14,
    RETRY_COST_THROTTLED = 5,
};

#define RETRY_QUOTA_INIT ((struct retry_quota){.tokens = RETRY_QUOTA_MAX})

/* Takes the cost of one retry. Returns what was taken: the kind's cost, or 0 where too few tokens
 * were left (none are then taken). Slow retries cost nothing: 0, and see in_quota below. */
unsigned retry_quota_take(struct retry_quota *quota, enum backoff_kind kind);

/* After a success: gives back the cost of the last retry of that call, or 1 where there was none. */
void retry_quota_refund(struct retry_quota *quota, unsigned last_cost);

/* The delay after `attempt` failed attempts (1: the first has just failed).
 * `random` is any 64 random bits. `in_quota` is false where retry_quota_take gave nothing; it has no
 * meaning for slow retries, which need no tokens.
 * `retry_after_usec`: what the server asked for (x-amz-retry-after is in ms), USEC_INFINITY if
 * nothing; then the answer is it, but at least the computed delay and at most that plus 5 s.
 * Otherwise the result is in [0, cap of the kind]. */
uint64_t backoff_delay_usec(enum backoff_kind kind, unsigned attempt, bool in_quota,
                            uint64_t retry_after_usec, uint64_t random);
