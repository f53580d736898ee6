/* SPDX-License-Identifier: MIT */
/* The handler that runs a program for each message. */
#pragma once

#include "consumerd/handler/handler.h"
#include "daemon/config.h"

/* Makes a handler that runs consumer.command for each message. The body is the program's standard
 * input; exec-environment.h describes its environment. Its output is logged line by line, standard
 * output at info and standard error at warning, at most 1,000 lines for a message. Its exit status
 * decides:
 *
 *   0                   done
 *   75 (EX_TEMPFAIL)    released, with the delay consumer.retry_delay
 *   65 (EX_DATAERR)     rejected
 *   any other           released, with the default delay; so is the message if the program ends by
 *                       a signal, takes longer than consumer.timeout, or has larger arguments
 *                       and environment than the kernel accepts
 *
 * The handler is not reached if the program cannot be started for another reason (its file is
 * missing or may not be executed, no memory, too many processes), or if consumer.timeout ends while
 * the log is slow: the program may then have waited for the log to read its output.
 *
 * A program is ended as util/child.h says, with HANDLER_GRACE_MAX_USEC of grace, or with that of a
 * cancel. The message of a cancelled program is released, whatever its exit status. Freeing the
 * handler waits up to one second, in all, for programs that still run.
 *
 * Loop and configuration are borrowed and must outlive the handler. Raises this process's limit of
 * open files as consumer.concurrency needs it, and hides this process's memory and environment from
 * others of the same user (PR_SET_DUMPABLE). 0, a negative errno, or HANDLER_E_CONFIG. */
int handler_exec_new(sd_event *event, const struct config *config, struct handler **ret,
                     char **error);
