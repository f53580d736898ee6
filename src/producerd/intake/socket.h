/* SPDX-License-Identifier: MIT */
/* The listening socket at which messages are handed in: the one that systemd has opened for us
 * (sqs-producerd.socket, sd_listen_fds(3)), or one of our own where there is none. */
#pragma once

#include "util/macro.h"

/* Whether systemd hands over any socket. */
bool submit_socket_is_given(void);

/* A listening Unix stream socket, non-blocking and closed on exec. Where systemd has none for us,
 * one is made at the path, with mode 0660; a socket that is there already is replaced only if
 * nobody listens at it. 0, a negative errno, or SUBMIT_SOCKET_E_UNUSABLE where only a person can
 * help; *error is one line then, and may be NULL with a negative errno. */
enum { SUBMIT_SOCKET_E_UNUSABLE = 1 };
int submit_socket_open(const char *path, int *ret_fd, bool *ret_is_ours, char **error);

/* Takes one of our own away from the file system. */
void submit_socket_remove(const char *path);
