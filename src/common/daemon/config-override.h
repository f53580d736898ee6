/* SPDX-License-Identifier: MIT */
/* Settings that do not come from a file: --set=GROUP.NAME=VALUE, and one variable of the
 * environment for each setting, SQS_DEMO_<GROUP>_<NAME> in upper case. Both are checked as in a
 * file, and written as in a file, but a text needs no quotes. Private to the config files. */
#pragma once

#include "daemon/config.h"

/* Return 0, -ENOMEM, or CONFIG_E_INVALID with *error: "--set: ..." or "<variable>: ...". After an
 * error the configuration can only be freed. */
int config_add_set(struct config *config, const char *assignment, char **error);

/* A variable that is empty counts as not set. `environment` is NULL-terminated. */
int config_add_environment(struct config *config, char *const *environment, char **error);

/* Finds the next variable that begins with SQS_DEMO_ but is no setting, and appends a line about
 * it. Start with *at 0, and leave *at alone between the calls. False: there are no more. */
bool config_next_unknown_variable(char *const *environment, size_t *at, struct buffer *line);
