/* SPDX-License-Identifier: MIT */
/* Faults on purpose: rules that say which requests are to go wrong, and how.
 *
 *   <Operation|*>:<kind>[:every=N|:p=0.1][:times=N][:delay=MS]
 *
 * A rule counts the requests that it is for: those of its operation, and of these only ones that
 * its kind can act on. It acts on every Nth of them, or on each with a probability; without either
 * on every one; and not any more once it has acted `times` times. Of several rules the first that
 * is to act does. Which requests those are depends on the seed and on the requests' number only. */
#pragma once

#include "util/buffer.h"

enum injection_kind {
    INJECTION_NONE,
    /* Nothing is done. */
    INJECTION_ERROR_500,
    INJECTION_ERROR_503, /* in HTML, as a load balancer has it */
    INJECTION_THROTTLE,
    INJECTION_EXPIRED_TOKEN,
    INJECTION_DROP_BEFORE, /* the connection is closed */
    INJECTION_STALL,       /* no answer, and the connection stays open */
    INJECTION_EMPTY,       /* a receive is answered at once, as if there were no messages */
    /* The same, for KMS's sake: of a queue with SSE-KMS. */
    INJECTION_KMS_ACCESS_DENIED,
    INJECTION_KMS_DISABLED,
    INJECTION_KMS_INVALID_KEY_USAGE,
    INJECTION_KMS_INVALID_STATE,
    INJECTION_KMS_NOT_FOUND,
    INJECTION_KMS_OPT_IN_REQUIRED,
    INJECTION_KMS_THROTTLED,
    /* Nothing is done for some entries of a batch, which come back as failed. */
    INJECTION_PARTIAL,
    /* All is done. */
    INJECTION_DROP_AFTER, /* the connection is closed instead of a reply */
    INJECTION_DELAY,      /* only later */
    INJECTION_GARBAGE,    /* the reply is no JSON */
    INJECTION_TRUNCATE,   /* the connection is closed in the reply's middle */
    INJECTION_WRONG_MD5,  /* the reply's MD5s are others */
    INJECTION_N_KINDS,
};

/* What is to go wrong with one request. */
struct injection {
    enum injection_kind kind;
    uint64_t delay_usec;      /* DELAY; else 0 */
    uint32_t failing_entries; /* PARTIAL: bit i stands for entry i; else 0 */
};

struct injections;

int injections_new(uint64_t seed, struct injections **ret); /* no rules; 0 or -ENOMEM */
struct injections *injections_free(struct injections *injections);
DEFINE_CLEANUP(struct injections *, injections_free)

/* Adds a rule. 0, -ENOMEM, or INJECTIONS_E_INVALID with *ret_why a constant line that says what is
 * wrong with it. */
enum { INJECTIONS_E_INVALID = 1, INJECTIONS_MAX = 64 };
int injections_add(struct injections *injections, const char *text, const char **ret_why);

/* What is to become of a request of that operation, which is counted by this. */
struct injection injections_next(struct injections *injections, const char *operation);

/* Appends the rules as a JSON list of {"fault","requests","faults"}: what it was for, and acted on.
 */
void injections_show(const struct injections *injections, struct buffer *output);

/* Spoils the JSON of a reply as GARBAGE or WRONG_MD5 have it; other kinds do nothing. */
void injection_spoil(enum injection_kind kind, struct buffer *reply);
