/* SPDX-License-Identifier: MIT */
#include "daemon/config-unknown.h"

#include "util/encode.h"

/* The number of insertions, deletions and replacements that turn one name into the other. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[CONFIG_NAME_SHOWN_MAX_BYTES + 1], n = strlen(b);

    if (strlen(a) > CONFIG_NAME_SHOWN_MAX_BYTES || n > CONFIG_NAME_SHOWN_MAX_BYTES)
        return SIZE_MAX;
    for (size_t k = 0; k <= n; k++)
        row[k] = k;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t k = 0; k < n; k++) {
            size_t above = row[k + 1];

            row[k + 1] = MIN(MIN(above, row[k]) + 1, diagonal + (a[i] != b[k]));
            diagonal = above;
        }
    }
    return row[n];
}

bool config_is_nearer(const char *found, const char *name, size_t *nearest)
{
    size_t distance = edit_distance(found, name);

    if (distance > MAX(strlen(name) / 3, (size_t)1) || distance >= *nearest)
        return false;
    *nearest = distance;
    return true;
}

/* The group whose name is meant, or the setting that stands outside of its group. NULL: none. */
static const struct setting *meant_outside(const char *name, bool is_group)
{
    const struct setting *meant = NULL;
    size_t nearest = SIZE_MAX;

    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *s = config_settings + i;

        if (config_is_nearer(name, is_group ? s->group : s->name, &nearest))
            meant = s;
    }
    return meant;
}

int config_unknown_group(struct config_reader *r, const char *name, bool is_group, unsigned line)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(CONFIG_ERROR_MAX_BYTES);
    const struct setting *meant = meant_outside(name, is_group);
    const char *group = NULL;

    escape_for_log(&b, name, strlen(name), CONFIG_NAME_SHOWN_MAX_BYTES);
    if (meant && is_group)
        buffer_printf(&b, " (did you mean %s?)", meant->group);
    else if (meant)
        buffer_printf(&b, " (did you mean %s in group %s?)", meant->name, meant->group);
    buffer_printf(&b, ": found an unknown %s, allowed ", is_group ? "group" : "setting");
    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *s = config_settings + i;

        if (!group || !streq(group, s->group)) {
            buffer_printf(&b, "%sgroup %s", group ? ", " : "", s->group);
            group = s->group;
        }
    }
    return config_invalid(r, line, &b);
}

/* The setting of the group with the nearest name, or one of another group with just this name. NULL:
 * none. */
static const struct setting *meant_in(const char *group, const char *name)
{
    const struct setting *meant = NULL;
    size_t nearest = SIZE_MAX;

    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *s = config_settings + i;

        if (streq(s->group, group) ? config_is_nearer(name, s->name, &nearest)
                                   : !meant && streq(s->name, name))
            meant = s;
    }
    return meant;
}

int config_unknown_setting(struct config_reader *r, const char *group, const char *name,
                           unsigned line)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(CONFIG_ERROR_MAX_BYTES);
    const struct setting *meant = meant_in(group, name);
    const char *separator = "";

    buffer_printf(&b, "%s.", group);
    escape_for_log(&b, name, strlen(name), CONFIG_NAME_SHOWN_MAX_BYTES);
    if (meant && streq(meant->group, group))
        buffer_printf(&b, " (did you mean %s?)", meant->name);
    else if (meant)
        buffer_printf(&b, " (it belongs in group %s)", meant->group);
    buffer_append_string(&b, ": found an unknown setting, allowed ");
    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *s = config_settings + i;

        if (streq(s->group, group)) {
            buffer_printf(&b, "%s%s", separator, s->name);
            separator = ", ";
        }
    }
    return config_invalid(r, line, &b);
}
