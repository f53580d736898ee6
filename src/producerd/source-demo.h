/* SPDX-License-Identifier: MIT */
/* The demo's source: it makes its messages itself. */
#pragma once

#include "daemon/config.h"
#include "producerd/source.h"

/* The demo: `messages_to_send` small JSON messages, `start_delay` after this call, then one each
 * `send_interval`. On a FIFO queue each has a deduplication id of its own and the configured group,
 * or, where there are several, one of them in turn. 0, -ENOMEM, or the errno of the event loop. */
int source_demo_new(sd_event *event, const struct config *config, bool is_fifo,
                    source_ready_fn ready, void *userdata, struct source **ret);

/* Whether the demo can play by this configuration: 0, -ENOMEM, or SOURCE_E_CONFIG with *error a
 * line; the caller frees it. */
int source_demo_check(const struct config *config, char **error);
