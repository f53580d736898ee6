/* SPDX-License-Identifier: MIT */
/* The handler that runs a program for each message. */
#pragma once

#include "consumerd/handler/handler.h"
#include "daemon/config.h"

/* Runs consumer.command for the message: the body is its standard input, exec-environment.h says
 * what it knows of the message. What it prints goes into the log line by line, standard output at
 * info and standard error at warning, 1,000 lines of each message at most. Its exit status says
 * what becomes of the message:
 *
 *   0                   done
 *   75 (EX_TEMPFAIL)    to come back after consumer.retry_delay
 *   65 (EX_DATAERR)     rejected
 *   any other, a signal, or more than consumer.timeout; also where its arguments and environment
 *   are more than the kernel hands over
 *                       to come back after the growing delay
 *
 * Where it cannot be started for another reason (the file is away or may not be run, no memory, too
 * many processes), it is not reached. Nor is it where its time ends while the log is slow: what it
 * prints waits for the log then.
 *
 * Its end is as util/child.h has it, with HANDLER_GRACE_MAX_USEC of grace, or less where `end` says
 * so. Of one that was asked to end the message comes back, whatever its exit status. When the
 * handler is freed, what still runs has up to one second for all, which that waits.
 *
 * Loop and configuration are borrowed and must outlive the handler. Raises this process's limit of
 * open files where consumer.concurrency asks for that, and closes this process's memory and
 * environment to others of the same user (PR_SET_DUMPABLE). 0, negative errno, or HANDLER_E_CONFIG.
 */
int handler_exec_new(sd_event *event, const struct config *config, struct handler **ret,
                     char **error);
