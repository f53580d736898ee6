/* SPDX-License-Identifier: MIT */
/* Replaces the clocks of util/clock.h. They stand still until the test moves fake_now_usec
 * (fake-queue.h): the boot clock is fake_now_usec, the wall clock is FAKE_WALL_USEC ahead of it.
 * Every random number is the largest, so that a jittered delay is the longest. The clock of the
 * event loop is the real one. */
#pragma once

#include "util/macro.h"

#define FAKE_WALL_USEC (UINT64_C(1700000000) * USEC_PER_SEC)
