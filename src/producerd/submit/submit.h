/* SPDX-License-Identifier: MIT */
/* The producer's program as a client of the daemon, for shells and cron: it submits a message, or
 * lists, retries or drops rejected messages, or counts what is spooled. Blocks; the exit status tells the result.
 *
 *   --submit [--group=G] [--deduplication-id=D] [--delay=N]
 *            [--attribute=NAME[:TYPE]=VALUE]... [FILE]
 *   --rejected [--retry=ID|all | --drop=ID|all]
 *   --spooled */
#pragma once

#include "daemon/arguments.h"

/* Returns true when the command line is one of these. */
bool submit_is_asked(int argc, char **argv);

/* Runs the command line and returns the exit status: EX_OK; after a line on standard error EX_USAGE
 * (64), EX_DATAERR (65) when the message or the id is refused, EX_NOINPUT (66) when the file cannot
 * be read, EX_UNAVAILABLE (69) when the daemon cannot be reached, EX_IOERR (74) when standard
 * output fails, EX_TEMPFAIL (75) when the daemon cannot store the message now, EX_CONFIG (78), or a
 * status of client.h. */
int submit_main(const struct program *program, int argc, char **argv);
