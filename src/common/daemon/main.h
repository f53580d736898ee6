/* SPDX-License-Identifier: MIT */
/* The main function that the daemons share: read the arguments and the configuration, set up the
 * service, start the core, run the event loop. */
#pragma once

#include "daemon/arguments.h"
#include "daemon/service.h"

/* What differs between the daemons. */
struct daemon_core {
    /* Makes the core. From then on it works from the event loop until it calls service_exit. It
     * calls daemon_log_started once it has checked the configuration. The service and the
     * configuration are borrowed and outlive the core. Returns 0 with *ret_core; a negative errno,
     * with *error the text to log instead of the errno's text (NULL: none); or a positive number,
     * with *error one line: the configuration cannot be used. The caller frees *error. */
    int (*start)(struct service *service, const struct config *config, void **ret_core,
                 char **error);
    void (*free)(void *core); /* never with NULL */
};

/* Returns the exit status. If the core does not start, this is logged: an errno ends with EX_OSERR,
 * a configuration that cannot be used with EX_CONFIG. */
int daemon_main(const struct program *program, const struct daemon_core *core, int argc,
                char **argv);

/* Logs that the daemon runs. */
void daemon_log_started(void);
