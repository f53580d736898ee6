/* SPDX-License-Identifier: MIT */
/* Names that do not exist: error lines that say which one was probably meant. Private to the config
 * files. */
#pragma once

#include "daemon/config-reader.h"

/* Return what config_invalid does. The first is for a name that stands outside all groups. */
int config_unknown_group(struct config_reader *r, const char *name, bool is_group, unsigned line);
int config_unknown_setting(struct config_reader *r, const char *group, const char *name,
                           unsigned line);
