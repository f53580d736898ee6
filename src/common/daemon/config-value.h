/* SPDX-License-Identifier: MIT */
/* One value: from libconfig's tree into struct config. Private to the config files. */
#pragma once

#include "daemon/config-reader.h"

/* Checks and stores the value. Returns 0, -ENOMEM or CONFIG_E_INVALID; on failure the setting has
 * its old value. */
int config_read_value(struct config_reader *r, const struct setting *s,
                      const config_setting_t *node);

/* Stores what the table has as the default. Returns 0 or -ENOMEM. */
int config_store_default(struct config *config, const struct setting *s);

/* Stores a copy of the other configuration's value. Returns 0 or -ENOMEM. */
int config_copy_value(struct config *config, const struct setting *s, const struct config *from);

/* Exchanges the values of two configurations. */
void config_exchange_value(struct config *a, const struct setting *s, struct config *b);

bool config_has_same_value(const struct config *a, const struct setting *s, const struct config *b);

/* Frees the value. It must not be used afterwards. */
void config_free_value(struct config *config, const struct setting *s);
