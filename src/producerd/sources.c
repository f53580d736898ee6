/* SPDX-License-Identifier: MIT */
#include "producerd/sources.h"

#include <inttypes.h>

#include "daemon/instance.h"
#include "daemon/state-directory.h"
#include "producerd/intake/socket.h"
#include "producerd/source-demo.h"
#include "producerd/source-spool.h"
#include "producerd/spool/peek.h"
#include "producerd/spool/spool.h"
#include "util/error-line.h"
#include "util/log.h"

static int make_demo(sd_event *event, const struct config *config, bool is_fifo,
                     source_ready_fn ready, void *userdata, struct source **ret, char **error)
{
    return source_demo_new(event, config, is_fifo, ready, userdata, ret);
}

/* Messages that were submitted while the source was another one. */
static void warn_of_unsent(const char *instance)
{
    CLEANUP(free) char *path = NULL, *error = NULL;
    uint64_t n = 0;
    int r;

    if (state_directory_path(SPOOL_FILE_NAME, &path, &error) != 0)
        return;
    r = spool_peek_waiting(path, &n);
    if (r == 0 && n > 0)
        log_warning("%s holds %" PRIu64
                    " messages that were submitted, and that are not sent while "
                    "producer.source is \"demo\": to send them, set it to \"spool\".",
                    path, n);
    if (r == SPOOL_PEEK_E_UNKNOWN)
        log_warning(
            "%s may hold messages that were submitted ('%s --spooled%s%s' counts them), and "
            "that are not sent while producer.source is \"demo\": to send them, set it to "
            "\"spool\".",
            path, PRODUCER_NAME, instance ? " --to=" : "", instance ? instance : "");
}

static int check_start_of_demo(const struct config *config, char **error)
{
    const struct instance_text unit = instance_unit(PRODUCER_NAME, config->instance, ".socket");

    if (!submit_socket_is_given()) {
        warn_of_unsent(config->instance);
        return 0;
    }
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
