/* SPDX-License-Identifier: MIT */
/* Limits the calls of one action on a FIFO queue in a second. A batch is one call of its action, so
 * 300 calls a second are up to 3,000 messages (Developer Guide, "Troubleshoot FIFO throttling
 * issues"). SQS does not say how it counts; here it is by whole seconds. */
#pragma once

#include "util/macro.h"

enum { FIFO_LIMIT_CALLS = 300 }; /* SQS's, for a queue without high throughput */

enum fifo_action {
    FIFO_ACTION_SEND,
    FIFO_ACTION_RECEIVE,
    FIFO_ACTION_DELETE,
    FIFO_ACTION_CHANGE_VISIBILITY,
    FIFO_N_ACTIONS,
    FIFO_ACTION_NONE = FIFO_N_ACTIONS, /* operations without a limit */
};

/* The calls that a queue has counted; all 0 at first. */
struct fifo_limit {
    uint64_t second[FIFO_N_ACTIONS];
    unsigned n_calls[FIFO_N_ACTIONS]; /* in that second */
};

/* The action that an operation or a batch operation is a call of. */
enum fifo_action fifo_action_of(const char *operation);

/* Counts a call. False: it is beyond the limit, and was not counted. A `limit` of 0 means no
 * limit. */
bool fifo_limit_take(struct fifo_limit *counted, enum fifo_action action, unsigned limit,
                     uint64_t now_usec);
