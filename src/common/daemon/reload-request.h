/* SPDX-License-Identifier: MIT */
/* The client's side of a reload: what `--reload=PID`, the units' ExecReload=, does once it has
 * found the settings good. The daemon's side is reload.h. */
#pragma once

#include <sys/types.h>

/* Asks the daemon with this process id by SIGHUP to read its settings again. Tells systemd first
 * that a reload has begun, so that `systemctl reload` waits for its end; the unit needs
 * NotifyAccess=exec for that. Returns 0 or a negative errno. */
int reload_request(pid_t pid);
