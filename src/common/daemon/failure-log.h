/* SPDX-License-Identifier: MIT */
/* What keeps something from succeeding, and which of it is worth a line in the log: the first
 * failure of a kind, then one a minute, and the end of what was told. What fails beside others that
 * work, or now and then, keeps to that, too: of one trouble and one kind there is a line a minute
 * at most, and as many of the ends. Of the queue's operations each has its own. */
#pragma once

#include "sqs/error.h"
#include "sqs/request.h"
#include "util/log-rate-limit.h"

enum { FAILURE_LOG_TEXT_MAX_BYTES = 256 };

/* Of one thing that may fail. Times are on the boot clock. */
struct failure_log {   /* all zero: none */
    unsigned failures; /* since the last answer; 0: all is well */
    uint64_t since_usec, last_usec;
    bool is_told; /* a line was written of it */
    char text[FAILURE_LOG_TEXT_MAX_BYTES];
    struct log_rate_limit limit; /* it outlives the trouble */
};

/* An attempt has failed; `kind` and `text` say how and why (cut where they are long), the text for
 * people. True: it is worth a line. */
bool failure_log_add(struct failure_log *trouble, const char *kind, const char *text,
                     uint64_t now_usec);

/* It has worked, or nobody tries any more. True: that is worth a line; `*ret` is then the trouble
 * that has ended. */
bool failure_log_end(struct failure_log *trouble, struct failure_log *ret);

/* Those of the queue's operations. */
struct operation_failures { /* all zero: none */
    struct failure_log of[SQS_N_OPERATIONS];
};

/* As failure_log_add: an operation's attempt has failed. */
bool operation_failures_add(struct operation_failures *troubles, enum sqs_operation operation,
                            const struct sqs_error *error, const char *text, uint64_t now_usec);

/* As failure_log_end: it has been answered. */
bool operation_failures_end(struct operation_failures *troubles, enum sqs_operation operation,
                            struct failure_log *ret);

/* Why the operation failed that failed last, of those that are in trouble; NULL: none is.
 * Borrowed until the next call. */
const char *operation_failures_text(const struct operation_failures *troubles);
