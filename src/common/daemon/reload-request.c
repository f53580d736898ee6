/* SPDX-License-Identifier: MIT */
#include "daemon/reload-request.h"

#include <errno.h>
#include <signal.h>

#include <systemd/sd-daemon.h>

#include "util/clock.h"

int reload_request(pid_t pid)
{
    if (kill(pid, 0) < 0)
        return -errno;
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_monotonic_usec());
    return kill(pid, SIGHUP) < 0 ? -errno : 0;
}
