/* SPDX-License-Identifier: MIT */
/* Decides which failures are worth a log line: the first of a kind, then one a minute, and the
 * recovery. Failures that alternate with successes are limited too: at most one line a minute for
 * each kind of failure, and as many for recoveries. Each operation on the queue has a failure log
 * of its own. */
#pragma once

#include "sqs/error.h"
#include "sqs/request.h"
#include "util/log-rate-limit.h"

enum { FAILURE_LOG_TEXT_MAX_BYTES = 256 };

/* The failures of one operation or device. Times are on the boot clock. */
struct failure_log {   /* all zero: none */
    unsigned failures; /* since the last answer; 0: all is well */
    uint64_t since_usec, last_usec;
    bool is_logged;
    char text[FAILURE_LOG_TEXT_MAX_BYTES];
    struct log_rate_limit limit; /* it outlives the failure */
};

/* Notes a failed attempt. `kind` and `text` say how and why it failed; both are cut if they are
 * long. The text is for people. True: log a line. */
bool failure_log_add(struct failure_log *log, const char *kind, const char *text,
                     uint64_t now_usec);

/* Notes a success, or that there will be no further attempt. True: log a line; `*ret` is the
 * failure log as it was before. */
bool failure_log_end(struct failure_log *log, struct failure_log *ret);

/* The failure logs of the queue's operations. */
struct operation_failures { /* all zero: none */
    struct failure_log of[SQS_N_OPERATIONS];
};

/* An attempt of the operation has failed; see failure_log_add. */
bool operation_failures_add(struct operation_failures *failures, enum sqs_operation operation,
                            const struct sqs_error *error, const char *text, uint64_t now_usec);

/* The operation has been answered; see failure_log_end. */
bool operation_failures_end(struct operation_failures *failures, enum sqs_operation operation,
                            struct failure_log *ret);

/* The text of the latest failure among the operations that fail now. NULL: none fails. Borrowed
 * until the next call. */
const char *operation_failures_text(const struct operation_failures *failures);
