/* SPDX-License-Identifier: MIT */
/* For LD_PRELOAD: one read from the disk fails. FAILING_READ is "NUMBER:NAME": the pread(2) call
 * with that number, counted from 1, on files whose path ends in NAME fails with EIO. */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_named(int fd, const char *name)
{
    char link[64], path[4096];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path));
    return n >= (ssize_t)strlen(name) && memcmp(path + n - strlen(name), name, strlen(name)) == 0;
}

static bool fails(int fd)
{
    static atomic_uint n_reads;
    const char *wanted = getenv("FAILING_READ");
    char *name;
    unsigned long number;

    if (!wanted)
        return false;
    number = strtoul(wanted, &name, 10);
    return is_named(fd, name + 1) && atomic_fetch_add(&n_reads, 1) + 1 == number;
}

/* Called by the name of pread64, as that of all programs that know large files. */
ssize_t pread(int fd, void *data, size_t bytes, off_t offset)
{
    if (fails(fd)) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pread64, fd, data, bytes, offset);
}
