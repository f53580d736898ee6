/* SPDX-License-Identifier: MIT */
#include "producerd/spool/disk-reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int disk_reserve_init(struct disk_reserve *reserve, const char *beside, size_t bytes)
{
    *reserve = (struct disk_reserve){.bytes = bytes};
    if (asprintf(&reserve->path, "%s-reserve", beside) < 0) {
        reserve->path = NULL;
        return -ENOMEM;
    }
    return 0;
}

void disk_reserve_done(struct disk_reserve *reserve)
{
    free(reserve->path);
    reserve->path = NULL;
}

int disk_reserve_allocate(struct disk_reserve *reserve)
{
    int fd, e;

    if (reserve->is_allocated)
        return 0;
    fd = open(reserve->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    e = posix_fallocate(fd, 0, (off_t)reserve->bytes);
    close(fd);
    if (e > 0) {
        (void)unlink(reserve->path);
        return e == EDQUOT ? -ENOSPC : -e;
    }
    reserve->is_allocated = true;
    return 0;
}

bool disk_reserve_release(struct disk_reserve *reserve)
{
    if (!reserve->is_allocated || unlink(reserve->path) < 0)
        return false;
    reserve->is_allocated = false;
    return true;
}
