/* SPDX-License-Identifier: MIT */
/* For LD_PRELOAD: a test sets the clocks while a program runs. SHIFTED_CLOCK names a file with two
 * 8-byte integers: by how many seconds the wall clock is ahead, and by how many CLOCK_MONOTONIC and
 * CLOCK_BOOTTIME are. (A time namespace can move the latter only before a program starts.) Timers
 * of the kernel that are already set do not move. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { WALL, RUNNING, N_SHIFTS };

static int64_t shift_sec(int which)
{
    static _Atomic(const _Atomic int64_t *) shared;
    const _Atomic int64_t *shifts = atomic_load(&shared);

    if (!shifts) {
        const char *path = getenv("SHIFTED_CLOCK");
        int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        void *mapped = fd >= 0
                           ? mmap(NULL, N_SHIFTS * sizeof(*shifts), PROT_READ, MAP_SHARED, fd, 0)
                           : MAP_FAILED;

        if (fd >= 0)
            close(fd);
        if (mapped == MAP_FAILED)
            abort(); /* a test that shifts nothing would show nothing */
        shifts = mapped;
        atomic_store(&shared, shifts);
    }
    return atomic_load(&shifts[which]);
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ret);

    if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        ret->tv_sec += shift_sec(WALL);
    if (r == 0 && (clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME))
        ret->tv_sec += shift_sec(RUNNING);
    return r;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    struct timespec now;
    int r = clock_gettime(CLOCK_REALTIME, &now);

    (void)zone;
    if (r == 0)
        *ret = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return r;
}

time_t time(time_t *ret)
{
    struct timespec now;

    if (clock_gettime(CLOCK_REALTIME, &now) < 0)
        return -1;
    if (ret)
        *ret = now.tv_sec;
    return now.tv_sec;
}
