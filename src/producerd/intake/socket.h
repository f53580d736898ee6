/* SPDX-License-Identifier: MIT */
/* Opens the listening socket for submissions: the socket that systemd passes (sqs-producerd.socket
 * or sqs-producerd@NAME.socket, sd_listen_fds(3)), or one of our own. */
#pragma once

#include "util/macro.h"

/* Returns true when systemd passes any socket. */
bool submit_socket_is_given(void);

/* Returns a listening Unix stream socket, non-blocking and close-on-exec. If systemd passes none,
 * one is made at `path` with mode 0660; an existing socket file is replaced only if no process
 * listens at it. The socket that systemd passes to an instance must be that of `path`, where
 * `--submit --to` looks for it. `instance`: NULL for the plain daemon. Returns 0, a negative errno,
 * or SUBMIT_SOCKET_E_UNUSABLE when only a person can help; *error is then one line that the caller
 * frees. With a negative errno it may be NULL. */
enum { SUBMIT_SOCKET_E_UNUSABLE = 1 };
int submit_socket_open(const char *path, const char *instance, int *ret_fd, bool *ret_is_ours,
                       char **error);

/* Removes the file of a socket of our own. */
void submit_socket_remove(const char *path);
