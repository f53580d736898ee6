/* SPDX-License-Identifier: MIT */
/* For tests that replace sd_journal_sendv: overrides libc's access(2), so that the journal's socket
 * is there, or is missing. Only one file of a test may include it. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool fake_journal_is_missing;

int access(const char *path, int mode)
{
    if (strcmp(path, "/run/systemd/journal/socket") != 0)
        return (int)syscall(SYS_faccessat, AT_FDCWD, path, mode);
    errno = ENOENT;
    return fake_journal_is_missing ? -1 : 0;
}
