/* How many files this process may have open: RLIMIT_NOFILE of getrlimit(2). */
#pragma once

#include "macro.h"

/* Raises the soft limit to `wanted` where it is lower. Programs that are started later inherit it.
 * 0; a negative errno; or DESCRIPTOR_LIMIT_E_HARD with *ret_hard the hard limit, which is lower and
 * which only an administrator can raise. */
enum { DESCRIPTOR_LIMIT_E_HARD = 1 };
int descriptor_limit_raise(uint64_t wanted, uint64_t *ret_hard);
