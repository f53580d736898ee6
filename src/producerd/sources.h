/* SPDX-License-Identifier: MIT */
/* Which sources there are, and which one the configuration names. Nobody else asks which it is. */
#pragma once

#include "daemon/config.h"
#include "producerd/source.h"

struct source_kind {
    const char *name; /* "demo" */
    bool is_finite;   /* it yields producer.messages_to_send messages, where that is not 0 */
    bool is_durable;  /* what it holds outlives this process: it goes out after the next start */
    bool
        starts_before_queue; /* it is made at once, whatever the state of the queue, and takes messages
                            before the queue is open */
};

/* The one that producer.source names. Never NULL. */
const struct source_kind *source_kind_of(const struct config *config);

/* Makes it: see source_demo_new and source_spool_new. 0, SOURCE_E_CONFIG, -ENOMEM, or another
 * negative errno; *error is one line, which the caller frees, and may be NULL with a negative
 * errno. */
int source_new(sd_event *event, const struct config *config, bool is_fifo, source_ready_fn ready,
               void *userdata, struct source **ret, char **error);

/* Whether the settings of all sources can be used, whichever is chosen. 0, -ENOMEM, or
 * SOURCE_E_CONFIG with *error a line; the caller frees it. */
int source_check_settings(const struct config *config, char **error);

/* Whether the one that is chosen may begin here and now. As above. */
int source_check_start(const struct config *config, char **error);
