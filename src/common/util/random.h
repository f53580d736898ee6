/* SPDX-License-Identifier: MIT */
/* Random numbers that spread retries and refreshes in time. They are not for keys. A unit test puts
 * numbers of its own in the place of random.c. */
#pragma once

#include "util/macro.h"

/* 64 random bits. UINT64_MAX, with which a jittered delay is the longest, where the kernel has none
 * to give. */
uint64_t random_u64(void);
