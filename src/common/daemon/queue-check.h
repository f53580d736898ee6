/* SPDX-License-Identifier: MIT */
/* --check-queue: asks SQS once for everything that a daemon needs at its start, and prints the
 * results. */
#pragma once

#include "daemon/config.h"

struct queue_check {
    const char *name;             /* of the program; User-Agent is the name and the version */
    unsigned permissions;         /* as in queue_options */
    const char *credentials_note; /* where AWS's files come from, to be printed; NULL: nothing */
};

/* Prints a line on standard output for each result, and logs what is wrong. It touches no message
 * and does not wait: when a daemon would retry later, this ends. Returns the exit status: EX_OK;
 * the status of a daemon that cannot go on (failure_exit_status); EX_UNAVAILABLE also when a daemon
 * would wait until it can reach SQS; EX_CONFIG; EX_OSERR; or EX_IOERR if standard output cannot be
 * written. Call this before the thread has any other event loop. */
int queue_check_run(const struct queue_check *check, const struct config *config);
