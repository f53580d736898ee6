/* SPDX-License-Identifier: MIT */
/* How many files this process may have open: RLIMIT_NOFILE of getrlimit(2). */
#pragma once

#include "util/macro.h"

/* Raises the soft limit to `wanted` if it is lower. Spawned programs must not inherit the raised
 * limit, since select(2) breaks above 1024 (descriptor_limit_lower_for_spawn). Returns 0, a
 * negative errno, or DESCRIPTOR_LIMIT_E_HARD with the hard limit in *ret_hard: it is lower than
 * `wanted`, and only an administrator can raise it. */
enum { DESCRIPTOR_LIMIT_E_HARD = 1 };
int descriptor_limit_raise(uint64_t wanted, uint64_t *ret_hard);

/* Called before and after a program is started. The first sets the soft limit to its original
 * value. The second sets it back to the raised one; its argument is the result of the first. Open
 * descriptors above the limit stay open. In between, another thread (libcurl's resolver) may fail
 * to open a descriptor. The name is then reported as not found, and the request is tried again. */
uint64_t descriptor_limit_lower_for_spawn(void);
void descriptor_limit_restore_after_spawn(uint64_t soft);
