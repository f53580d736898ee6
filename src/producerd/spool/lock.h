/* SPDX-License-Identifier: MIT */
/* Decides who may open the spool: daemons (SQLite's own lock then admits one of them), or one
 * command that works on the file while no daemon runs. The lock tells a command, which ends soon,
 * from a daemon, which stays. */
#pragma once

#include "util/macro.h"

/* Locks the folder of the file `path`, exclusively for a command, shared for a daemon. Blocks until
 * the lock is free, for at most `timeout_usec`. Returns 0 with *ret_fd, which holds the lock until
 * it is closed; it is -1 when the folder cannot be locked, and opening the file then tells why.
 * After the timeout returns one of the conditions below. Returns -ENOMEM. */
enum {
    SPOOL_LOCK_E_COMMAND = 1, /* a command holds the lock */
    SPOOL_LOCK_E_DAEMON = 2,  /* a daemon that is starting holds it; only for a command */
};
int spool_lock(const char *path, bool is_command, uint64_t timeout_usec, int *ret_fd);
