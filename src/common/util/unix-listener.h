/* SPDX-License-Identifier: MIT */
/* Makes a listening Unix stream socket at a path. */
#pragma once

#include <sys/stat.h>

#include "util/macro.h"

enum {
    UNIX_LISTENER_E_NOT_SOCKET = 1, /* something else is at the path */
    UNIX_LISTENER_E_IN_USE = 2,     /* a process listens at it */
    UNIX_LISTENER_E_STALE = 3,      /* the socket of an ended process cannot be removed: errno */
    UNIX_LISTENER_E_BIND = 4,       /* the socket cannot be made there: errno */
};

/* The socket is non-blocking and close-on-exec. A socket file at the path is replaced only if no
 * process listens at it. `mode`: who may connect, such as 0660. Returns 0, a condition above (two
 * of them leave errno set), or a negative errno. */
int unix_listener_open(const char *path, mode_t mode, int *ret_fd);
