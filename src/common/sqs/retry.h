/* SPDX-License-Identifier: MIT */
/* Decides what follows a failed attempt of a call: the call ends, or another attempt is made, at
 * once or after a delay. It works on plain values and has no state of its own. */
#pragma once

#include "aws/backoff.h"
#include "sqs/error.h"

/* The state of a call's attempts. At first all is zero, except grant.is_poll. */
struct sqs_retry {
    unsigned failures; /* in a row, with the same kind of back-off */
    enum backoff_kind failure_kind;
    struct retry_grant grant;
    bool has_refreshed; /* the keys were refused, and looked up anew, once already */
};

struct sqs_retry_rules {
    bool is_last;         /* the caller wants no more attempts */
    bool had_credentials; /* the attempt was signed */
    bool keep_trying, is_denial_final;
    uint64_t denial_delay_max_usec; /* this and the two above: see sqs_call_options */
};

enum sqs_next {
    SQS_NEXT_FINISH,
    SQS_NEXT_NOW, /* at once, with credentials that are looked up anew */
    SQS_NEXT_AFTER,
};

struct sqs_retry_step {
    enum sqs_next next;
    uint64_t delay_usec; /* SQS_NEXT_AFTER */
    bool is_slow;        /* SQS_NEXT_AFTER: the call does not find out soon whether SQS is back */
    bool is_wakeable;    /* SQS_NEXT_AFTER: no tokens are left; another call's answer may end it */
};

/* `random` is any 64 random bits. A retry may take tokens of `quota`; retry->grant notes how many.
 */
struct sqs_retry_step sqs_retry_next(struct sqs_retry *retry, struct retry_quota *quota,
                                     const struct sqs_error *error,
                                     const struct sqs_retry_rules *rules, uint64_t random);
