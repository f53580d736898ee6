/* SPDX-License-Identifier: MIT */
/* What SQS's answer to a request means for one message of it. Pure. */
#pragma once

#include "aws/backoff.h"
#include "sqs/client.h"

enum verdict_kind {
    VERDICT_SENT,  /* SQS has stored the message */
    VERDICT_RETRY, /* send it again, unchanged, after a pause */
    /* SQS refused the whole batch: send it again at once, in a request of its own */
    VERDICT_SPLIT,
    VERDICT_REJECTED, /* SQS will never accept it */
};

/* All texts are borrowed from the result. */
struct verdict {
    enum verdict_kind kind;
    const char *message_id;      /* SENT */
    const char *sequence_number; /* SENT, on FIFO; else NULL */
    enum backoff_kind backoff;   /* RETRY: the kind of back-off */
    bool is_unknown;             /* RETRY, SPLIT: SQS may have stored it */
    /* not SENT: the error's canonical name and SQS's code; "" for errors below HTTP */
    const char *name, *code;
    const char *text; /* not SENT: SQS's message */
};

/* The verdict on message `i` of the `n` messages of the request. */
void verdict_of(const struct sqs_result *result, size_t n, size_t i, struct verdict *ret);
