/* SPDX-License-Identifier: MIT */
#pragma once

#include "daemon/config.h"
#include "producerd/source.h"

/* The source whose messages come from other programs. It keeps the spool (spool/spool.h) in the
 * file SPOOL_FILE_NAME of $STATE_DIRECTORY, and serves the submit socket (intake/intake.h) from
 * this call on. Returns 0, SOURCE_E_CONFIG when only a person can help, -ENOMEM, or another
 * negative errno. *error is one line that the caller frees; it may be NULL with a negative
 * errno. */
int source_spool_new(sd_event *event, const struct config *config, bool is_fifo,
                     source_ready_fn ready, void *userdata, struct source **ret, char **error);
