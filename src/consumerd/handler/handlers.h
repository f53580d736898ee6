/* SPDX-License-Identifier: MIT */
/* Which handlers there are, and which one the configuration names. */
#pragma once

#include "consumerd/handler/handler.h"
#include "daemon/config.h"
#include "util/buffer.h"

/* The handler that consumer.handler names. As handler_exec_new. */
int handler_new(sd_event *event, const struct config *config, struct handler **ret, char **error);

/* Appends, for people, which it is: "handler exec (/usr/local/bin/handle)". */
void handler_append(struct buffer *text, const struct config *config,
                    const struct handler *handler);

/* Whether that handler could be made. 0, negative errno, or HANDLER_E_CONFIG. */
int handler_check(const struct config *config, char **error);
