/* SPDX-License-Identifier: MIT */
#include "producerd/sources.h"

#include "daemon/instance.h"
#include "producerd/intake/socket.h"
#include "producerd/source-demo.h"
#include "producerd/source-spool.h"
#include "util/error-line.h"

const struct source_kind *source_kind_of(const struct config *config)
{
    static const struct source_kind demo = {.name = "demo", .is_finite = true};
    static const struct source_kind spool = {
        .name = "spool",
        .is_durable = true,
        .starts_before_queue = true,
    };

    switch (config->producer.source) {
    case CONFIG_SOURCE_SPOOL:
        return &spool;
    case CONFIG_SOURCE_DEMO:
        break;
    }
    return &demo;
}

int source_new(sd_event *event, const struct config *config, bool is_fifo, source_ready_fn ready,
               void *userdata, struct source **ret, char **error)
{
    switch (config->producer.source) {
    case CONFIG_SOURCE_SPOOL:
        return source_spool_new(event, config, is_fifo, ready, userdata, ret, error);
    case CONFIG_SOURCE_DEMO:
        break;
    }
    return source_demo_new(event, config, is_fifo, ready, userdata, ret);
}

int source_check_settings(const struct config *config, char **error)
{
    return source_demo_check(config, error);
}

static int check_start_of_demo(const struct config *config, char **error)
{
    const struct instance_text unit = instance_unit("sqs-producerd", config->instance, ".socket");

    if (submit_socket_is_given())
        return error_line(SOURCE_E_CONFIG, error,
                          "producer.source: found \"demo\", but systemd has opened a socket for "
                          "messages to be handed in: set it to \"spool\", or stop and disable "
                          "%s",
                          unit.text);
    return source_demo_check(config, error);
}

int source_check_start(const struct config *config, char **error)
{
    switch (config->producer.source) {
    case CONFIG_SOURCE_SPOOL:
        return 0;
    case CONFIG_SOURCE_DEMO:
        break;
    }
    return check_start_of_demo(config, error);
}
