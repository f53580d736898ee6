/* SPDX-License-Identifier: MIT */
/* What keeps something from succeeding, and which of it is worth a line in the log: the first
 * failure of a kind, then one a minute, and the end of what was told. What fails beside others that
 * work, or now and then, keeps to that, too: of one trouble and one kind there is a line a minute
 * at most, and as many of the ends. Of the queue's operations each has its own. */
#pragma once

#include "sqs/error.h"
#include "sqs/request.h"
#include "util/line-limit.h"

enum { TROUBLE_TEXT_MAX_BYTES = 256 };

/* Of one thing that may fail. Times are on the boot clock. */
struct trouble {       /* all zero: none */
    unsigned failures; /* since the last answer; 0: all is well */
    uint64_t since_usec, last_usec;
    bool is_told; /* a line was written of it */
    char text[TROUBLE_TEXT_MAX_BYTES];
    struct line_limit limit; /* it outlives the trouble */
};

/* An attempt has failed; `kind` and `text` say how and why (cut where they are long), the text for
 * people. True: it is worth a line. */
bool trouble_add(struct trouble *trouble, const char *kind, const char *text, uint64_t now_usec);

/* It has worked, or nobody tries any more. True: that is worth a line; `*ret` is then the trouble
 * that has ended. */
bool trouble_end(struct trouble *trouble, struct trouble *ret);

/* Those of the queue's operations. */
struct troubles { /* all zero: none */
    struct trouble of[SQS_N_OPERATIONS];
};

/* As trouble_add: an operation's attempt has failed. */
bool troubles_add(struct troubles *troubles, enum sqs_operation operation,
                  const struct sqs_error *error, const char *text, uint64_t now_usec);

/* As trouble_end: it has been answered. */
bool troubles_end(struct troubles *troubles, enum sqs_operation operation, struct trouble *ret);

/* Why the operation failed that failed last, of those that are in trouble; NULL: none is.
 * Borrowed until the next call. */
const char *troubles_text(const struct troubles *troubles);
