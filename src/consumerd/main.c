/* SPDX-License-Identifier: MIT */
/* sqs-consumerd: a consumer with the handler that the configuration names. */
#include "consumerd/consumer.h"

#include "consumerd/handler/handlers.h"
#include "daemon/instance.h"
#include "daemon/main.h"

static const struct program program = {
    .name = CONSUMER_NAME,
    .description = "Takes messages off an Amazon SQS queue.",
    .colour = LOG_COLOUR_GREEN,
    .check_queue = queue_check_run,
    .permissions = CONSUMER_PERMISSIONS,
    .check = handler_check,
};

static int start(struct service *service, const struct config *config, void **ret, char **error)
{
    struct handler *handler = NULL;
    struct consumer *consumer = NULL;
    int r = handler_new(service_event(service), config, &handler, error);

    if (r != 0)
        return r;
    daemon_log_started();
    r = consumer_new(service, config, handler, &consumer, error);
    *ret = consumer;
    return r;
}

static void stop(void *consumer)
{
    consumer_free(consumer);
}

static int prepare(void *consumer, const struct config *next, char **error)
{
    return consumer_prepare(consumer, next, error);
}

static int reconfigure(void *consumer, const char *ca_bundle)
{
    return consumer_reconfigure(consumer, ca_bundle);
}

static const char *metrics_listen(const struct config *config)
{
    return config->consumer.metrics_listen;
}

static void append_metrics(void *consumer, struct buffer *out)
{
    consumer_append_metrics(consumer, out);
}

static bool append_failure(void *consumer, struct buffer *out)
{
    return consumer_append_failure(consumer, out);
}

static const struct aws_effective_settings *aws_settings(const void *consumer)
{
    return consumer_aws_settings(consumer);
}

static const struct daemon_core core = {
    .start = start,
    .free = stop,
    .prepare = prepare,
    .reconfigure = reconfigure,
    .aws_settings = aws_settings,
    .foreign_group = "producer",
    .metrics_setting = "consumer.metrics_listen",
    .metrics_listen = metrics_listen,
    .append_metrics = append_metrics,
    .append_failure = append_failure,
};

int main(int argc, char **argv)
{
    return daemon_main(&program, &core, argc, argv);
}
