/* SPDX-License-Identifier: MIT */
/* Names that do not exist: error lines that say which one was probably meant. Private to the config
 * files. */
#pragma once

#include "daemon/config-reader.h"

/* Return what config_invalid does. The first is for a name that stands outside all groups. */
int config_unknown_group(struct config_reader *r, const char *name, bool is_group, unsigned line);
int config_unknown_setting(struct config_reader *r, const char *group, const char *name,
                           unsigned line);

/* Whether the name is similar enough to be the one that was meant, and more similar than the best
 * one so far (*nearest; SIZE_MAX: there is none). */
bool config_is_nearer(const char *found, const char *name, size_t *nearest);
