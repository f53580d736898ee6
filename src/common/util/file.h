/* SPDX-License-Identifier: MIT */
/* Reads small files as a whole (configurations, credentials, tokens), and creates files in
 * memory. */
#pragma once

#include "util/buffer.h"

/* Appends a whole regular file of at most `max_bytes`. Symbolic links are followed. /dev/null
 * counts as an empty file. A FIFO, a device or a socket is refused at once, and this never waits
 * for one.
 *
 * Returns 0; -E2BIG if the file is larger than `max_bytes` or than the buffer takes; -EISDIR;
 * -EINVAL for a FIFO, a device or a socket; -ENOMEM; or the errno of open(2) or read(2). On failure
 * the buffer holds what it held before, and no error sticks to it. */
int file_read(const char *path, size_t max_bytes, struct buffer *b);

/* An error of file_read in words for people. The text is static or strerror's. */
const char *file_error_text(int error);

/* Creates a file in memory with these bytes, which nobody can change. It is meant as the standard
 * input of a program, which may read it or not. The descriptor is at the file's beginning, has
 * FD_CLOEXEC, and belongs to the caller. `name` shows in /proc. Returns 0, or the errno of
 * memfd_create(2) or write(2). */
int file_in_memory(const char *name, const void *bytes, size_t size, int *ret_fd);

/* Opens those of descriptors 0, 1 and 2 that are closed. Otherwise a file or connection that is
 * opened later could get one of these numbers, and log lines would be written to it. A descriptor
 * opened here is empty for readers, and a write fails with EBADF as before. Call it first in
 * main. */
void file_open_standard_descriptors(void);
