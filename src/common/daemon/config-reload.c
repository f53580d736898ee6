/* SPDX-License-Identifier: MIT */
#include "daemon/config-reload.h"

#include <assert.h>
#include <stdio.h>

#include "daemon/config-value.h"

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

bool config_next_change(const struct config *running, const struct config *next, size_t *at,
                        struct config_change *ret)
{
    while (*at < config_n_settings) {
        const struct setting *s = config_settings + (*at)++;

        if (config_has_same_value(running, s, next))
            continue;
        snprintf(ret->name, sizeof(ret->name), "%s.%s", s->group, s->name);
        ret->reload = reload_of(running, next, s);
        return true;
    }
    return false;
}

int config_keep_fixed(struct config *next, const struct config *running)
{
    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *s = config_settings + i;
        int r;

        if (config_has_same_value(running, s, next) ||
            reload_of(running, next, s) != CONFIG_RELOAD_RESTART)
            continue;
        r = config_copy_value(next, s, running);
        if (r < 0)
            return r;
    }
    return 0;
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
