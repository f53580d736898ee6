/* SPDX-License-Identifier: MIT */
/* How long to wait before the next try, after the AWS SDKs' standard retry mode as of November 2026
 * (AWS SDKs and Tools Reference Guide, "Retry behavior"): full jitter over base * 2^(n-1), capped
 * at 20 s, base 50 ms for transient failures and 1 s for throttling; a server's x-amz-retry-after
 * wins.
 *
 * A daemon has no last attempt. The SDKs' token quota, which there fails a call at once when too
 * many fail, here lets a few probes go on, and all other calls sleep: they would only add to the
 * load of a service that is down. Each answer then wakes two of those that wait without tokens
 * (RETRY_WAKES_PER_ANSWER), so that soon after the service is back all go on; and where most attempts still
 * fail, the waking dies down by itself. */
#pragma once

#include "util/macro.h"

#define BACKOFF_TRANSIENT_BASE_USEC (50 * USEC_PER_MSEC)
#define BACKOFF_THROTTLED_BASE_USEC (1 * USEC_PER_SEC)
#define BACKOFF_SLOW_BASE_USEC (5 * USEC_PER_SEC) /* ours: what a person must mend */
#define BACKOFF_CAP_USEC (20 * USEC_PER_SEC)
#define BACKOFF_SLOW_CAP_USEC (60 * USEC_PER_SEC)

enum backoff_kind { BACKOFF_TRANSIENT, BACKOFF_THROTTLED, BACKOFF_SLOW };

/* The SDKs' token bucket, one for a client. A plain value; start with RETRY_QUOTA_INIT. */
struct retry_quota {
    unsigned tokens;
    unsigned n_probes[2]; /* of calls that are answered at once; of long polls */
};

enum {
    RETRY_QUOTA_MAX = 500,
    RETRY_COST_TRANSIENT = 14,
    RETRY_COST_THROTTLED = 5,
    RETRY_PROBES_MAX = 2,       /* of each kind: the answer to a long poll may take its time */
    RETRY_WAKES_PER_ANSWER = 2, /* calls without tokens that an answer wakes */
};

#define RETRY_QUOTA_INIT ((struct retry_quota){.tokens = RETRY_QUOTA_MAX})

/* What one call has of the quota. All zero to begin with, but for is_poll. */
struct retry_grant {
    bool is_poll;  /* the caller's: a long poll */
    unsigned cost; /* that its last retry was paid with */
    bool is_probe;
};

/* One retry of a call. True: it goes on with its back-off, paid with tokens or as a probe; a slow
 * one always does, for nothing. False: it sleeps. */
bool retry_quota_take(struct retry_quota *quota, struct retry_grant *pass, enum backoff_kind kind);

/* After a success: gives back the cost of the call's last retry, or 1 where there was none. */
void retry_quota_refund(struct retry_quota *quota, const struct retry_grant *pass);

/* The call ends, however, or is no probe any more. */
void retry_quota_end_probe(struct retry_quota *quota, struct retry_grant *pass);

/* The delay after `attempt` failed attempts (1: the first has just failed).
 * `random` is any 64 random bits. `in_quota` is what retry_quota_take said; a call that sleeps
 * wakes by itself after once to twice the cap, since there may be nobody else to wake it.
 * `retry_after_usec`: what the server asked for (x-amz-retry-after is in ms), USEC_INFINITY if
 * nothing; then the answer is it, but at least the computed delay and at most that plus 5 s.
 * Otherwise the result of a call in quota is in [0, cap of the kind]. */
uint64_t backoff_delay_usec(enum backoff_kind kind, unsigned attempt, bool in_quota,
                            uint64_t retry_after_usec, uint64_t random);
