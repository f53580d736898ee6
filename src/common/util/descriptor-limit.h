/* SPDX-License-Identifier: MIT */
/* How many files this process may have open: RLIMIT_NOFILE of getrlimit(2). */
#pragma once

#include "util/macro.h"

/* Raises the soft limit to `wanted` if it is lower. Spawned programs must not inherit the raised
 * limit, since select(2) breaks above 1024; see below. Returns 0, a negative errno, or
 * DESCRIPTOR_LIMIT_E_HARD with the hard limit in *ret_hard: it is lower than `wanted`, and only an
 * administrator can raise it. */
enum { DESCRIPTOR_LIMIT_E_HARD = 1 };
int descriptor_limit_raise(uint64_t wanted, uint64_t *ret_hard);

/* To be called around the start of a program: the first sets the soft limit to its original value,
 * the second back to the raised one. Open descriptors above the limit stay open. Only another
 * thread (libcurl's resolver) may fail to open a descriptor in between, which looks like a name
 * that was not found and is tried again. The first returns the argument for the second. */
uint64_t descriptor_limit_lower_for_spawn(void);
void descriptor_limit_restore_after_spawn(uint64_t soft);
