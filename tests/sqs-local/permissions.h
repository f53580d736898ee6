/* SPDX-License-Identifier: MIT */
/* The actions that are denied to the keys. As on AWS, an operation and its batch are one action: if
 * SendMessage is denied, SendMessageBatch is denied, too. */
#pragma once

#include "util/macro.h"

struct permissions {
    uint64_t denied; /* bit i: operation i of the table in operations.c */

    /* Parameters are checked before permissions. On AWS it is the other way round (inferred: AWS's
     * services check permissions before their own code sees the request). */
    bool is_parameters_first;
};

/* Denies an action; "*" denies all. Returns 0, or PERMISSIONS_E_UNKNOWN if there is no such
 * action. */
enum { PERMISSIONS_E_UNKNOWN = 1 };
int permissions_deny(struct permissions *permissions, const char *action);
