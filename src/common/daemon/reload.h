/* SPDX-License-Identifier: MIT */
/* Reads the configuration again while the daemon runs. A configuration that is wrong, or that the
 * core refuses, changes nothing, and one line says why. Otherwise one line says what has changed,
 * and one warning names the settings that need a restart; these keep their values. The files of
 * keys and of CA certificates are read again in any case. */
#pragma once

#include "daemon/config-load.h"
#include "daemon/core.h"
#include "daemon/metrics-server.h"

struct reload {
    struct config_sources *sources;
    struct config *config; /* in force; the values change in place */
    const struct daemon_core *core;
    void *state; /* of the core */
    struct metrics_server *metrics;
};

/* A service_reload_fn; userdata is a struct reload. Blocks while it reads the files. */
void reload_run(void *userdata);
