/* SPDX-License-Identifier: MIT */
/* The program that consumer.command names: whether it can be run, what it needs of this process,
 * and what to do when it cannot be started. */
#pragma once

#include "daemon/config.h"

/* A value of consumer.command. Runs of the program hold references, because the setting may change
 * while they run. */
struct exec_program {
    unsigned n_refs;
    char *path;       /* of its file */
    const char *name; /* the last part of the path, for the log */
    char **argv;
};

/* Finds the program. The result is that of handler_exec_new. */
int exec_program_new(const struct config *config, struct exec_program **ret, char **error);
struct exec_program *exec_program_ref(struct exec_program *program);
struct exec_program *exec_program_unref(struct exec_program *program); /* returns NULL */
DEFINE_CLEANUP(struct exec_program *, exec_program_unref)

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
