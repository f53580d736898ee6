/* SPDX-License-Identifier: MIT */
#include "fifo-limit.h"

enum fifo_action fifo_action_of(const char *operation)
{
    static const char *const names[FIFO_N_ACTIONS] = {
        [FIFO_ACTION_SEND] = "SendMessage",
        [FIFO_ACTION_RECEIVE] = "ReceiveMessage",
        [FIFO_ACTION_DELETE] = "DeleteMessage",
        [FIFO_ACTION_CHANGE_VISIBILITY] = "ChangeMessageVisibility",
    };

    for (enum fifo_action i = 0; i < FIFO_N_ACTIONS; i++) {
        size_t n = strlen(names[i]);

        if (strncmp(operation, names[i], n) == 0 &&
            (operation[n] == '\0' || streq(operation + n, "Batch")))
            return i;
    }
    return FIFO_ACTION_NONE;
}

bool fifo_limit_take(struct fifo_limit *counted, enum fifo_action action, unsigned limit,
                     uint64_t now_usec)
{
    uint64_t second = now_usec / USEC_PER_SEC;

    if (limit == 0 || action == FIFO_ACTION_NONE)
        return true;
    if (counted->second[action] != second) {
        counted->second[action] = second;
        counted->n_calls[action] = 0;
    }
    if (counted->n_calls[action] >= limit)
        return false;
    counted->n_calls[action]++;
    return true;
}
