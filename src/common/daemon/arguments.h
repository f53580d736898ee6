/* SPDX-License-Identifier: MIT */
/* Reads a daemon's command line and its configuration: all that main does before it runs the core.
 *
 *    --config=PATH   --instance=NAME   --set=GROUP.NAME=VALUE
 *    --check-config   --check-queue   --reload=PID   --help   --version
 *
 * A program that can be called in other ways, too, reads those arguments itself with the functions
 * in the second half of this file. */
#pragma once

#include <getopt.h>

#include "daemon/config-load.h"
#include "daemon/queue-check.h"
#include "util/log.h"

struct program {
    const char *name;        /* "sqs-producerd" */
    const char *description; /* one line, for --help */
    enum log_colour colour;
    /* For --check-queue: queue_check_run. `permissions` are the permissions to check, as in
     * queue_options. */
    int (*check_queue)(const struct queue_check *check, const struct config *config);
    unsigned permissions;
    /* A further check of the settings for --check-config and --check-queue; NULL: none. Returns 0,
     * a negative errno, or a positive number with *error: one line that does not contain the
     * configuration's path. */
    int (*check)(const struct config *config, char **error);
    const char *more_usage; /* lines of --help, each with its line break: other usages; or NULL */
    const char *more_help;  /* the help for those usages; or NULL */
};

/* Reads the arguments and the configuration, and opens the log as the configuration says. From then
 * on each log entry carries SQS_QUEUE_URL. Returns 0 with *ret, which the caller frees: run. Or
 * returns ARGUMENTS_E_EXIT: everything was said; exit with *ret_exit_status. That is
 *
 *  EX_OK after --help, --version, a good check or a reload that was asked for;
 *  EX_USAGE (64) after a line on standard error about the arguments;
 *  EX_CONFIG (78) after a line about the configuration in the log (for a check: on standard error);
 *  EX_IOERR (74) if standard output cannot be written;
 *  EX_OSERR (71) if this machine is short of memory or descriptors, a disk cannot be read, or the
 *   daemon cannot be asked to reload;
 *  after --check-queue also a status of queue_check_run.
 *
 * Call this before the program starts any thread. */
enum { ARGUMENTS_E_EXIT = 1 };
int arguments_read(const struct program *program, int argc, char **argv, struct config **ret,
                   struct config_sources *ret_sources, int *ret_exit_status);

/* ---- For other usages of a program ---- */

/* The options that all usages have. The `val` of an option of one usage is from ARGUMENTS_FIRST_OWN
 * on. */
enum {
    ARGUMENTS_CONFIG = 256, /* --config=PATH */
    ARGUMENTS_HELP,         /* --help and -h */
    ARGUMENTS_VERSION,      /* --version */
    ARGUMENTS_FIRST_OWN,
};

/* Reads the next option: one that all usages have, or one of `own`, which has at most
 * ARGUMENTS_OWN_MAX rows and one of zeros at its end. Returns its `val`, with its value in
 * `optarg`; -1 when there are no more options, and argv[optind] is then the first operand; or
 * ARGUMENTS_E_BAD after a line on standard error. `at_first`: start from the first argument. */
enum { ARGUMENTS_E_BAD = '?', ARGUMENTS_OWN_MAX = 16 };
int arguments_next(const struct program *program, const struct option *own, int argc, char **argv,
                   bool at_first);

/* One line on standard error: "<program>: <what>: <argument>; see <program> --help". Returns
 * EX_USAGE. */
int arguments_usage_error(const struct program *program, const char *what, const char *argument);

/* Prints what --help or --version shows, if the option is one of them. Returns true, with EX_OK,
 * EX_IOERR or EX_OSERR in *ret_exit_status. Returns false for any other option. */
bool arguments_show(const struct program *program, int option, int *ret_exit_status);
