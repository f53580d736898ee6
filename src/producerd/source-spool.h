/* SPDX-License-Identifier: MIT */
/* The source "spool" has the messages that other programs submit. Each was on disk before its
 * submitter was told its id, and stays there until SQS has taken it or a person has dropped it. */
#pragma once

#include "daemon/config.h"
#include "producerd/source.h"

/* Opens the spool (spool/spool.h) in the file SPOOL_FILE_NAME of $STATE_DIRECTORY, and serves the
 * submit socket (intake/intake.h) from this call on. Returns 0, SOURCE_E_CONFIG when only a person
 * can help, -ENOMEM, or another negative errno. *error is one line that the caller frees; it may be
 * NULL with a negative errno. */
int source_spool_new(sd_event *event, const struct config *config, bool is_fifo,
                     source_ready_fn ready, void *userdata, struct source **ret, char **error);
