/* SPDX-License-Identifier: MIT */
/* Reads the arguments and the configuration, and runs the daemon. With --submit or --rejected it is
 * a client of the daemon instead (submit/submit.h). */
#include "producerd/producer.h"

#include "daemon/arguments.h"
#include "daemon/message-ids.h"
#include "producerd/sources.h"
#include "producerd/submit/arguments.h"
#include "producerd/submit/submit.h"
#include "util/log.h"

static const struct program program = {
    .name = "sqs-producerd",
    .description = "Puts messages on an Amazon SQS queue.",
    .colour = LOG_COLOUR_YELLOW,
    .check_queue = queue_check_run,
    .permissions = PRODUCER_PERMISSIONS,
    .check = source_check_settings,
    .more_usage = submit_usage,
    .more_help = submit_help,
};

static int failed(int r, const char *error)
{
    log_write(LOG_ERR, MESSAGE_ID_START_FAILED, LOG_NO_FIELDS, "Cannot start: %s.",
              error ? error : strerror(-r));
    return EX_OSERR;
}

int main(int argc, char **argv)
{
    CLEANUP(config_free) struct config *config = NULL;
    CLEANUP(service_free) struct service *service = NULL;
    CLEANUP(producer_free) struct producer *producer = NULL;
    CLEANUP(free) char *error = NULL;
    int status = EXIT_SUCCESS, r;

    if (submit_is_asked(argc, argv))
        return submit_main(&program, argc, argv);
    if (arguments_read(&program, argc, argv, &config, &status) != 0)
        return status;
    r = service_new(&service);
    if (r < 0)
        return failed(r, NULL);
    log_write(LOG_INFO, MESSAGE_ID_STARTED, LOG_NO_FIELDS, "Running...");
    r = producer_new(service, config, &producer, &error);
    if (r < 0)
        return failed(r, error);
    if (r > 0)
        return arguments_config_refused(error);
    return service_run(service);
}
