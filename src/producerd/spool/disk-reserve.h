/* SPDX-License-Identifier: MIT */
/* Room on a disk that is kept for bad times: a file whose blocks are allocated and hold nothing.
 * When the disk is full, it is given back, and what must still be written has room. */
#pragma once

#include "util/macro.h"

/* A plain value. */
struct disk_reserve {
    char *path; /* its own */
    size_t bytes;
    bool is_allocated;
};

/* Makes the file, "<beside>-reserve", or takes the one that is there; nothing to do where it is
 * kept already. 0 or a negative errno: -ENOSPC where there is no such room. Blocks for as long as
 * the file system takes to allocate. */
int disk_reserve_allocate(struct disk_reserve *reserve);

/* Removes it. False: it was not kept. */
bool disk_reserve_release(struct disk_reserve *reserve);

/* 0 or -ENOMEM. Touches no file. */
int disk_reserve_init(struct disk_reserve *reserve, const char *beside, size_t bytes);

/* Leaves the file for the next process. */
void disk_reserve_done(struct disk_reserve *reserve);
