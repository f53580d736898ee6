/* SPDX-License-Identifier: MIT */
/* All handlers, and the choice among them. */
#pragma once

#include "consumerd/handler/handler.h"
#include "daemon/config.h"
#include "util/buffer.h"

/* Makes the handler that consumer.handler names. Arguments and result are those of
 * handler_exec_new. */
int handler_new(sd_event *event, const struct config *config, struct handler **ret, char **error);

/* Appends the handler's name for people: "handler exec (/usr/local/bin/handle)". */
void handler_append(struct buffer *text, const struct config *config,
                    const struct handler *handler);

/* For --check-config: makes that handler and frees it. The result is that of handler_new. */
int handler_check(const struct config *config, char **error);
