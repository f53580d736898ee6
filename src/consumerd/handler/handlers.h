/* SPDX-License-Identifier: MIT */
/* The list of all handlers. Every other file asks for a property of the configured handler (struct
 * handler_kind) and never for its name. */
#pragma once

#include "consumerd/handler/handler.h"
#include "daemon/config.h"
#include "util/buffer.h"

struct handler_kind {
    const char *name; /* "exec" */
    /* To handle a message twice may do harm: the ids of handled messages are kept on disk. */
    bool uses_ledger;

    /* Makes the handler (handler_exec_new). Returns 0, a negative errno, or HANDLER_E_CONFIG with
     * *error one line that the caller frees. */
    int (*make)(sd_event *event, const struct config *config, struct handler **ret, char **error);
    /* Warns of what the unit's sandbox hides from the service (sandbox_warn); NULL: the handler
     * needs no file. */
    void (*warn_of_sandbox)(const struct config *config);
};

/* The kind of the handler that consumer.handler names. Never NULL. */
const struct handler_kind *handler_kind_of(const struct config *config);

/* Makes the configured handler. Returns what `make` does. */
int handler_new(sd_event *event, const struct config *config, struct handler **ret, char **error);

/* Appends the handler's name for people: "handler exec (/usr/local/bin/handle)". */
void handler_append(struct buffer *text, const struct config *config,
                    const struct handler *handler);

/* For --check-config: makes the configured handler and frees it. Returns what `make` does. */
int handler_check(const struct config *config, char **error);
