/* SPDX-License-Identifier: MIT */
/* What the keys may not do. As on AWS, an action is named as its operation is, without "Batch": who
 * may not SendMessage may not SendMessageBatch either. */
#pragma once

#include "util/macro.h"

struct permissions {
    uint64_t denied; /* bit i: operation i of the table in operations.c */

    /* Parameters are looked at before permissions. AWS does it the other way round (inferred: its
     * services ask for permission before their own code sees the request). */
    bool is_parameters_first;
};

/* Denies an action; "*" all. 0, or PERMISSIONS_E_UNKNOWN where there is none of that name. */
enum { PERMISSIONS_E_UNKNOWN = 1 };
int permissions_deny(struct permissions *permissions, const char *action);
