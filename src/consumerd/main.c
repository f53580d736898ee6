/* SPDX-License-Identifier: MIT */
/* Arguments, configuration, run. */
#include "consumerd/consumer.h"

#include "consumerd/handler/handlers.h"
#include "daemon/arguments.h"
#include "daemon/message-ids.h"
#include "util/log.h"

static const struct program program = {
    .name = "sqs-consumerd",
    .description = "Takes messages off an Amazon SQS queue.",
    .colour = LOG_COLOUR_GREEN,
    .check_queue = queue_check_run,
    .permissions = CONSUMER_PERMISSIONS,
    .check = handler_check,
};

static int failed(int error)
{
    log_write(LOG_ERR, MESSAGE_ID_START_FAILED, LOG_NO_FIELDS, "Cannot start: %s.",
              strerror(-error));
    return EX_OSERR;
}

int main(int argc, char **argv)
{
    CLEANUP(config_free) struct config *config = NULL;
    CLEANUP(service_free) struct service *service = NULL;
    CLEANUP(handler_free) struct handler *handler = NULL;
    CLEANUP(consumer_free) struct consumer *consumer = NULL;
    CLEANUP(free) char *error = NULL;
    int status = EXIT_SUCCESS, r;

    if (arguments_read(&program, argc, argv, &config, &status) != 0)
        return status;
    r = service_new(&service);
    if (r >= 0)
        r = handler_new(service_event(service), config, &handler, &error);
    if (r < 0)
        return failed(r);
    if (r > 0)
        return arguments_config_refused(error);
    log_write(LOG_INFO, MESSAGE_ID_STARTED, LOG_NO_FIELDS, "Running...");
    r = consumer_new(service, config, TAKE(handler), &consumer, &error);
    if (r < 0)
        return failed(r);
    if (r > 0)
        return arguments_config_refused(error);
    return service_run(service);
}
