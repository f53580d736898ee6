/* SPDX-License-Identifier: MIT */
/* See reserve.h. */
#include "producerd/spool/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int reserve_init(struct reserve *reserve, const char *beside, size_t bytes)
{
    *reserve = (struct reserve){.bytes = bytes};
    if (asprintf(&reserve->path, "%s-reserve", beside) < 0) {
        reserve->path = NULL;
        return -ENOMEM;
    }
    return 0;
}

void reserve_done(struct reserve *reserve)
{
    free(reserve->path);
    reserve->path = NULL;
}

int reserve_keep(struct reserve *reserve)
{
    int fd, e;

    if (reserve->is_kept)
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
    reserve->is_kept = true;
    return 0;
}

bool reserve_give(struct reserve *reserve)
{
    if (!reserve->is_kept || unlink(reserve->path) < 0)
        return false;
    reserve->is_kept = false;
    return true;
}
