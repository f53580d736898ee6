/* SPDX-License-Identifier: MIT */
/* The program that consumer.command names: whether it can be run, what it needs of this process, and
 * what to do when it cannot be started. */
#pragma once

#include "daemon/config.h"

/* Finds the program's path, which the caller frees. The result is that of handler_exec_new. */
int exec_program_find(const struct config *config, char **ret, char **error);

/* Raises the limit of open files, so that it suffices for that many programs at once. The result is
 * that of handler_exec_new. */
int exec_program_raise_limit(unsigned concurrency, char **error);

/* Hides this process's memory, environment and descriptors from the programs. */
void exec_program_hide_daemon(void);

/* What to do when the program at `path` could not be started with this negative errno: ": a script
 * needs a first line such as #!/bin/sh"; "" when there is no more to say. A constant. */
const char *exec_program_advice(const char *path, int error);

/* Warns if the sandbox hides the program from the service (sandbox_warn). */
void exec_program_warn_of_sandbox(const struct config *config);
