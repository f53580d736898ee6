/* SPDX-License-Identifier: MIT */
/* What follows a failed attempt of a call: its end, or another attempt, at once or after a while.
 * Pure, plain values. */
#pragma once

#include "sqs/error.h"
#include "util/backoff.h"

/* What a call's attempts have come to. All zero to begin with, but for pass.is_poll. */
struct sqs_retry {
    unsigned failures; /* in a row, of the same kind of back-off */
    enum backoff_kind failure_kind;
    struct retry_grant pass;
    bool has_refreshed; /* keys were refused once already: they were looked up anew */
};

struct sqs_retry_rules {
    bool is_last;         /* the caller wants no more attempts */
    bool had_credentials; /* the attempt was signed */
    bool keep_trying, is_denial_final;
    uint64_t denial_delay_max_usec; /* see sqs_call_options */
};

enum sqs_next {
    SQS_NEXT_FINISH,
    SQS_NEXT_NOW, /* the credentials are looked up anew */
    SQS_NEXT_AFTER,
};

struct sqs_retry_step {
    enum sqs_next next;
    uint64_t delay_usec; /* SQS_NEXT_AFTER */
    bool is_slow;        /* SQS_NEXT_AFTER: it will not find out soon whether SQS is back */
    bool is_wakeable;    /* SQS_NEXT_AFTER: it waits without tokens, until another is answered */
};

/* `random` is any 64 random bits. What the call has of the quota changes with it. */
struct sqs_retry_step sqs_retry_next(struct sqs_retry *retry, struct retry_quota *quota,
                                     const struct sqs_error *error,
                                     const struct sqs_retry_rules *rules, uint64_t random);
