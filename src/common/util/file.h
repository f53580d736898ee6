/* SPDX-License-Identifier: MIT */
/* Reading small files whole (configurations, credentials, tokens), and files that are not on disk.
 */
#pragma once

#include "util/buffer.h"

/* Appends the whole of a regular file of at most `max_bytes`. A link is followed; /dev/null counts
 * as an empty file. What is no file is refused at once, and never waited for.
 *
 * 0, -E2BIG where the file is larger than `max_bytes` or than the buffer takes, -EISDIR, -EINVAL
 * for a FIFO, a device or a socket, -ENOMEM, or what open(2) and read(2) say. On failure the buffer
 * holds what it held before, and no error sticks to it. */
int file_read(const char *path, size_t max_bytes, struct buffer *b);

/* What file_read's error says of the path, for people. Static, or strerror's. */
const char *file_error_text(int error);

/* A file in memory with these bytes, which nobody can change, at its beginning and closed at an
 * exec: standard input for a program that may read it or not. `name` shows in /proc. The descriptor
 * is the caller's. 0, or what memfd_create(2) and write(2) say. */
int file_in_memory(const char *name, const void *bytes, size_t size, int *ret_fd);

/* Sees to it that descriptors 0, 1 and 2 are open, so that no file or connection that is opened
 * later takes the number of one, and is then written to as the log. What was closed is empty to
 * readers, and fails with EBADF for writers as before. To be called first of all. */
void file_open_standard_descriptors(void);
