/* SPDX-License-Identifier: MIT */
#include "daemon/command-output.h"

#include <stdio.h>
#include <sysexits.h>

#include "daemon/message-ids.h"
#include "util/log.h"

int command_print(const char *text)
{
    if (fputs(text, stdout) == EOF || fflush(stdout) == EOF) {
        fprintf(stderr, "cannot write to standard output: %m\n");
        return EX_IOERR;
    }
    return EX_OK;
}

int command_config_refused(const char *path, const char *error)
{
    log_write(LOG_ERR, MESSAGE_ID_CONFIG_INVALID, LOG_FIELDS({"SQS_CONFIG_FILE", path}), "%s",
              error ? error : "The configuration cannot be used.");
    return EX_CONFIG;
}
