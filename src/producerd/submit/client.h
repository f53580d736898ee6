/* SPDX-License-Identifier: MIT */
/* The client's side of the submit socket: it writes a line and waits for the reply. Blocks. */
#pragma once

#include "daemon/instance.h"
#include "producerd/intake/submission-reply.h"

enum {
    SUBMIT_TIMEOUT_SEC = 60, /* without any progress in connecting, writing or reading */
};

/* The group that may use the socket, when the socket itself does not tell. */
#define SUBMIT_GROUP "sqs-submit"

/* submit_connect and submit_ask return EX_OK, or an exit status after one line on standard error that says what is
 * wrong and what to do: EX_UNAVAILABLE (69) when the daemon cannot be reached or does not answer,
 * EX_TEMPFAIL (75) when it accepts no connection now, EX_OSERR (71) for a shortage of this machine,
 * EX_PROTOCOL (76) when the answer is not one of this daemon. */

struct submit_daemon {
    const char *program;  /* "sqs-producerd", which begins each line */
    const char *instance; /* NULL: the plain daemon */
    const char *socket_path;
};

/* The name of the daemon's unit. */
struct instance_text submit_service(const struct submit_daemon *daemon);

/* Connects. The caller closes the descriptor. `hint` is appended to an error; NULL: none. */
int submit_connect(const struct submit_daemon *daemon, const char *hint, int *ret_fd);

/* Connects without waiting and without a word. Returns 0, or a negative errno: -ENOENT, -ECONNREFUSED
 * and -EAGAIN mean that the daemon does not accept connections now. */
int submit_try_connect(const struct submit_daemon *daemon, int *ret_fd);

/* Writes the line, which includes its newline, and reads the reply, good or bad. */
int submit_ask(const struct submit_daemon *daemon, int fd, const struct buffer *line,
               struct submission_reply **ret);
