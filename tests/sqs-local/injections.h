/* SPDX-License-Identifier: MIT */
/* Injected faults: rules that say which requests go wrong, and how.
 *
 *   <Operation|*>:<kind>[:every=N|:p=0.1][:times=N][:delay=MS]
 *
 * A rule counts the requests of its operation on which its kind can act. It acts on every Nth of
 * them, or on each with a probability, or else on all. After it has acted `times` times it stops.
 * If several rules would act on a request, only the first does. The choice depends only on the seed
 * and on the number of requests so far. */
#pragma once

#include "util/buffer.h"

enum injection_kind {
    INJECTION_NONE,
    /* The operation is not carried out. */
    INJECTION_ERROR_500,
    INJECTION_ERROR_503, /* in HTML, as from a load balancer */
    INJECTION_THROTTLE,
    INJECTION_EXPIRED_TOKEN,
    INJECTION_DROP_BEFORE, /* the connection is closed */
    INJECTION_STALL,       /* no answer, and the connection stays open */
    INJECTION_EMPTY,       /* a receive is answered at once, as if there were no messages */
    /* Not carried out either; errors of KMS, as on a queue with SSE-KMS. */
    INJECTION_KMS_ACCESS_DENIED,
    INJECTION_KMS_DISABLED,
    INJECTION_KMS_INVALID_KEY_USAGE,
    INJECTION_KMS_INVALID_STATE,
    INJECTION_KMS_NOT_FOUND,
    INJECTION_KMS_OPT_IN_REQUIRED,
    INJECTION_KMS_THROTTLED,
    /* Some entries of a batch are not carried out and come back as failed. */
    INJECTION_PARTIAL,
    /* The operation is carried out. */
    INJECTION_DROP_AFTER, /* the connection is closed instead of a reply */
    INJECTION_DELAY,      /* but only after a delay */
    INJECTION_GARBAGE,    /* the reply is not JSON */
    INJECTION_TRUNCATE,   /* the connection is closed in the middle of the reply */
    INJECTION_WRONG_MD5,  /* the MD5s in the reply are wrong */
    INJECTION_N_KINDS,
};

/* The fault for one request. */
struct injection {
    enum injection_kind kind;
    uint64_t delay_usec;      /* DELAY; else 0 */
    uint32_t failing_entries; /* PARTIAL: bit i stands for entry i; else 0 */
};

struct injections;

int injections_new(uint64_t seed, struct injections **ret); /* without rules; 0 or -ENOMEM */
struct injections *injections_free(struct injections *injections);
DEFINE_CLEANUP(struct injections *, injections_free)

/* Adds a rule. Returns 0, -ENOMEM, or INJECTIONS_E_INVALID with *ret_why a constant line that says
 * what is wrong with the rule. */
enum { INJECTIONS_E_INVALID = 1, INJECTIONS_MAX = 64 };
int injections_add(struct injections *injections, const char *text, const char **ret_why);

/* Counts a request of that operation, and returns the fault for it. */
struct injection injections_next(struct injections *injections, const char *operation);

/* Appends the rules as a JSON list of {"fault","requests","faults"}: the rule, how many requests it
 * has counted, and how many it has acted on. */
void injections_show(const struct injections *injections, struct buffer *output);

/* Changes the JSON of a reply for GARBAGE or WRONG_MD5. Other kinds do nothing. */
void injection_spoil(enum injection_kind kind, struct buffer *reply);
