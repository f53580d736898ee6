/* SPDX-License-Identifier: MIT */
/* The list of all sources. Every other file asks for a property of the configured source (struct
 * source_kind) and never for its name. */
#pragma once

#include "daemon/config.h"
#include "producerd/source.h"

struct source_kind {
    const char *name; /* "demo" */
    bool is_finite;   /* it ends after producer.messages_to_send messages, when that is not 0 */
    bool is_durable;  /* its messages survive this process and are sent after the next start */
    /* it is made at the start and accepts messages before the queue is open */
    bool starts_before_queue;

    /* Makes the source (source_spool_new). Returns 0, SOURCE_E_CONFIG, -ENOMEM, or another negative
     * errno. *error is one line that the caller frees; it may be NULL with a negative errno. */
    int (*make)(sd_event *event, const struct config *config, bool is_fifo, source_ready_fn ready,
                void *userdata, struct source **ret, char **error);
    /* Checks the settings of this source, also when another is configured; NULL: there is nothing
     * to check. Returns 0, -ENOMEM, or SOURCE_E_CONFIG with *error a line that the caller frees. */
    int (*check_settings)(const struct config *config, char **error);
    /* Checks whether this source can start in this process; NULL: it always can. Logs what a person
     * should know about the start. Returns as above. */
    int (*check_start)(const struct config *config, char **error);
};

/* The kind of the source that producer.source names. Never NULL. */
const struct source_kind *source_kind_of(const struct config *config);

/* Checks the settings of all sources, whichever is configured. Returns what check_settings does. */
int source_check_settings(const struct config *config, char **error);

/* Checks whether the configured source can start in this process, and its settings. Returns what
 * check_settings does. */
int source_check_start(const struct config *config, char **error);
