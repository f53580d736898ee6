/* SPDX-License-Identifier: MIT */
#include "daemon/main.h"

#include "daemon/command-output.h"
#include "daemon/message-ids.h"
#include "daemon/reload.h"
#include "util/log.h"

void daemon_log_started(void)
{
    log_write(LOG_INFO, MESSAGE_ID_STARTED, LOG_NO_FIELDS, "Running...");
}

static int cannot_start(int r, const char *error)
{
    log_write(LOG_ERR, MESSAGE_ID_START_FAILED, LOG_NO_FIELDS, "Cannot start: %s.",
              error ? error : strerror(-r));
    return EX_OSERR;
}

static int run(struct service *service, const struct daemon_core *core,
               struct config_sources *sources, struct config *config)
{
    CLEANUP(free) char *error = NULL;
    struct reload reload = {.sources = sources, .config = config, .core = core};
    int status, r = core->start(service, config, &reload.state, &error);

    if (r < 0)
        return cannot_start(r, error);
    if (r > 0)
        return command_fault(config, error);
    r = service_on_reload(service, reload_run, &reload);
    if (r < 0)
        log_warning("SIGHUP will not read the settings again: %s.", strerror(-r));
    status = service_run(service);
    core->free(reload.state);
    return status;
}

int daemon_main(const struct program *program, const struct daemon_core *core, int argc,
                char **argv)
{
    CLEANUP(config_free) struct config *config = NULL;
    CLEANUP(config_sources_done) struct config_sources sources = {};
    CLEANUP(service_free) struct service *service = NULL;
    int status = EXIT_SUCCESS, r;

    service_hold_reload();
    if (arguments_read(program, argc, argv, &config, &sources, &status) != 0)
        return status;
    r = service_new(&service);
    return r < 0 ? cannot_start(r, NULL) : run(service, core, &sources, config);
}
