/* SPDX-License-Identifier: MIT */
/* How many files this process may have open: RLIMIT_NOFILE of getrlimit(2). */
#pragma once

#include "util/macro.h"

/* Raises the soft limit to `wanted` where it is lower. Programs must not inherit that: those that
 * use select(2) break above 1024; see below. 0; a negative errno; or DESCRIPTOR_LIMIT_E_HARD with
 * *ret_hard the hard limit, which is lower and which only an administrator can raise. */
enum { DESCRIPTOR_LIMIT_E_HARD = 1 };
int descriptor_limit_raise(uint64_t wanted, uint64_t *ret_hard);

/* Around the start of a program: the soft limit as it was before the first of the above, and again
 * as it is now. What is open above it stays open. Only another thread (libcurl's, for a look-up)
 * may be refused a new descriptor meanwhile, where so many are open: as if the name could not be
 * found, which is tried again. Returns what to hand to descriptor_limit_restore_after_spawn. */
uint64_t descriptor_limit_lower_for_spawn(void);
void descriptor_limit_restore_after_spawn(uint64_t soft);
