/* SPDX-License-Identifier: MIT */
/* Keeps track of which of the daemon's SQS actions its credentials allow, from SQS's answers.
 *
 * Before the start is over, each action is probed with a malformed request, which cannot touch a
 * message. If the action is denied, SQS answers AccessDenied. If it is allowed, SQS answers that
 * the request is malformed. That relies on SQS checking permissions before the form, which is not
 * documented. If SQS checked the form first, a probe would prove nothing. So an action counts as
 * proven only after a real request has succeeded; until then a denial ends the daemon.
 *
 * A denial counts only after it has lasted PERMISSION_DENIAL_USEC, because a permission that was
 * just granted takes time to spread through AWS. */
#pragma once

#include "sqs/error.h"
#include "sqs/request.h"

#define PERMISSION_DENIAL_USEC (30 * USEC_PER_SEC)
/* The longest pause between two tries, before a denial counts, and the pause after that. */
#define PERMISSION_RETRY_MAX_USEC (5 * USEC_PER_SEC)
#define PERMISSION_RETRY_SLOW_USEC (60 * USEC_PER_SEC)
/* A denial after which none came for this long is forgotten. An action that is still denied is
 * tried more often than that. */
#define PERMISSION_FORGET_USEC (600 * USEC_PER_SEC)

/* The result of a probe. */
enum permission_answer {
    PERMISSION_UNKNOWN, /* no answer, or one that proves neither */
    PERMISSION_ALLOWED,
    PERMISSION_DENIED,
};

/* The state of one action. Times are on the boot clock. All zero: the action is not needed. */
struct permission {
    bool is_needed;
    bool is_proven; /* a real request has succeeded: later denials do not end the daemon */
    enum permission_answer answer; /* of the last probe that did not end as UNKNOWN */
    unsigned n_denials;            /* in a row */
    uint64_t denied_since_usec;    /* the first of them; valid only if n_denials > 0 */
    uint64_t denied_last_usec;     /* the last of them; valid only if n_denials > 0 */
};

struct permissions {
    struct permission by_operation[SQS_N_OPERATIONS]; /* index: sqs_operation_single */
};

/* `operations`: the needed ones, as bits PERMISSION_BIT(operation). */
#define PERMISSION_BIT(operation) (1U << (operation))
void permissions_init(struct permissions *permissions, unsigned operations);

/* What the answer to a probe proves. `error` is NULL if SQS accepted the malformed request. */
enum permission_answer permission_answer_of(enum sqs_operation operation,
                                            const struct sqs_error *error);

/* Notes the result of a probe. True: the action is denied, and the denial counts now. */
bool permissions_probed(struct permissions *permissions, enum sqs_operation operation,
                        enum permission_answer answer, uint64_t now_usec);

/* Notes that a real request was denied. True: the denial counts now. The operation may be one that
 * is not needed. */
bool permissions_denied(struct permissions *permissions, enum sqs_operation operation,
                        uint64_t now_usec);

/* Notes that a real request has succeeded. */
void permissions_proven(struct permissions *permissions, enum sqs_operation operation);

/* Whether a denial of that operation may still end the daemon. */
bool permissions_is_denial_fatal(const struct permissions *permissions,
                                 enum sqs_operation operation);

/* Whether the operation must be probed: it is needed, not proven, and the last probe with a result
 * did not find it allowed. */
bool permissions_needs_probe(const struct permissions *permissions, enum sqs_operation operation);

/* How many actions are denied. */
unsigned permissions_count_denied(const struct permissions *permissions, uint64_t now_usec);

/* How long from now to wait before the denied actions are probed again; USEC_INFINITY: none is
 * denied. The first waits are short, and one ends exactly when the last denial begins to count. */
uint64_t permissions_retry_usec(const struct permissions *permissions, uint64_t now_usec);
