/* SPDX-License-Identifier: MIT */
#include "consumerd/handler/handlers.h"

#include "consumerd/handler/exec.h"
#include "consumerd/handler/exec-program.h"
#include "consumerd/handler/http.h"
#include "consumerd/handler/journal.h"

static int make_journal(sd_event *event, const struct config *config, struct handler **ret,
                        char **error)
{
    return handler_journal_new(ret);
}

/* It needs no ledger: a line that is written twice does no harm. */
static const struct handler_kind journal = {.name = "journal", .make = make_journal};

static const struct handler_kind exec = {
    .name = "exec",
    .uses_ledger = true,
    .make = handler_exec_new,
    .warn_of_sandbox = exec_program_warn_of_sandbox,
};

static const struct handler_kind http = {
    .name = "http",
    .uses_ledger = true,
    .make = handler_http_new,
    .warn_of_sandbox = handler_http_warn_of_sandbox,
};

const struct handler_kind *handler_kind_of(const struct config *config)
{
    switch (config->consumer.handler) {
    case CONFIG_HANDLER_EXEC:
        return &exec;
    case CONFIG_HANDLER_HTTP:
        return &http;
    case CONFIG_HANDLER_JOURNAL:
        break;
    }
    return &journal;
}

int handler_new(sd_event *event, const struct config *config, struct handler **ret, char **error)
{
    return handler_kind_of(config)->make(event, config, ret, error);
}

void handler_append(struct buffer *text, const struct config *config, const struct handler *handler)
{
    buffer_printf(text, "handler %s", handler_kind_of(config)->name);
    if (handler->target)
        buffer_printf(text, " (%s)", handler->target);
}

int handler_check(const struct config *config, char **error)
{
    const struct handler_kind *kind = handler_kind_of(config);
    CLEANUP(handler_free) struct handler *handler = NULL;
    sd_event *event = NULL;
    int r = sd_event_new(&event);

    if (r >= 0)
        r = kind->make(event, config, &handler, error);
    if (r == 0 && kind->warn_of_sandbox)
        kind->warn_of_sandbox(config);
    handler = handler_free(handler);
    sd_event_unref(event);
    return r;
}
