/* SPDX-License-Identifier: MIT */
/* How many more messages may be asked for, so that what they bring has room in memory. How large
 * messages are is told by those that have come of late: the largest counts, and is forgotten by a
 * sixteenth with each reply. Pure, a plain value; bytes are those of the replies' JSON. */
#pragma once

#include "util/macro.h"

struct memory_budget {
    uint64_t max_bytes;
    uint64_t message_bytes; /* that one is expected to bring; 0: none has come yet */
};

#define MEMORY_BUDGET_INIT(max_bytes_) ((struct memory_budget){.max_bytes = (max_bytes_)})

/* A reply of so many bytes has brought n messages, more than 0. */
static inline void memory_budget_received(struct memory_budget *budget, size_t bytes, size_t n)
{
    uint64_t kept = budget->message_bytes - budget->message_bytes / 16;

    budget->message_bytes = MAX(bytes / n, kept);
}

/* `held_bytes` are held, and `reserved` messages may still come for what was asked before. Where
 * nothing is held or reserved, one may be asked for in any case. */
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
