/* SPDX-License-Identifier: MIT */
/* Starts a program with nothing of this process in it but what is meant for it. Who waits for it,
 * and what is done with what it prints, is child.h's. */
#pragma once

#include <sys/types.h>

#include "util/macro.h"

struct spawn_options {
    char *const *argv; /* NULL-terminated */
    const char *path;  /* of the program; NULL: argv[0], looked for in PATH if it has no "/" */
    char *const *environment; /* NULL-terminated; NULL: what spawn_inherits lets through of ours */
    int input;                /* becomes its standard input, and is borrowed; 0: /dev/null */
};

/* A program that runs. The descriptors are the caller's to close, and close themselves at an exec.
 */
struct spawned {
    pid_t pid; /* also the number of its process group; to be waited for by the caller */
    int pidfd;
    int output; /* the reading end of its standard output; does not block */
    int errors; /* the same of its standard error */
};

/* Starts the program: in a process group of its own, with default signal actions and none blocked,
 * with no descriptor of this process but the three, and with the limit on them that this process
 * began with (descriptor-limit.h). Returns once it runs. No SIGCHLD need be
 * blocked or handled for this; where it is ignored (which would lose the exit status), it is set to
 * its default.
 *
 * 0, or the errno of what did not work: -ENOENT (no such program, or not the interpreter that it
 * names), -EACCES (may not be run), -ENOEXEC (no format that the kernel runs), -E2BIG (arguments
 * and environment are more than the kernel hands over), -EAGAIN (too many processes), -EMFILE,
 * -ENOMEM,
 * ... */
int spawn_program(const struct spawn_options *options, struct spawned *ret);

/* Whether an entry of this process's environment ("NAME=value") is for programs that it starts: all
 * but what systemd gave to this process alone, with which a program could speak in its name or
 * would be misled (NOTIFY_SOCKET, WATCHDOG_*, LISTEN_*, JOURNAL_STREAM and their like). */
bool spawn_inherits(const char *entry);
