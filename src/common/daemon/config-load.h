/* SPDX-License-Identifier: MIT */
/* Loads the configuration from all places that the command line names, and can do so again for a
 * reload. Later places win: the files in their order, then the environment, then --set. */
#pragma once

#include "daemon/config.h"

/* What the command line says about the places. The texts are borrowed. */
struct config_sources {
    const char *files[CONFIG_FILES_MAX]; /* paths; n_files 0: CONFIG_PATH */
    size_t n_files;
};

void config_sources_done(struct config_sources *sources);

static inline void config_sources_done_cleanup(struct config_sources *sources)
{
    config_sources_done(sources);
}

/* Reads all places. Returns 0 with *ret; -ENOMEM; or CONFIG_E_INVALID with *error: one line that
 * says what is wrong, where, and what to do, and *ret_path: the file that cannot be read or is
 * wrong (NULL: none), which the sources own. The caller frees *ret and *error. `ret_path` may be
 * NULL. */
int config_load(const struct config_sources *sources, struct config **ret, const char **ret_path,
                char **error);

/* Appends the places as one line for people: "a.conf, b.conf". */
void config_append_sources(struct buffer *b, const struct config_sources *sources);

/* The file that is named in lines about the configuration as a whole: the last one. */
const char *config_sources_path(const struct config_sources *sources);
