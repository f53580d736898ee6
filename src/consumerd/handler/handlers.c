/* SPDX-License-Identifier: MIT */
#include "consumerd/handler/handlers.h"

#include "consumerd/handler/exec.h"
#include "consumerd/handler/http.h"
#include "consumerd/handler/journal.h"
#include "consumerd/handler/sandbox.h"

int handler_new(sd_event *event, const struct config *config, struct handler **ret, char **error)
{
    switch (config->consumer.handler) {
    case CONFIG_HANDLER_EXEC:
        return handler_exec_new(event, config, ret, error);
    case CONFIG_HANDLER_HTTP:
        return handler_http_new(event, config, ret, error);
    case CONFIG_HANDLER_JOURNAL:
        break;
    }
    return handler_journal_new(ret);
}

static const char *name_of(enum config_handler handler)
{
    switch (handler) {
    case CONFIG_HANDLER_EXEC:
        return "exec";
    case CONFIG_HANDLER_HTTP:
        return "http";
    case CONFIG_HANDLER_JOURNAL:
        break;
    }
    return "journal";
}

void handler_append(struct buffer *text, const struct config *config, const struct handler *handler)
{
    buffer_printf(text, "handler %s", name_of(config->consumer.handler));
    if (handler->target)
        buffer_printf(text, " (%s)", handler->target);
}

int handler_check(const struct config *config, char **error)
{
    CLEANUP(handler_free) struct handler *handler = NULL;
    sd_event *event = NULL;
    int r = sd_event_new(&event);

    if (r >= 0)
        r = handler_new(event, config, &handler, error);
    if (r == 0)
        sandbox_warn(config);
    handler = handler_free(handler);
    sd_event_unref(event);
    return r;
}
