/* SPDX-License-Identifier: MIT */
#include "producerd/sources.h"

#include "daemon/instance.h"
#include "producerd/intake/socket.h"
#include "producerd/source-demo.h"
#include "producerd/source-spool.h"
#include "util/error-line.h"

static int make_demo(sd_event *event, const struct config *config, bool is_fifo,
                     source_ready_fn ready, void *userdata, struct source **ret, char **error)
{
    return source_demo_new(event, config, is_fifo, ready, userdata, ret);
}

static int check_start_of_demo(const struct config *config, char **error)
{
    const struct instance_text unit = instance_unit(PRODUCER_NAME, config->instance, ".socket");

    if (!submit_socket_is_given())
        return 0;
    return error_line(SOURCE_E_CONFIG, error,
                      "producer.source: found \"demo\", but systemd has opened a socket for "
                      "messages to be submitted: set it to \"spool\", or stop and disable %s",
                      unit.text);
}

static const struct source_kind demo = {
    .name = "demo",
    .is_finite = true,
    .make = make_demo,
    .check_settings = source_demo_check,
    .check_start = check_start_of_demo,
};

static const struct source_kind spool = {
    .name = "spool",
    .is_durable = true,
    .starts_before_queue = true,
    .make = source_spool_new,
};

static const struct source_kind *const all[] = {&demo, &spool};

const struct source_kind *source_kind_of(const struct config *config)
{
    switch (config->producer.source) {
    case CONFIG_SOURCE_SPOOL:
        return &spool;
    case CONFIG_SOURCE_DEMO:
        break;
    }
    return &demo;
}

int source_check_settings(const struct config *config, char **error)
{
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        int r = all[i]->check_settings ? all[i]->check_settings(config, error) : 0;

        if (r != 0)
            return r;
    }
    return 0;
}

int source_check_start(const struct config *config, char **error)
{
    const struct source_kind *kind = source_kind_of(config);
    int r = kind->check_start ? kind->check_start(config, error) : 0;

    return r == 0 && kind->check_settings ? kind->check_settings(config, error) : r;
}
