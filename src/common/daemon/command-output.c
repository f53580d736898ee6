/* SPDX-License-Identifier: MIT */
#include "daemon/command-output.h"

#include <stdio.h>
#include <sysexits.h>

#include "util/log.h"

enum { LINE_MAX_BYTES = 16 * 1024 };

int command_print(const char *text)
{
    if (fputs(text, stdout) == EOF || fflush(stdout) == EOF) {
        fprintf(stderr, "cannot write to standard output: %m\n");
        return EX_IOERR;
    }
    return EX_OK;
}

int command_config_refused(const char *message_id, const char *path, const char *error)
{
    log_write(LOG_ERR, message_id, LOG_FIELDS({"SQS_CONFIG_FILE", path}), "%s",
              error ? error : "The configuration cannot be used.");
    return EX_CONFIG;
}

int command_fault(const char *message_id, const struct config *config, const char *error)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(LINE_MAX_BYTES);

    if (!error)
        return command_config_refused(message_id, NULL, NULL);
    config_append_fault(&b, config, error);
    return command_config_refused(message_id, NULL, buffer_string(&b));
}
