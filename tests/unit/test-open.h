/* SPDX-License-Identifier: MIT */
/* Overrides libc's open(2). It then fails for one path with one errno, for tests of files that
 * cannot be opened, or opens another file in place of one path, for tests of files in fixed
 * places. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *unopenable_path; /* NULL: none */
static int unopenable_errno;
static const char *redirected_path, *redirected_to; /* NULL: none */

static inline const char *opened_path(const char *path)
{
    return redirected_path && strcmp(path, redirected_path) == 0 ? redirected_to : path;
}

static int open_unless_told(const char *path, int flags, mode_t mode)
{
    if (unopenable_path && strcmp(path, unopenable_path) == 0) {
        errno = unopenable_errno;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, opened_path(path), flags, mode);
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
