/* SPDX-License-Identifier: MIT */
/* Reading one text with settings: what is being read, and its error lines. Private to the config
 * files. */
#pragma once

#include "daemon/config-table.h"

enum {
    CONFIG_ERROR_MAX_BYTES = 16 * 1024,
    CONFIG_PLACE_MAX_BYTES = 4096,
    CONFIG_NAME_SHOWN_MAX_BYTES = 60,
};

/* At most one error is reported, in *error. */
struct config_reader {
    struct config *config;
    enum config_origin_kind origin;
    const char *place; /* a file's path, or what else an error line begins with */
    char **error;      /* NULL: nobody wants the text */
};

/* Sets *error to "<place>: <what>", with the line after the path of a file. Returns
 * CONFIG_E_INVALID, or a negative errno. */
int config_invalid(struct config_reader *r, unsigned line, const struct buffer *what);
int config_invalid_text(struct config_reader *r, unsigned line, const char *what);
