/* SPDX-License-Identifier: MIT */
/* Whether credentials may do what a daemon needs, by what SQS has answered so far.
 *
 * Before the start is over each action is probed by a request that cannot touch a message, since it
 * is malformed: SQS answers an allowed one with the error of its form, and a denied one with
 * AccessDenied (it looks at permissions first; that is not documented). Where SQS looked at
 * the form first, a probe would tell nothing: so an action counts as proven only when a real
 * request has succeeded, and until then a denial ends the daemon. A denial counts once it has
 * lasted PERMISSION_DENIAL_USEC: a permission that was just given takes time to spread. */
#pragma once

#include "sqs/error.h"
#include "sqs/request.h"

#define PERMISSION_DENIAL_USEC (30 * USEC_PER_SEC)
/* From one try to the next, at most: before a denial counts, and after. */
#define PERMISSION_RETRY_MAX_USEC (5 * USEC_PER_SEC)
#define PERMISSION_RETRY_SLOW_USEC (60 * USEC_PER_SEC)
/* A denial that none has followed for so long was a passing one. Who is denied tries more often. */
#define PERMISSION_FORGET_USEC (600 * USEC_PER_SEC)

/* What a probe has told. */
enum permission_answer {
    PERMISSION_UNKNOWN, /* nothing: no answer, or one of neither form */
    PERMISSION_ALLOWED,
    PERMISSION_DENIED,
};

/* Of one action. Times are on the boot clock. All zero: it is not needed. */
struct permission {
    bool is_needed;
    bool is_proven; /* a real request has succeeded: later denials are troubles like others */
    enum permission_answer answer; /* of the last probe that told something */
    unsigned n_denials;            /* in a row */
    uint64_t denied_since_usec;    /* where that is not 0 */
    uint64_t denied_last_usec;     /* the same */
};

struct permissions {
    struct permission by_operation[SQS_N_OPERATIONS]; /* by the operation for one message */
};

/* `operations`: a set of bits PERMISSION_BIT(operation). */
#define PERMISSION_BIT(operation) (1U << (operation))
void permissions_init(struct permissions *permissions, unsigned operations);

/* What the answer to a probe tells. `error`: NULL where SQS took the request, though it is
 * malformed. */
enum permission_answer permission_answer_of(enum sqs_operation operation,
                                            const struct sqs_error *error);

/* A probe was answered so. True: the denial counts now. */
bool permissions_probed(struct permissions *permissions, enum sqs_operation operation,
                        enum permission_answer answer, uint64_t now_usec);

/* A real request was denied. True: the denial counts now. Any operation, needed or not. */
bool permissions_denied(struct permissions *permissions, enum sqs_operation operation,
                        uint64_t now_usec);

/* A real request has succeeded. */
void permissions_proven(struct permissions *permissions, enum sqs_operation operation);

/* Whether a denial of that operation may still end the daemon. */
bool permissions_is_denial_fatal(const struct permissions *permissions,
                                 enum sqs_operation operation);

/* Whether it is to be probed: it is needed, not proven, and no probe has found it allowed. */
bool permissions_needs_probe(const struct permissions *permissions, enum sqs_operation operation);

/* How many are denied. */
unsigned permissions_count_denied(const struct permissions *permissions);

/* When to probe again what is denied, from now; USEC_INFINITY: nothing is. Soon at first, and
 * exactly when the last denial comes to count. */
uint64_t permissions_retry_usec(const struct permissions *permissions, uint64_t now_usec);
