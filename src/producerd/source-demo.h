/* SPDX-License-Identifier: MIT */
/* The source "demo" makes its messages itself: small JSON texts with a number, the time and a
 * random id, at a steady pace. Nothing of it is on disk, so each start of the daemon begins
 * anew. */
#pragma once

#include "daemon/config.h"
#include "producerd/source.h"

/* Makes a source of `messages_to_send` messages: the first comes `start_delay` after this call,
 * then one each `send_interval`. On a FIFO queue each message has a deduplication id of its own,
 * and the groups take turns. Returns 0, -ENOMEM, or an errno of the event loop. */
int source_demo_new(sd_event *event, const struct config *config, bool is_fifo,
                    source_ready_fn ready, void *userdata, struct source **ret);

/* Checks the settings of the demo. Returns 0, -ENOMEM, or SOURCE_E_CONFIG with *error a line that
 * the caller frees. */
int source_demo_check(const struct config *config, char **error);
