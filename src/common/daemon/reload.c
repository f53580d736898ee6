/* SPDX-License-Identifier: MIT */
#include "daemon/reload.h"

#include <errno.h>

#include "aws/effective-settings.h"
#include "daemon/config-reload.h"
#include "daemon/message-ids.h"
#include "util/log.h"

enum { LINE_MAX_BYTES = 8192 };

static void refuse(const char *path, const char *error)
{
    log_write(LOG_ERR, MESSAGE_ID_RELOAD_REFUSED, LOG_FIELDS({"SQS_CONFIG_FILE", path}),
              "The settings stay as they were: %s.", error);
}

static bool is_foreign(const struct reload *reload, const struct config_change *change)
{
    const char *group = reload->core->foreign_group;

    return group && strncmp(change->name, group, strlen(group)) == 0 &&
           change->name[strlen(group)] == '.';
}

/* Appends the settings that differ and need a restart. A default that only follows another setting
 * is left out: nobody has written it. */
static void append_fixed(struct buffer *b, const struct reload *reload, const struct config *next)
{
    struct config_change change;

    for (size_t at = 0; config_next_change(reload->config, next, &at, &change);)
        if (change.reload == CONFIG_RELOAD_RESTART && !change.is_default &&
            !is_foreign(reload, &change))
            buffer_printf(b, "%s%s", b->size > 0 ? ", " : "", change.name);
}

static bool is_same_text(const char *a, const char *b)
{
    return a && b ? streq(a, b) : a == b;
}

/* Of SQS or of STS; endpoints that only follow from the region do not count. */
static bool is_same_endpoint(const struct aws_effective_settings *a,
                             const struct aws_effective_settings *b)
{
    bool is_custom = a->endpoint->is_custom || b->endpoint->is_custom;

    return (!is_custom || streq(a->endpoint->url, b->endpoint->url)) &&
           is_same_text(a->sts_endpoint_url, b->sts_endpoint_url);
}

static void append_if(struct buffer *b, bool differs, const char *name)
{
    if (differs)
        buffer_printf(b, "%s%s", b->size > 0 ? ", " : "", name);
}

/* Appends what AWS's files say otherwise than at the start: `next` has the settings of the
 * configuration in force, and the environment of a process does not change. */
static void append_fixed_in_aws_files(struct buffer *b, const struct reload *reload,
                                      const struct aws_effective_settings *next)
{
    const struct daemon_core *core = reload->core;
    const struct aws_effective_settings *running =
        core->aws_settings ? core->aws_settings(reload->state) : NULL;

    if (!running)
        return;
    append_if(b, !streq(running->endpoint->region, next->endpoint->region), "the profile's region");
    append_if(b, !is_same_endpoint(running, next), "the profile's endpoint_url");
    append_if(b, running->use_fips != next->use_fips, "the profile's use_fips_endpoint");
    append_if(b, running->use_dualstack != next->use_dualstack,
              "the profile's use_dualstack_endpoint");
}

/* Appends the settings that change, with their values. */
static void append_changes(struct buffer *b, const struct reload *reload, const struct config *next)
{
    struct config_change change;

    for (size_t at = 0; config_next_change(reload->config, next, &at, &change);) {
        if (is_foreign(reload, &change))
            continue;
        buffer_printf(b, "%s%s", b->size > 0 ? ", " : "", change.name);
        config_append_change(b, reload->config, next, &change);
    }
}

/* What can be known of a configuration without asking SQS. Returns 0, a negative errno, or a
 * positive number with *error one line. */
static int check(const struct config *config, struct aws_effective_settings **ret, char **error)
{
    struct queue_url *url = NULL;
    int r = queue_url_parse(config->aws.queue_url, &url, error);

    queue_url_free(url);
    return r == 0 ? aws_effective_settings_read(&config->aws, ret, error) : r;
}

/* Makes `next` what will be in force, and has the core prepare for it. */
static int prepare(const struct reload *reload, struct config *next, struct buffer *fixed,
                   struct aws_effective_settings **ret, char **error)
{
    CLEANUP(aws_effective_settings_free) struct aws_effective_settings *as_written = NULL;
    int r = check(next, &as_written, error);

    if (r != 0)
        return r;
    append_fixed(fixed, reload, next);
    r = config_keep_fixed(next, reload->config);
    if (r == 0)
        r = check(next, ret, error);
    if (r == 0)
        append_fixed_in_aws_files(fixed, reload, *ret);
    if (r == 0 && reload->core->prepare)
        r = reload->core->prepare(reload->state, next, error);
    return r;
}

static void refuse_prepared(const struct config *next, int r, struct buffer *fixed,
                            const char *error)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(LINE_MAX_BYTES);

    if (r > 0 && error)
        config_append_fault(&line, next, error);
    else
        buffer_append_string(&line, error ? error : strerror(-MIN(r, 0)));
    if (fixed->size > 0)
        buffer_printf(&line, " (without a restart these stay as they were: %s)",
                      buffer_string(fixed));
    refuse(NULL, buffer_string(&line));
}

/* The line is written at the more verbose of both levels. */
static void log_reloaded(int level_before, int level, struct buffer *changes, struct buffer *fixed)
{
    log_set_level(MAX(level_before, level));
    if (fixed->size > 0)
        log_write(LOG_WARNING, MESSAGE_ID_RELOAD_NEEDS_RESTART, LOG_NO_FIELDS,
                  "These settings need a restart, and keep their values until then: %s.",
                  buffer_string(fixed));
    log_write(LOG_NOTICE, MESSAGE_ID_RELOADED, LOG_NO_FIELDS, "The settings were read again: %s.",
              changes->size > 0 ? buffer_string(changes)
              : fixed->size > 0 ? "nothing else has changed"
                                : "none has changed");
    log_set_level(level);
}

static void apply(struct reload *reload, struct config *next, const char *ca_bundle,
                  struct buffer *fixed)
{
    CLEANUP(buffer_done) struct buffer changes = BUFFER_INIT(LINE_MAX_BYTES);
    int level_before = reload->config->log.level, r = 0;

    append_changes(&changes, reload, next);
    config_exchange(reload->config, next);
    log_reloaded(level_before, reload->config->log.level, &changes, fixed);
    if (reload->core->reconfigure)
        r = reload->core->reconfigure(reload->state, ca_bundle);
    if (reload->core->metrics_listen)
        metrics_server_listen(reload->metrics, reload->core->metrics_listen(reload->config));
    if (r < 0)
        log_error("Some of the settings are not used yet; reload again: %s.", strerror(-r));
}

void reload_run(void *userdata)
{
    struct reload *reload = userdata;
    CLEANUP(config_free) struct config *next = NULL;
    CLEANUP(aws_effective_settings_free) struct aws_effective_settings *settings = NULL;
    CLEANUP(buffer_done) struct buffer fixed = BUFFER_INIT(LINE_MAX_BYTES);
    CLEANUP(free) char *error = NULL;
    const char *path = NULL;
    int r = config_load(reload->sources, &next, &path, &error);

    if (r != 0) {
        refuse(path, error ? error : strerror(-MIN(r, 0)));
        return;
    }
    r = prepare(reload, next, &fixed, &settings, &error);
    if (r == 0)
        apply(reload, next, settings->ca_bundle, &fixed);
    else
        refuse_prepared(next, r, &fixed, error);
}
