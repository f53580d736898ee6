/* SPDX-License-Identifier: MIT */
#include "util/random.h"

#include <systemd/sd-id128.h>

uint64_t random_u64(void)
{
    sd_id128_t id;

    if (sd_id128_randomize(&id) < 0)
        return UINT64_MAX;
    /* Version and variant bits of an id128 are fixed: mix both halves. */
    return id.qwords[0] ^ (id.qwords[1] << 13 | id.qwords[1] >> 51);
}
