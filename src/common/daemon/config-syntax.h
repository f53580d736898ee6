/* SPDX-License-Identifier: MIT */
/* Error lines for a text that is no configuration at all. Private to the config files. */
#pragma once

#include "daemon/config-reader.h"
#include "daemon/config-text.h"

/* Return what config_invalid does. `fault` is an enum config_text_fault. */
int config_invalid_preparation(struct config_reader *r, int fault,
                               const struct config_text_place *place);

/* libconfig has refused the text: the tree has its error. */
int config_invalid_syntax(struct config_reader *r, const config_t *tree, const char *text);
