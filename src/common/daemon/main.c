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

/* What the callbacks of the metrics work on. */
struct observed {
    struct service *service;
    const struct daemon_core *core;
    void *state; /* of the core */
};

static void append_metrics(void *userdata, struct buffer *out)
{
    const struct observed *o = userdata;

    o->core->append_metrics(o->state, out);
}

static bool append_failure(void *userdata, struct buffer *out)
{
    const struct observed *o = userdata;
    const char *failure = service_find_failure(o->service);

    if (failure)
        buffer_append_string(out, failure);
    return failure || (o->core->append_failure && o->core->append_failure(o->state, out));
}

static void show_problem(void *userdata, const char *text)
{
    service_note(((const struct observed *)userdata)->service, text);
}

static int run(struct service *service, const struct daemon_core *core,
               struct config_sources *sources, struct config *config)
{
    CLEANUP(free) char *error = NULL;
    CLEANUP(metrics_server_free) struct metrics_server *metrics = NULL;
    struct observed observed = {.service = service, .core = core};
    int status, r = metrics_server_new(
                    &(struct metrics_server_options){
                        .event = service_event(service),
                        .setting = core->metrics_setting,
                        .append_metrics = append_metrics,
                        .append_failure = append_failure,
                        .show_problem = show_problem,
                        .userdata = &observed,
                    },
                    &metrics);
    struct reload reload = {.sources = sources, .config = config, .core = core, .metrics = metrics};

    if (r >= 0)
        r = core->start(service, config, &reload.state, &error);

    if (r < 0)
        return cannot_start(r, error);
    if (r > 0)
        return command_fault(MESSAGE_ID_CONFIG_INVALID, config, error);
    observed.state = reload.state;
    if (core->metrics_listen)
        metrics_server_listen(metrics, core->metrics_listen(config));
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
