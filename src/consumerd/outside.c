/* See outside.h. */
#include "outside.h"

#include <time.h>

#include "random.h"
#include "wall-clock.h"

uint64_t outside_now_usec(void)
{
    struct timespec t = {};

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * USEC_PER_SEC + (uint64_t)t.tv_nsec / 1000;
}

uint64_t outside_wall_usec(void)
{
    return wall_clock_usec();
}

uint64_t outside_random(void)
{
    return random_u64();
}
