/* SPDX-License-Identifier: MIT */
/* Reads the arguments and the configuration, and runs the daemon. With --submit or --rejected it is
 * a client of the daemon instead (submit/submit.h). */
#include "producerd/producer.h"

#include "daemon/instance.h"
#include "daemon/main.h"
#include "producerd/sources.h"
#include "producerd/submit/arguments.h"
#include "producerd/submit/submit.h"

static const struct program program = {
    .name = PRODUCER_NAME,
    .description = "Puts messages on an Amazon SQS queue.",
    .colour = LOG_COLOUR_YELLOW,
    .check_queue = queue_check_run,
    .permissions = PRODUCER_PERMISSIONS,
    .check = source_check_settings,
    .more_usage = submit_usage,
    .more_help = submit_help,
};

static int start(struct service *service, const struct config *config, void **ret, char **error)
{
    struct producer *producer = NULL;
    int r;

    daemon_log_started();
    r = producer_new(service, config, &producer, error);
    *ret = producer;
    return r;
}

static void stop(void *producer)
{
    producer_free(producer);
}

static int prepare(void *producer, const struct config *next, char **error)
{
    return source_check_settings(next, error);
}

static int reconfigure(void *producer, const char *ca_bundle)
{
    return producer_reconfigure(producer, ca_bundle);
}

static const char *metrics_listen(const struct config *config)
{
    return config->producer.metrics_listen;
}

static void append_metrics(void *producer, struct buffer *out)
{
    producer_append_metrics(producer, out);
}

static const struct aws_effective_settings *aws_settings(const void *producer)
{
    return producer_aws_settings(producer);
}

static const struct daemon_core core = {
    .start = start,
    .free = stop,
    .prepare = prepare,
    .reconfigure = reconfigure,
    .aws_settings = aws_settings,
    .foreign_group = "consumer",
    .metrics_setting = "producer.metrics_listen",
    .metrics_listen = metrics_listen,
    .append_metrics = append_metrics,
};

int main(int argc, char **argv)
{
    if (submit_is_asked(argc, argv))
        return submit_main(&program, argc, argv);
    return daemon_main(&program, &core, argc, argv);
}
