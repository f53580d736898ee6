/* SPDX-License-Identifier: MIT */
/* A reserve of disk space: a file with allocated blocks and no content. When the disk is full, the
 * file is removed, and the writes that must succeed have space. */
#pragma once

#include "util/macro.h"

/* A plain value. */
struct disk_reserve {
    char *path; /* owned */
    size_t bytes;
    bool is_allocated;
};

/* Makes the file "<beside>-reserve", or takes over one that exists. Does nothing when it is
 * allocated already. Returns 0 or a negative errno, -ENOSPC when the disk is full. Blocks while the
 * file system allocates. */
int disk_reserve_allocate(struct disk_reserve *reserve);

/* Removes the file. Returns false when it was not allocated. */
bool disk_reserve_release(struct disk_reserve *reserve);

/* Returns 0 or -ENOMEM. Touches no file. */
int disk_reserve_init(struct disk_reserve *reserve, const char *beside, size_t bytes);

/* Frees the memory. The file stays for the next process. */
void disk_reserve_done(struct disk_reserve *reserve);
