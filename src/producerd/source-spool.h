/* SPDX-License-Identifier: MIT */
/* The source that programs fill: the spool on disk, and the socket at which messages are handed in.
 */
#pragma once

#include "daemon/config.h"
#include "producerd/source.h"

/* The spool (producerd/spool/spool.h): messages that programs hand in at a socket
 * (producerd/intake/socket.h, producerd/intake/intake.h), which is served from here on. Its file is
 * SPOOL_FILE_NAME in $STATE_DIRECTORY. 0, SOURCE_E_CONFIG where only a person can help, -ENOMEM, or
 * another negative errno; *error is one line, which the caller frees, and may be NULL with a
 * negative errno. */
int source_spool_new(sd_event *event, const struct config *config, bool is_fifo,
                     source_ready_fn ready, void *userdata, struct source **ret, char **error);
