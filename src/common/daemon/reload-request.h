/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

/* Asks the daemon with this process id to read its settings again. Tells systemd first that a
 * reload has begun, so that `systemctl reload` waits for its end (the unit needs
 * NotifyAccess=exec). 0 or a negative errno. */
int reload_request(pid_t pid);
