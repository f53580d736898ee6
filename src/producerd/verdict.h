/* SPDX-License-Identifier: MIT */
/* What SQS's answer means for one message of a request. Pure. */
#pragma once

#include "sqs/client.h"
#include "util/backoff.h"

enum verdict_kind {
    VERDICT_SENT,     /* it stands in the queue */
    VERDICT_RETRY,    /* it goes again, unchanged, after a pause */
    VERDICT_SPLIT,    /* the batch was refused as a whole: at once, in a request of its own */
    VERDICT_REJECTED, /* SQS will never take it */
};

/* All strings are borrowed from the result. */
struct verdict {
    enum verdict_kind kind;
    const char *message_id;      /* SENT */
    const char *sequence_number; /* SENT, on FIFO; else NULL */
    enum backoff_kind backoff;   /* AGAIN: of what kind the pause is */
    bool is_unknown;             /* AGAIN: it may stand in the queue already */
    const char *name, *code;     /* not SENT: the error under both its names; "" below HTTP */
    const char *text;            /* not SENT: what SQS says of it */
};

/* Of message `i` of the `n` that the request bore. */
void verdict_of(const struct sqs_result *result, size_t n, size_t i, struct verdict *ret);
