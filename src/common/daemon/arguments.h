/* The command line of a daemon, up to its configuration: all that main does before it runs its core.
 *
 *   --config=PATH   --check-config   --help   --version */
#pragma once

#include "config.h"
#include "log.h"

struct program {
    const char *name;        /* "sqs-producerd" */
    const char *description; /* one line, for --help */
    enum log_colour colour;
    /* What --check-config looks at beyond the settings by themselves; NULL: nothing. 0, a negative
     * errno, or a positive number with *error a line without the configuration's path. */
    int (*check)(const struct config *config, char **error);
};

/* Reads the arguments, then the configuration, and opens the log as it says; every entry from then on
 * bears SQS_QUEUE_URL. 0: run, with `*ret`, which the caller frees. ARGUMENTS_E_EXIT: everything is
 * said; exit with *ret_exit_status: EX_OK after --help, --version or a good --check-config, EX_USAGE
 * (64) after a line on standard error about the arguments, EX_CONFIG (78) after one in the log
 * about the configuration (--check-config: on standard error), EX_IOERR (74) where standard output
 * takes nothing, EX_OSERR (71) without memory. To be called before any thread is there. */
enum { ARGUMENTS_E_EXIT = 1 };
int arguments_read(const struct program *program, int argc, char **argv, struct config **ret,
                   int *ret_exit_status);

/* For a main whose core says no to its configuration: logs the line as one about the configuration
 * and returns EX_CONFIG. `error` may be NULL. */
int arguments_config_refused(const char *error);
