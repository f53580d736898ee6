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

int config_unknown_group(struct config_reader *r, const char *name, bool is_group, unsigned line)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(CONFIG_ERROR_MAX_BYTES);
    const struct setting *meant = NULL;
    const char *group = NULL;
    size_t nearest = SIZE_MAX;

    escape_for_log(&b, name, strlen(name), CONFIG_NAME_SHOWN_MAX_BYTES);
    buffer_printf(&b, ": found an unknown %s, allowed ", is_group ? "group" : "setting");
    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *s = config_settings + i;

        if (!group || !streq(group, s->group)) {
            buffer_printf(&b, "%sgroup %s", group ? ", " : "", s->group);
            group = s->group;
            if (is_group && config_is_nearer(name, s->group, &nearest))
                meant = s;
        }
        if (!is_group && config_is_nearer(name, s->name, &nearest))
            meant = s;
    }
    if (meant && is_group)
        buffer_printf(&b, "; did you mean %s?", meant->group);
    else if (meant)
        buffer_printf(&b, "; did you mean %s in group %s?", meant->name, meant->group);
    return config_invalid(r, line, &b);
}

int config_unknown_setting(struct config_reader *r, const char *group, const char *name,
                           unsigned line)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(CONFIG_ERROR_MAX_BYTES);
    const struct setting *meant = NULL;
    const char *separator = "";
    size_t nearest = SIZE_MAX;

    buffer_printf(&b, "%s.", group);
    escape_for_log(&b, name, strlen(name), CONFIG_NAME_SHOWN_MAX_BYTES);
    buffer_append_string(&b, ": found an unknown setting, allowed ");
    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *s = config_settings + i;

        if (streq(s->group, group)) {
            buffer_printf(&b, "%s%s", separator, s->name);
            separator = ", ";
            if (config_is_nearer(name, s->name, &nearest))
                meant = s;
        } else if (!meant && streq(s->name, name)) {
            meant = s;
        }
    }
    if (meant && streq(meant->group, group))
        buffer_printf(&b, "; did you mean %s?", meant->name);
    else if (meant)
        buffer_printf(&b, "; it belongs into group %s", meant->group);
    return config_invalid(r, line, &b);
}
