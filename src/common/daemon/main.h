/* SPDX-License-Identifier: MIT */
/* The main function that the daemons share: read the arguments and the configuration, set up the
 * service, start the core, run the event loop. */
#pragma once

#include "daemon/arguments.h"
#include "daemon/service.h"

/* What tells one daemon from another. */
struct daemon_core {
    /* Makes the core, which works from the event loop until it calls service_exit. It calls
     * daemon_log_started when what may be wrong with the configuration was checked. Service and
     * configuration are borrowed and outlive the core. 0 with *ret_core; a negative errno, with
     * *error (NULL is allowed) what to say in place of the errno's text; or a positive number:
     * the configuration cannot be used, *error is one line. The caller frees *error. */
    int (*start)(struct service *service, const struct config *config, void **ret_core,
                 char **error);
    void (*free)(void *core); /* never with NULL */
};

/* Returns the exit status. A core that does not start is logged: with EX_OSERR for an errno, with
 * EX_CONFIG for a configuration that cannot be used. */
int daemon_main(const struct program *program, const struct daemon_core *core, int argc,
                char **argv);

/* Logs that the daemon runs. */
void daemon_log_started(void);
