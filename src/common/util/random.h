/* SPDX-License-Identifier: MIT */
/* Random numbers that spread retries and refreshes in time. They are not for keys. A unit test puts
 * numbers of its own in the place of random.c. */
#pragma once

#include "util/macro.h"

/* 64 random bits. If the kernel has none yet, UINT64_MAX: it makes a jittered delay the longest. */
uint64_t random_u64(void);
