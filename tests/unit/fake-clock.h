/* SPDX-License-Identifier: MIT */
/* Clocks that stand still until the test moves fake_now_usec (fake-queue.h), in the place of
 * util/clock.h's: the boot clock is fake_now_usec, the wall clock is that and FAKE_WALL_USEC.
 * Random numbers are the largest, so that a jittered delay is the longest. The event loop's clock
 * is the real one. */
#pragma once

#include "util/macro.h"

#define FAKE_WALL_USEC (UINT64_C(1700000000) * USEC_PER_SEC)
