/* SPDX-License-Identifier: MIT */
/* File contents go straight into the caller's buffer, which wipes its memory: no copy of a secret
 * stays on the stack. The size from fstat is only a hint. A file may grow, and files in /proc
 * report size 0. The end of the file is where read returns 0. */
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { READ_CHUNK_BYTES = 16 * 1024 };

#ifndef MFD_NOEXEC_SEAL /* since Linux 6.3 */
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* Checks the file's type and size before anything is read. */
static int check_kind(int fd, size_t max_bytes)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISREG(st.st_mode))
        return (uint64_t)st.st_size > max_bytes ? -E2BIG : 0;
    if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) /* /dev/null */
        return 0;
    return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
}

static int read_all(int fd, size_t max_bytes, struct buffer *b)
{
    size_t before = b->size;

    for (;;) {
        size_t left = max_bytes - (b->size - before);
        /* Read one byte more than allowed: if it comes, the file is too large. */
        size_t chunk = MIN(left < SIZE_MAX ? left + 1 : left, (size_t)READ_CHUNK_BYTES);
        ssize_t n;
        int r;

        /* If the buffer cannot take that much, fill it, then read the extra byte to the stack. */
        if (b->max - b->size < chunk) {
            char extra;

            chunk = b->max - b->size;
            if (chunk == 0) {
                n = TEMP_FAILURE_RETRY(read(fd, &extra, 1));
                secure_wipe(&extra, 1);
                return n < 0 ? -errno : n > 0 ? -E2BIG : 0;
            }
        }
        r = buffer_reserve(b, chunk);
        if (r < 0)
            return r;
        n = TEMP_FAILURE_RETRY(read(fd, b->data + b->size, chunk));
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        b->size += (size_t)n;
        b->data[b->size] = '\0';
        if ((size_t)n > left)
            return -E2BIG;
    }
}

int file_read(const char *path, size_t max_bytes, struct buffer *b)
{
    size_t before = b->size;
    int fd, r;

    if (b->error < 0)
        return b->error;
    /* O_NONBLOCK: do not wait for the writer of a FIFO, or for a device. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    r = check_kind(fd, max_bytes);
    if (r == 0)
        r = read_all(fd, max_bytes, b);
    close(fd);
    if (r < 0) {
        if (b->data) {
            secure_wipe(b->data + before, b->allocated - before);
            b->size = before;
            b->data[before] = '\0';
        }
        b->error = 0;
    }
    return r;
}

const char *file_error_text(int r)
{
    if (r == -EINVAL)
        return "not a file, but a FIFO, a device or a socket";
    return r == -E2BIG ? "larger than allowed" : strerror(-r);
}

/* pwrite leaves the offset at 0, where the program begins to read. */
static int fill(int fd, const char *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = TEMP_FAILURE_RETRY(pwrite(fd, bytes + at, size - at, (off_t)at));

        if (n < 0)
            return -errno;
        at += (size_t)n;
    }
    return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0
               ? -errno
               : 0;
}

int file_in_memory(const char *name, const void *bytes, size_t size, int *ret_fd)
{
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int r, fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);

    if (fd < 0 && errno == EINVAL)
        fd = memfd_create(name, flags);
    if (fd < 0)
        return -errno;
    r = fill(fd, bytes, size);
    if (r < 0) {
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

void file_open_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDONLY); /* gets the lowest free number */
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}
