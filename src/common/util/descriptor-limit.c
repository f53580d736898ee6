/* SPDX-License-Identifier: MIT */
#include "util/descriptor-limit.h"

#include <errno.h>
#include <sys/resource.h>

/* The soft limit before it was raised here; 0: it was not raised. It is static because the process
 * has only one limit. */
static rlim_t original;

int descriptor_limit_raise(uint64_t wanted, uint64_t *ret_hard)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    if (limit.rlim_cur >= wanted)
        return 0;
    if (limit.rlim_max < wanted) {
        *ret_hard = limit.rlim_max;
        return DESCRIPTOR_LIMIT_E_HARD;
    }
    if (original == 0)
        original = limit.rlim_cur;
    limit.rlim_cur = wanted;
    return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

/* Sets the soft limit and returns the previous one. 0: nothing was changed, which happens only if
 * the hard limit was lowered meanwhile or if the limit was never raised. */
static uint64_t set_soft(rlim_t soft)
{
    struct rlimit limit;
    rlim_t before;

    if (soft == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    before = limit.rlim_cur;
    limit.rlim_cur = soft;
    return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? 0 : before;
}

uint64_t descriptor_limit_lower_for_spawn(void)
{
    return set_soft(original);
}

void descriptor_limit_restore_after_spawn(uint64_t soft)
{
    set_soft(soft);
}
