/* SPDX-License-Identifier: MIT */
/* The producer's program as a client of its daemon, for shells and cron: it hands in a message, or
 * lists what SQS has rejected and acts on it. Blocks; the exit status says what became of it.
 *
 *   --submit [--group=G] [--deduplication-id=D] [--delay=N] [--attribute=NAME[:TYPE]=VALUE]...
 * [FILE]
 *   --rejected [--retry=ID|all | --drop=ID|all] */
#pragma once

#include "daemon/arguments.h"

/* Whether the command line is one of these. */
bool submit_is_asked(int argc, char **argv);

/* Does what it says and returns the exit status: EX_OK; after a line on standard error EX_USAGE
 * (64), EX_DATAERR (65) where the message or the id is refused, EX_NOINPUT (66) where the file
 * cannot be read, EX_UNAVAILABLE (69) where the daemon cannot be reached, EX_IOERR (74) where
 * standard output takes nothing, EX_TEMPFAIL (75) where the daemon cannot store it now, EX_CONFIG
 * (78), or what client.h says. */
int submit_main(const struct program *program, int argc, char **argv);
