/* SPDX-License-Identifier: MIT */
/* Starts a program that inherits from this process only what is meant for it. child.h waits for the
 * program and reads its output. */
#pragma once

#include <sys/types.h>

#include "util/macro.h"

struct spawn_options {
    char *const *argv;        /* NULL-terminated */
    const char *path;         /* the program; NULL: argv[0], searched in PATH if it has no "/" */
    char *const *environment; /* NULL-terminated; NULL: our own, as spawn_inherits allows */
    int input;                /* borrowed; becomes its standard input; 0: /dev/null */
};

/* A running program. The caller closes the descriptors, which have FD_CLOEXEC. */
struct spawned {
    pid_t pid; /* also the id of its process group; the caller must wait for it */
    int pidfd;
    int output; /* the reading end of its standard output; does not block */
    int errors; /* the same of its standard error */
};

/* Starts the program and returns once it runs. The program has its own process group, default
 * signal actions and no blocked signals. It inherits no descriptor except standard input, output
 * and error. Its limit on descriptors is the one that this process started with
 * (descriptor-limit.h). The caller need not block or handle SIGCHLD. If SIGCHLD is ignored, which
 * would lose the exit status, its action is set to the default.
 *
 * Returns 0, or the errno of what failed: -ENOENT (the program, or the interpreter that it names,
 * does not exist), -EACCES (it may not be run), -ENOEXEC (the kernel does not know its format),
 * -E2BIG (arguments and environment are larger than the kernel allows), -EAGAIN (too many
 * processes), -EMFILE, -ENOMEM, ... */
int spawn_program(const struct spawn_options *options, struct spawned *ret);

/* Whether programs inherit an entry ("NAME=value") of this process's environment. They inherit all
 * but two kinds: those that systemd sets for this process alone (NOTIFY_SOCKET, WATCHDOG_*,
 * LISTEN_*, JOURNAL_STREAM and the like), with which a program could speak in this process's name
 * or would be misled; and this program's settings (variable-prefix.h). */
bool spawn_inherits(const char *entry);
