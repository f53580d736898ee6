/* SPDX-License-Identifier: MIT */
/* How many more messages may be received, so that they fit into the memory that is set aside for
 * them. The size of a future message is estimated from earlier replies. After each reply the
 * estimate is the mean size of the reply's messages or, if that is larger, the last estimate less a
 * sixteenth. Bytes are those of the replies' JSON. Pure, a plain value. */
#pragma once

#include "util/macro.h"

struct memory_budget {
    uint64_t max_bytes;
    uint64_t message_bytes; /* the estimate for one message; 0: none was received yet */
};

#define MEMORY_BUDGET_INIT(max_bytes_) ((struct memory_budget){.max_bytes = (max_bytes_)})

/* A reply of `bytes` bytes has brought `n` messages, more than 0. */
static inline void memory_budget_received(struct memory_budget *budget, size_t bytes, size_t n)
{
    uint64_t kept = budget->message_bytes - budget->message_bytes / 16;

    budget->message_bytes = MAX(bytes / n, kept);
}

/* How many further messages may be asked for. `held_bytes` are in memory, and receives under way
 * may bring `reserved` messages. At least 1 when both are 0, and SIZE_MAX before the first
 * reply. */
static inline size_t memory_budget_messages(const struct memory_budget *budget, size_t held_bytes,
                                            size_t reserved)
{
    uint64_t used = held_bytes + reserved * budget->message_bytes;

    if (budget->message_bytes == 0)
        return SIZE_MAX;
    if (used == 0)
        return MAX(budget->max_bytes / budget->message_bytes, UINT64_C(1));
    return used < budget->max_bytes ? (budget->max_bytes - used) / budget->message_bytes : 0;
}
