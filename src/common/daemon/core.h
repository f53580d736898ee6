/* SPDX-License-Identifier: MIT */
/* What a daemon does between its start and its end. */
#pragma once

#include "aws/effective-settings.h"
#include "daemon/config.h"
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

    /* For a reload. `prepare` checks the configuration that will be in force, and prepares for it.
     * It returns what `start` does; on failure nothing has changed. NULL: there is nothing to
     * check. */
    int (*prepare)(void *core, const struct config *next, char **error);
    /* The values of the configuration that `start` has borrowed have changed, as `prepare` was
     * told. `ca_bundle`: the path of the CA bundle now, NULL for the system's. Texts of settings
     * that a reload can change are freed after this call. 0, or -ENOMEM: then a part keeps what it
     * had. NULL: nothing to do. */
    int (*reconfigure)(void *core, const char *ca_bundle);
    /* The settings of AWS that the core works with, of which a reload can change the CA bundle alone.
     * Borrowed from the core. NULL: there are none. */
    const struct aws_effective_settings *(*aws_settings)(const void *core);
    /* The group of settings that are not the core's: a reload does not tell that they differ. NULL:
     * none. */
    const char *foreign_group;

    /* Where metrics are served by the configuration, "": nowhere. The text is that of a setting,
     * and `metrics_setting` the setting's name. NULL: the core has no metrics. */
    const char *(*metrics_listen)(const struct config *config);
    const char *metrics_setting;
    /* Appends the metrics (metrics.h). */
    void (*append_metrics)(void *core, struct buffer *out);
    /* Appends what keeps the core from its work, as the status line has it, and returns true;
     * false: nothing that the service does not know (service_find_failure). NULL: never. */
    bool (*append_failure)(void *core, struct buffer *out);
};
