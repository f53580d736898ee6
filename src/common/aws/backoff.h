/* SPDX-License-Identifier: MIT */
/* How long to wait before the next attempt. This follows the AWS SDKs' standard retry mode as of
 * November 2026 (AWS SDKs and Tools Reference Guide, "Retry behavior"): the delay is random between
 * 0 and base * 2^(n-1) after n failures (full jitter), capped at 20 s. The base is 50 ms for
 * transient failures and 1 s for throttling. A server's x-amz-retry-after wins.
 *
 * One thing differs from the SDKs. When too many calls fail, the SDKs' token quota runs out, and a
 * call fails at once. A daemon never gives up. So without tokens, a few calls go on, as trials of
 * whether the service is back. All others sleep, because they would only add to the load of a
 * service that is down. Each answer then wakes two of the calls that sleep
 * (RETRY_WAKES_PER_ANSWER). So all calls go on soon after the service is back. While most attempts
 * still fail, the waking dies down by itself. */
#pragma once

#include "util/macro.h"

#define BACKOFF_TRANSIENT_BASE_USEC (50 * USEC_PER_MSEC)
#define BACKOFF_THROTTLED_BASE_USEC (1 * USEC_PER_SEC)
#define BACKOFF_SLOW_BASE_USEC (5 * USEC_PER_SEC) /* not the SDKs': a person must act */
#define BACKOFF_CAP_USEC (20 * USEC_PER_SEC)
#define BACKOFF_SLOW_CAP_USEC (60 * USEC_PER_SEC)

enum backoff_kind { BACKOFF_TRANSIENT, BACKOFF_THROTTLED, BACKOFF_SLOW };

/* The SDKs' token bucket. Each client has one. A plain value; it starts as RETRY_QUOTA_INIT. */
struct retry_quota {
    unsigned tokens;
    unsigned n_trials
        [2]; /* calls that are trials. [0]: calls that are answered at once; [1]: long polls */
};

enum {
    RETRY_QUOTA_MAX = 500,
    RETRY_COST_TRANSIENT = 14,
    RETRY_COST_THROTTLED = 5,
    RETRY_TRIALS_MAX = 2,       /* of each kind, since a long poll may take its time */
    RETRY_WAKES_PER_ANSWER = 2, /* sleeping calls that one answer wakes */
};

#define RETRY_QUOTA_INIT ((struct retry_quota){.tokens = RETRY_QUOTA_MAX})

/* What one call has taken from the quota. It starts as all zero, except is_poll. */
struct retry_grant {
    bool is_poll;  /* a long poll; the caller sets it */
    unsigned cost; /* tokens that its last retry has cost */
    bool is_trial; /* it goes on without tokens, to find out whether the service is back */
};

/* Asks the quota for one retry of a call. True: the call goes on with its back-off, because the
 * quota had the tokens or because the call is a trial now. A retry of kind BACKOFF_SLOW costs
 * nothing and always goes on. False: the call sleeps. */
bool retry_quota_take(struct retry_quota *quota, struct retry_grant *grant, enum backoff_kind kind);

/* After a success: gives back the tokens of the call's last retry, or 1 token if it has cost
 * none. */
void retry_quota_refund(struct retry_quota *quota, const struct retry_grant *grant);

/* The call has ended in any way, or it is no longer a trial. */
void retry_quota_end_trial(struct retry_quota *quota, struct retry_grant *grant);

/* The delay after `attempt` failed attempts (1: the first has just failed). `random` is any 64
 * random bits. `in_quota` is what retry_quota_take has returned. If it is true, the delay is
 * between 0 and the cap of the kind. If it is false, the delay is between the cap and twice the
 * cap: a call that sleeps wakes by itself then, since perhaps no answer wakes it.
 *
 * `retry_after_usec` is the delay that the server asks for (x-amz-retry-after is in ms);
 * USEC_INFINITY: it asks for none. The result is then this delay, but no less than the computed
 * delay, and at most 5 s more than the computed delay. */
uint64_t backoff_delay_usec(enum backoff_kind kind, unsigned attempt, bool in_quota,
                            uint64_t retry_after_usec, uint64_t random);
