/* SPDX-License-Identifier: MIT */
/* The command line of a daemon, up to its configuration: all that main does before it runs its
 * core.
 *
 *   --config=PATH   --check-config   --check-queue   --help   --version
 *
 * A program with further ways to be called reads those itself, with the second half of this. */
#pragma once

#include <getopt.h>

#include "daemon/config.h"
#include "daemon/queue-check.h"
#include "util/log.h"

struct program {
    const char *name;        /* "sqs-producerd" */
    const char *description; /* one line, for --help */
    enum log_colour colour;
    /* For --check-queue: queue_check_run, and what it is to look for, as of queue_options. */
    int (*check_queue)(const struct queue_check *check, const struct config *config);
    unsigned permissions;
    /* What --check-config and --check-queue look at beyond the settings by themselves; NULL:
     * nothing. 0, a negative errno, or a positive number with *error a line without the
     * configuration's path. */
    int (*check)(const struct config *config, char **error);
    const char *more_usage; /* further lines of --help, each ended: how else to call it; or NULL */
    const char *more_help;  /* and what belongs to that; or NULL */
};

/* Reads the arguments, then the configuration, and opens the log as it says; every entry from then
 * on bears SQS_QUEUE_URL. 0: run, with `*ret`, which the caller frees. ARGUMENTS_E_EXIT: everything
 * is said; exit with *ret_exit_status: EX_OK after --help, --version or a good check, EX_USAGE (64)
 * after a line on standard error about the arguments, EX_CONFIG (78) after one in the log about the
 * configuration (with a check: on standard error), EX_IOERR (74) where standard output takes
 * nothing, EX_OSERR (71) without memory; after --check-queue that of queue-check.h, too. To be
 * called before any thread is there. */
enum { ARGUMENTS_E_EXIT = 1 };
int arguments_read(const struct program *program, int argc, char **argv, struct config **ret,
                   int *ret_exit_status);

/* For a main whose core says no to its configuration: logs the line as one about the configuration
 * and returns EX_CONFIG. `error` may be NULL. */
int arguments_config_refused(const char *error);

/* ---- For other ways to call a program ---- */

/* The next option: its `val`, with `optarg`; -1 where there is no more, and argv[optind] is the
 * first operand; ARGUMENTS_E_BAD after a line on standard error. All are long, with values from 256
 * on, but for -h, which is 'h'. `at_first`: begin anew. */
enum { ARGUMENTS_E_BAD = '?' };
int arguments_next(const struct program *program, const struct option *options, int argc,
                   char **argv, bool at_first);

/* One line on standard error: "<program>: <what>: <argument>; see <program> --help". Returns
 * EX_USAGE. */
int arguments_usage_error(const struct program *program, const char *what, const char *argument);

/* What --help and --version print. EX_OK, EX_IOERR or EX_OSERR. */
int arguments_print_help(const struct program *program);
int arguments_print_version(const struct program *program);

/* All of the text on standard output, or a line on standard error and EX_IOERR: a full disk must
 * not look like success. */
int arguments_print(const char *text);
