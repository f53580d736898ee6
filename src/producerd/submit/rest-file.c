/* SPDX-License-Identifier: MIT */
/* Each line is written at once, so an error belongs to a known line. When a write fails in the
 * middle of a line, the file is cut back to the last end of a line. */
#include "producerd/submit/rest-file.h"

#include <fcntl.h>
#include <libgen.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MODE = 0600 }; /* lines are messages, which may be secret */

static bool is_file_of(const struct stat *st, int fd)
{
    struct stat other;

    return fstat(fd, &other) >= 0 && st->st_dev == other.st_dev && st->st_ino == other.st_ino;
}

static int check(int fd, int input_fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return 0;
    if (is_file_of(&st, input_fd))
        return REST_FILE_E_IS_INPUT;
    if (is_file_of(&st, STDOUT_FILENO) || is_file_of(&st, STDERR_FILENO))
        return REST_FILE_E_IS_OUTPUT;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return REST_FILE_E_IN_USE;
    return fstat(fd, &st) >= 0 && st.st_size > 0 ? REST_FILE_E_NOT_EMPTY : 0;
}

int rest_file_open(struct rest_file *rest, const char *path, int input_fd)
{
    /* O_NONBLOCK: a FIFO without a reader must not block. */
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, FILE_MODE), r;

    if (fd < 0)
        return -errno;
    r = check(fd, input_fd);
    if (r == 0 && fcntl(fd, F_SETFL, 0) < 0)
        r = -errno;
    if (r != 0) {
        close(fd);
        return r;
    }
    *rest = REST_FILE_INIT;
    rest->fd = fd;
    rest->path = path;
    return 0;
}

/* Counts bytes that are in the file. `number` is the line in which they begin; returns the line in
 * which the next ones begin. */
static uint64_t count(struct rest_file *rest, uint64_t number, const char *bytes, size_t size)
{
    const char *end = bytes + size, *newline;

    for (; bytes < end; bytes = newline + 1) {
        if (rest->bytes == rest->boundary)
            rest->n_lines++;
        newline = memchr(bytes, '\n', (size_t)(end - bytes));
        if (!newline)
            break;
        rest->bytes += (uint64_t)(newline + 1 - bytes);
        rest->boundary = rest->bytes;
        number++;
    }
    rest->bytes += (uint64_t)(end - bytes);
    return number;
}

void rest_file_fail(struct rest_file *rest, uint64_t number, int error)
{
    rest->error = error;
    rest->missing_from = number;
    if (rest->bytes > rest->boundary) {
        rest->n_lines--;
        if (ftruncate(rest->fd, (off_t)rest->boundary) >= 0)
            rest->bytes = rest->boundary;
    }
}

void rest_file_write(struct rest_file *rest, uint64_t number, const char *bytes, size_t size)
{
    while (rest->fd >= 0 && rest->error == 0 && size > 0) {
        ssize_t n = write(rest->fd, bytes, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            rest_file_fail(rest, number, -errno);
            return;
        }
        number = count(rest, number, bytes, (size_t)n);
        bytes += n;
        size -= (size_t)n;
    }
}

/* Syncs the folder that has the file's name, which a power cut could lose otherwise. The path may
 * be a symbolic link to a file in another folder. */
static int sync_folder(const struct rest_file *rest)
{
    CLEANUP(free) char *path = realpath(rest->path, NULL);
    int r = -EINVAL, fd = path ? open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        r = fsync(fd) < 0 ? -errno : 0;
        close(fd);
    }
    if (r != -EINVAL)
        return r;
    /* The file was renamed, its folder cannot be read, or its file system syncs no folder alone. */
    return syncfs(rest->fd) < 0 ? -errno : 0;
}

static int sync_file(const struct rest_file *rest)
{
    struct stat st;

    /* EINVAL, EROFS: it is not a file on a disk. */
    if (fdatasync(rest->fd) < 0 && errno != EINVAL && errno != EROFS)
        return -errno;
    if (rest->bytes == 0 || fstat(rest->fd, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    return sync_folder(rest);
}

int rest_file_end(struct rest_file *rest)
{
    int r;

    if (rest->fd < 0)
        return rest->error;
    r = sync_file(rest);
    if (close(rest->fd) < 0 && r == 0)
        r = -errno;
    if (r < 0 && rest->error == 0) {
        rest->error = r;
        rest->missing_from = 1;
    }
    rest->fd = -1;
    return rest->error;
}
