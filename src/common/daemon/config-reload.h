/* SPDX-License-Identifier: MIT */
/* What a reload of the configuration needs: which settings differ between the configuration in
 * force and one that was read anew, which of them can change while the daemon runs, and the
 * exchange of these values.
 *
 * A reload goes like this (`running` is the configuration that the daemon's parts borrow):
 *
 *    struct config *next;      read with config_load (config-load.h): the same files again
 *    struct config_change change;
 *
 *    for (size_t i = 0; config_next_change(running, next, &i, &change);)
 *        if (change.reload == CONFIG_RELOAD_RESTART)
 *            add change.name to the warning;
 *    config_keep_fixed(next, running);           now `next` is what will be in force
 *    for (size_t i = 0; config_next_change(running, next, &i, &change);)
 *        one of the settings that change; none of these needs a restart
 *    config_exchange(running, next);             now `next` has the values before
 *    config_free(next);                          once nothing uses the old texts any more
 *
 * config_exchange writes into the configuration in force. Who reads a number from it at each use
 * has the new one at once. Who holds a text (`url`, `command`, `content_type`, `ca_bundle`) must
 * take the new one before the old configuration is freed. Texts of settings that need a restart
 * stay where they are, and may be borrowed for ever. */
#pragma once

#include "daemon/config.h"

/* "now", "next message" or "restart". */
const char *config_reload_name(enum config_reload reload);

enum { CONFIG_CHANGE_NAME_SIZE = 64 };

struct config_change {
    char name[CONFIG_CHANGE_NAME_SIZE]; /* "producer.batch_size" */
    enum config_reload reload;
    size_t setting;  /* its index in the table */
    bool is_default; /* in both; it differs because it depends on a setting that differs */
};

/* Finds the next setting that differs, in the order of the file. Start with *at 0, and leave *at
 * alone between the calls. False: there are no more. A setting is ranked by the change, too:
 * consumer.ledger_max_messages can change, but not from 0 or to 0. */
bool config_next_change(const struct config *running, const struct config *next, size_t *at,
                        struct config_change *ret);

/* Appends " OLD -> NEW". Long texts are cut, and what may be secret is left out: parts of a URL, and
 * the arguments of a command. */
void config_append_change(struct buffer *b, const struct config *running, const struct config *next,
                          const struct config_change *change);

/* Gives `next` the running values of those settings that differ and need a restart. Defaults that
 * depend on these (producer.source, consumer.handler) follow. Returns 0 or -ENOMEM; then `next` can
 * only be freed. */
int config_keep_fixed(struct config *next, const struct config *running);

/* Exchanges the values that differ, and where they come from. Call config_keep_fixed before. */
void config_exchange(struct config *running, struct config *next);
