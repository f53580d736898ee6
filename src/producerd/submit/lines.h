/* SPDX-License-Identifier: MIT */
/* --submit --lines and --submit --json: each line of a file is a message. Lines are sent without
 * waiting for the answers to those before; at most WINDOW_LINES_MAX of them are not answered.
 *
 * The id of each message that is taken is printed, in the order of the lines. A line that is
 * refused is told on standard error, and the others go on. When a line should be tried again later,
 * or the daemon is gone, no further line is sent, so that the order holds when the rest is
 * submitted again. */
#pragma once

#include "producerd/submit/client.h"
#include "sqs/message.h"

struct lines_options {
    const struct submit_daemon *daemon;
    const struct sqs_message *message; /* for all lines, without the body; not for JSON */
    bool is_json;                      /* each line is one of the submit socket */
    int input_fd;
    const char *input_name; /* as it is shown */
    const char *rest_path;  /* receives the lines that were not taken; NULL: none */
};

/* Submits all lines. Blocks; SIGINT, SIGTERM and SIGHUP end it within LINES_STOP_USEC, and what was
 * not taken goes into the rest file. Returns the exit status: EX_OK when all lines were taken;
 * EX_TEMPFAIL (75) when a line should be tried again, or its outcome is unknown; otherwise
 * EX_DATAERR (65) when one was refused; EX_IOERR (74) when standard output or the rest file cannot
 * be written; EX_CANTCREAT (73) when the rest file cannot be made; EX_NOINPUT (66) when the input
 * cannot be read; or a status of client.h. */
#define LINES_STOP_USEC (10 * USEC_PER_SEC)
int lines_submit(const struct lines_options *options);
