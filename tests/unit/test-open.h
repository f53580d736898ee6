/* SPDX-License-Identifier: MIT */
/* Overrides libc's open(2), which then fails for one path with one errno: for tests of files that
 * cannot be opened. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *unopenable_path; /* NULL: none */
static int unopenable_errno;

static int open_unless_told(const char *path, int flags, mode_t mode)
{
    if (unopenable_path && strcmp(path, unopenable_path) == 0) {
        errno = unopenable_errno;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_unless_told(path, flags, mode);
}

/* With _FORTIFY_SOURCE, clang compiles an open(2) of two arguments to this function of glibc. */
int open_checked(const char *path, int flags) __asm__("__open64_2");
int open_checked(const char *path, int flags)
{
    return open_unless_told(path, flags, 0);
}
