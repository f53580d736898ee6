/* SPDX-License-Identifier: MIT */
#include "daemon/config-reload.h"

#include <assert.h>
#include <stdio.h>

#include "daemon/config-value.h"

enum { SHOWN_MAX_BYTES = 1024 };

const char *config_reload_name(enum config_reload reload)
{
    switch (reload) {
    case CONFIG_RELOAD_NOW:
        return "now";
    case CONFIG_RELOAD_NEXT_MESSAGE:
        return "next message";
    default:
        return "restart";
    }
}

static enum config_reload reload_of(const struct config *running, const struct config *next,
                                    const struct setting *s)
{
    if (s->zero_needs_restart && (config_number(running, s) == 0) != (config_number(next, s) == 0))
        return CONFIG_RELOAD_RESTART;
    return s->reload;
}

/* Only a default that depends on another setting can differ. */
static bool is_default_in_both(const struct config *running, const struct config *next,
                               const struct setting *s)
{
    return s->has_demo_value &&
           next->origins->of[s - config_settings].kind == CONFIG_FROM_DEFAULT &&
           config_number(running, s) == config_default_number(running, s);
}

bool config_next_change(const struct config *running, const struct config *next, size_t *at,
                        struct config_change *ret)
{
    while (*at < config_n_settings) {
        const struct setting *s = config_settings + (*at)++;

        if (config_has_same_value(running, s, next))
            continue;
        snprintf(ret->name, sizeof(ret->name), "%s.%s", s->group, s->name);
        ret->reload = reload_of(running, next, s);
        ret->setting = *at - 1;
        ret->is_default = is_default_in_both(running, next, s);
        return true;
    }
    return false;
}

void config_append_change(struct buffer *b, const struct config *running, const struct config *next,
                          const struct config_change *change)
{
    const struct setting *s = config_settings + change->setting;
    CLEANUP(buffer_done) struct buffer before = BUFFER_INIT(SHOWN_MAX_BYTES);
    CLEANUP(buffer_done) struct buffer after = BUFFER_INIT(SHOWN_MAX_BYTES);

    config_append_shown(&before, running, s);
    config_append_shown(&after, next, s);
    buffer_printf(b, " %s", buffer_string(&before));
    if (streq(buffer_string(&before), buffer_string(&after)))
        buffer_append_string(b, " (in a part that is not shown)");
    else
        buffer_printf(b, " -> %s", buffer_string(&after));
}

static int keep(struct config *next, const struct config *running, const struct setting *s)
{
    return !config_has_same_value(running, s, next) &&
                   reload_of(running, next, s) == CONFIG_RELOAD_RESTART
               ? config_copy_value(next, s, running)
               : 0;
}

/* Defaults depend on the first two. */
int config_keep_fixed(struct config *next, const struct config *running)
{
    int r = keep(next, running, config_find_setting("producer", "source"));

    if (r == 0)
        r = keep(next, running, config_find_setting("consumer", "handler"));
    if (r == 0)
        r = config_settle_defaults(next);
    for (size_t i = 0; i < config_n_settings && r == 0; i++)
        r = keep(next, running, config_settings + i);
    return r;
}

void config_exchange(struct config *running, struct config *next)
{
    struct config_origins *origins = running->origins;

    for (size_t i = 0; i < config_n_settings; i++)
        if (!config_has_same_value(running, config_settings + i, next)) {
            assert(reload_of(running, next, config_settings + i) != CONFIG_RELOAD_RESTART);
            config_exchange_value(running, config_settings + i, next);
        }
    running->origins = next->origins;
    next->origins = origins;
}
