/* SPDX-License-Identifier: MIT */
/* What a program says before it exits, and the exit status that goes with it. */
#pragma once

#include "daemon/config.h"

/* Writes all of the text to standard output and returns EX_OK. On an error, for example a full
 * disk, writes a line to standard error and returns EX_IOERR. */
int command_print(const char *text);

/* Logs the line as an error of the configuration and returns EX_CONFIG. `message_id`: of
 * message-ids.h. `path` names the file, for the journal's field; NULL: none. `error` may be NULL. */
int command_config_refused(const char *message_id, const char *path, const char *error);

/* The same for a fault that was found after the settings were read: config_append_fault. */
int command_fault(const char *message_id, const struct config *config, const char *error);
