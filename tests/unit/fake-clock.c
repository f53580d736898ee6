/* SPDX-License-Identifier: MIT */
/* It defines all of util/clock.c and util/random.c, so that the linker takes neither from the
 * library. */
#include "fake-clock.h"

#include "fake-queue.h"
#include "util/clock.h"
#include "util/random.h"

uint64_t clock_boot_usec(void)
{
    return fake_now_usec;
}

uint64_t clock_monotonic_usec(void)
{
    return fake_now_usec;
}

uint64_t clock_wall_usec(void)
{
    return FAKE_WALL_USEC + fake_now_usec;
}

uint64_t random_u64(void)
{
    return UINT64_MAX;
}
