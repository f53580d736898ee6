/* SPDX-License-Identifier: MIT */
/* Loads the configuration from all places that the command line names, and can do so again for a
 * reload. Later places win:
 *
 *    the files in their order (or CONFIG_PATH); the file of the instance; the environment; --set
 *
 * CONFIG_PATH may be missing when the queue is known without it, as in a container. A file that the
 * command line names must be there, and so must the file of an instance. */
#pragma once

#include "daemon/config.h"

enum { CONFIG_SETS_MAX = 64 };

/* What the command line says about the places. The texts are borrowed. */
struct config_sources {
    const char *instance;                    /* a good name (instance.h); NULL: none */
    const char *files[CONFIG_FILES_MAX - 1]; /* paths, or "-" for standard input */
    size_t n_files;                          /* 0: CONFIG_PATH */
    const char *sets[CONFIG_SETS_MAX];       /* "GROUP.NAME=VALUE" */
    size_t n_sets;
    bool needs_no_queue; /* then aws.queue_url may be missing, and is "" */

    /* Set by config_load. */
    bool is_loaded;
    bool lacks_default;    /* CONFIG_PATH does not exist, and nothing else was named */
    bool may_lack_default; /* it did not exist at the first load, so it need not exist later */
    char *instance_path;   /* the file of the instance; NULL: none */
    char *standard_input;  /* what was read there, once; a reload uses it again */
};

void config_sources_done(struct config_sources *sources);

static inline void config_sources_done_cleanup(struct config_sources *sources)
{
    config_sources_done(sources);
}

/* Reads all places. Returns 0 with *ret; -ENOMEM; the errno of a shortage that usually passes
 * (-EMFILE, -EIO, ...); CONFIG_E_UNREADABLE if a file cannot be read for another reason; or
 * CONFIG_E_INVALID if what was read is wrong. With the last three *error is one line that says what
 * is wrong, where, and what to do, and *ret_path the file that it is about (NULL: none), which the
 * sources own. The caller frees *ret and *error. `ret_path` may be NULL.
 *
 * The first call blocks while it reads standard input, and later calls do not read it. If
 * CONFIG_PATH was missing at the first call, it may also be missing later, even after it was there
 * for a time. If it was there at the first call, it must stay. */
enum { CONFIG_E_UNREADABLE = 2 };
int config_load(struct config_sources *sources, struct config **ret, const char **ret_path,
                char **error);
