/* See outside.h. */
#include "outside.h"

#include <time.h>

#include <systemd/sd-id128.h>

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
    sd_id128_t id;

    /* Delays are drawn with it: without randomness the longest is the safe one. */
    if (sd_id128_randomize(&id) < 0)
        return UINT64_MAX;
    /* Some bits of an id are fixed: mix both halves. */
    return id.qwords[0] ^ (id.qwords[1] << 29 | id.qwords[1] >> 35);
}
