/* See descriptor-limit.h. */
#include "descriptor-limit.h"

#include <errno.h>
#include <sys/resource.h>

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
    limit.rlim_cur = wanted;
    return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}
