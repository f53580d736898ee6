/* SPDX-License-Identifier: MIT */
/* Who may open the spool: any number of daemons, of which SQLite's own lock lets one in, or one
 * command that works on the file while no daemon does. A lock on the folder tells a command, which
 * has done in a moment, from a daemon, which stays. */
#pragma once

#include "util/macro.h"

/* Locks the folder of the file `path`, for a command or a daemon; blocks until it is free, for
 * `timeout_usec` at most. 0 with *ret_fd, which holds the lock until it is closed; -1 where the
 * folder cannot be locked: who opens the file says what is wrong. -EBUSY: the patience is over.
 * -ENOMEM. */
int spool_lock(const char *path, bool is_command, uint64_t timeout_usec, int *ret_fd);
