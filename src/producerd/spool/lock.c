/* SPDX-License-Identifier: MIT */
/* The lock is flock(2) on the folder: it leaves no file behind, and ends with the process. */
#include "producerd/spool/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "util/clock.h"

#define RETRY_INTERVAL_USEC (20 * USEC_PER_MSEC)

static int open_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    CLEANUP(free)
    char *folder = !slash ? strdup(".") : strndup(path, MAX((size_t)(slash - path), (size_t)1));

    if (!folder) {
        errno = ENOMEM;
        return -1;
    }
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* After the timeout. The lock can be shared only if no command holds it, so daemons hold it. They
 * may have released it just now. Returns 0 with the lock, or one of the conditions. */
static int find_holder(int fd, bool is_command)
{
    if (!is_command || flock(fd, LOCK_SH | LOCK_NB) < 0)
        return SPOOL_LOCK_E_COMMAND;
    return flock(fd, LOCK_EX | LOCK_NB) < 0 ? SPOOL_LOCK_E_DAEMON : 0;
}

int spool_lock(const char *path, bool is_command, uint64_t timeout_usec, int *ret_fd)
{
    static const struct timespec again = {.tv_nsec = RETRY_INTERVAL_USEC * 1000};
    uint64_t end_usec = clock_boot_usec() + timeout_usec;
    int fd = open_folder(path);

    if (fd < 0 && errno == ENOMEM)
        return -ENOMEM;
    while (fd >= 0 && flock(fd, (is_command ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0) {
        bool is_held = errno == EWOULDBLOCK;
        int r = 0;

        if (errno == EINTR)
            continue;
        if (is_held && clock_boot_usec() < end_usec) {
            nanosleep(&again, NULL);
            continue;
        }
        if (is_held)
            r = find_holder(fd, is_command);
        if (is_held && r == 0)
            break;
        close(fd);
        if (r > 0)
            return r;
        fd = -1; /* the file system does not support flock */
    }
    *ret_fd = fd;
    return 0;
}
