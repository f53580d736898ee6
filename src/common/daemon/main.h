/* SPDX-License-Identifier: MIT */
/* The main function that the daemons share: read the arguments and the configuration, set up the
 * service, start the core, run the event loop. SIGHUP makes it read the configuration again. */
#pragma once

#include "daemon/arguments.h"
#include "daemon/core.h"

/* Returns the exit status. If the core does not start, this is logged: an errno ends with EX_OSERR,
 * a configuration that cannot be used with EX_CONFIG. */
int daemon_main(const struct program *program, const struct daemon_core *core, int argc,
                char **argv);

/* Logs that the daemon runs. */
void daemon_log_started(void);
