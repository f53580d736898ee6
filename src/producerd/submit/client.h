/* SPDX-License-Identifier: MIT */
/* The other end of the daemon's socket: a line is written, and its answer waited for. Blocks. */
#pragma once

#include "producerd/intake/submission-reply.h"

enum {
    SUBMIT_TIMEOUT_SEC = 60, /* without the daemon taking or answering anything */
};

/* The group whose members may use the socket, where the socket itself does not tell. */
#define SUBMIT_GROUP "sqs-submit"

/* All return EX_OK, or an exit status after one line on standard error, which says what is wrong
 * and what to do: EX_UNAVAILABLE (69) where the daemon cannot be reached or does not answer,
 * EX_TEMPFAIL (75) where it takes no connection now,
 * EX_OSERR (71) where this machine lacks something, EX_PROTOCOL (76) where what answers is not this
 * daemon. */

/* Connects. The caller closes the descriptor. `more` is said where that fails; NULL: nothing. */
int submit_connect(const char *program, const char *path, const char *hint, int *ret_fd);

/* Writes the line, which has its newline, and reads the answer, whether it is good or bad. */
int submit_ask(const char *program, int fd, const struct buffer *line,
               struct submission_reply **ret);
