/* SPDX-License-Identifier: MIT */
/* Settings as text: the configuration in the file's syntax (config_format), and the "found" and
 * "allowed" parts of error lines. */
#include "daemon/config-table.h"

#include <stdio.h>

#include "util/ascii.h"
#include "util/encode.h"
#include "util/variable-prefix.h"

enum { FOUND_MAX_BYTES = 100, PATH_SHOWN_MAX_BYTES = 4096 };

/* A URL's user, password and query may be secrets. Everything before an "@" counts as such, even if
 * the text is not a URL. */
static void append_masked(struct buffer *b, const char *s)
{
    size_t scheme = strncmp(s, "https://", 8) == 0 ? 8 : strncmp(s, "http://", 7) == 0 ? 7 : 0;
    const char *at = strrchr(s, '@');
    const char *rest = at ? at : s;
    size_t shown = strcspn(rest, "?");

    if (at)
        buffer_printf(b, "%.*s***", (int)scheme, s);
    escape_for_log(b, rest, shown, FOUND_MAX_BYTES);
    if (rest[shown] == '?')
        buffer_append_string(b, "?***");
}

static void append_quoted_masked(struct buffer *b, const char *s)
{
    buffer_append_char(b, '"');
    append_masked(b, s);
    buffer_append_char(b, '"');
}

void config_append_found_text(struct buffer *b, const char *s)
{
    if (s[0] == '\0')
        buffer_append_string(b, "nothing");
    else
        append_masked(b, s);
}

void config_append_found(struct buffer *b, const config_setting_t *node)
{
    switch (config_setting_type(node)) {
    case CONFIG_TYPE_INT:
        buffer_printf(b, "%d", config_setting_get_int(node));
        break;
    case CONFIG_TYPE_INT64:
        /* config-text.c replaces numbers that are too large for 64 bits by the largest that
         * fits. */
        if (config_setting_get_int64(node) == INT64_MAX ||
            config_setting_get_int64(node) <= -INT64_MAX)
            buffer_append_string(b, "a number too large for any setting");
        else
            buffer_printf(b, "%lld", config_setting_get_int64(node));
        break;
    case CONFIG_TYPE_FLOAT:
        buffer_printf(b, "%.15g", config_setting_get_float(node));
        break;
    case CONFIG_TYPE_BOOL:
        buffer_append_string(b, config_setting_get_bool(node) ? "true" : "false");
        break;
    case CONFIG_TYPE_STRING:
        append_quoted_masked(b, config_setting_get_string(node));
        break;
    case CONFIG_TYPE_GROUP:
        buffer_append_string(b, "a group");
        break;
    case CONFIG_TYPE_ARRAY:
        buffer_append_string(b, "an array");
        break;
    default:
        buffer_append_string(b, "a list");
        break;
    }
}

/* Appends a duration in seconds, and a count as it is. */
static void append_number(struct buffer *b, const struct setting *s, uint64_t value)
{
    char fraction[8];
    size_t n;

    if (s->kind != SETTING_DURATION && s->kind != SETTING_WHOLE_SECONDS) {
        buffer_printf(b, "%llu", (unsigned long long)value);
        return;
    }
    buffer_printf(b, "%llu", (unsigned long long)(value / USEC_PER_SEC));
    if (value % USEC_PER_SEC == 0)
        return;
    n = (size_t)snprintf(fraction, sizeof(fraction), ".%06u", (unsigned)(value % USEC_PER_SEC));
    while (n > 0 && fraction[n - 1] == '0')
        fraction[--n] = '\0';
    buffer_append_string(b, fraction);
}

void config_append_allowed(struct buffer *b, const struct setting *s)
{
    switch (s->kind) {
    case SETTING_STRING:
    case SETTING_STRINGS:
        buffer_append_string(b, s->allowed);
        break;
    case SETTING_CHOICE:
        for (size_t i = 0; s->choices[i].name; i++)
            buffer_printf(b, "%s\"%s\"", i == 0 ? "" : ", ", s->choices[i].name);
        break;
    case SETTING_BOOL:
        buffer_append_string(b, "true or false");
        break;
    default:
        if (s->kind != SETTING_DURATION)
            buffer_append_string(b, "a whole number, ");
        append_number(b, s, s->min);
        buffer_append_string(b, " to ");
        append_number(b, s, s->max);
        buffer_append_string(b, s->unit);
        break;
    }
}

void config_append_variable(struct buffer *b, const struct setting *s)
{
    buffer_append_string(b, SETTING_VARIABLE_PREFIX);
    for (const char *c = s->group; *c != '\0'; c++)
        buffer_append_char(b, to_upper(*c));
    buffer_append_char(b, '_');
    for (const char *c = s->name; *c != '\0'; c++)
        buffer_append_char(b, to_upper(*c));
}

static const char *choice_name(const struct setting *s, int value)
{
    for (const struct setting_choice *choice = s->choices; choice->name; choice++)
        if (choice->value == value)
            return choice->name;
    return "?";
}

/* Appends a string in the file's syntax. Strings hold no control characters, so only quotes and
 * backslashes need an escape. */
static void append_string_value(struct buffer *b, const char *s)
{
    buffer_append_char(b, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            buffer_append_char(b, '\\');
        buffer_append_char(b, *s);
    }
    buffer_append_char(b, '"');
}

static void append_strings(struct buffer *b, char *const *strings)
{
    buffer_append_char(b, '[');
    for (size_t i = 0; strings[i]; i++) {
        if (i > 0)
            buffer_append_string(b, ", ");
        append_string_value(b, strings[i]);
    }
    buffer_append_char(b, ']');
}

void config_append_value(struct buffer *b, const struct setting *s, uint64_t value)
{
    if (s->kind == SETTING_CHOICE)
        buffer_printf(b, "\"%s\"", choice_name(s, (int)value));
    else if (s->kind == SETTING_BOOL)
        buffer_append_string(b, value ? "true" : "false");
    else
        append_number(b, s, value);
}

static void append_quoted_cut(struct buffer *b, const char *s)
{
    buffer_append_char(b, '"');
    escape_for_log(b, s, strlen(s), FOUND_MAX_BYTES);
    buffer_append_char(b, '"');
}

void config_append_shown(struct buffer *b, const struct config *config, const struct setting *s)
{
    const void *at = config_field(config, s);

    if (s->kind == SETTING_STRINGS) {
        char *const *strings = *(char **const *)at;

        buffer_append_char(b, '[');
        if (strings[0])
            append_quoted_cut(b, strings[0]);
        buffer_append_string(b, strings[0] && strings[1] ? ", ...]" : "]");
    } else if (s->kind != SETTING_STRING) {
        config_append_value(b, s, config_number(config, s));
    } else if (s->is_url) {
        append_quoted_masked(b, *(char *const *)at);
    } else {
        append_quoted_cut(b, *(char *const *)at);
    }
}

static void append_path(struct buffer *b, const char *path)
{
    escape_for_log(b, path, strlen(path), PATH_SHOWN_MAX_BYTES);
}

static void append_origin(struct buffer *b, const struct config *config, const struct setting *s)
{
    const struct config_origins *origins = config->origins;
    const struct config_origin *origin = &origins->of[s - config_settings];

    switch (origin->kind) {
    case CONFIG_FROM_FILE:
        buffer_append_string(b, " [");
        append_path(b, origins->files[origin->file]);
        buffer_printf(b, ":%u]", origin->line);
        break;
    case CONFIG_FROM_ENVIRONMENT:
        buffer_append_string(b, " [");
        config_append_variable(b, s);
        buffer_append_char(b, ']');
        break;
    case CONFIG_FROM_COMMAND_LINE:
        buffer_append_string(b, " [--set]");
        break;
    default:
        buffer_append_string(b, " [default]");
        break;
    }
}

static void format_setting(const struct config *config, const struct setting *s, struct buffer *out)
{
    buffer_printf(out, "    %s = ", s->name);
    if (s->kind == SETTING_STRING) {
        const char *value = *(char **)config_field(config, s);

        if (s->is_url && strpbrk(value, "@?"))
            append_quoted_masked(out, value);
        else
            append_string_value(out, value);
        buffer_printf(out, "; # %s", s->doc);
        if (s->string && !streq(config_default_text(config, s).text, value))
            buffer_printf(out, " (default \"%s\")", config_default_text(config, s).text);
    } else if (s->kind == SETTING_STRINGS) {
        char **value = *(char ***)config_field(config, s);

        append_strings(out, value);
        buffer_printf(out, "; # %s", s->doc);
        if (value[0])
            buffer_append_string(out, " (default [])");
    } else {
        uint64_t value = config_number(config, s);

        config_append_value(out, s, value);
        buffer_printf(out, "; # %s", s->doc);
        if (value != config_default_number(config, s)) {
            buffer_append_string(out, " (default ");
            config_append_value(out, s, config_default_number(config, s));
            buffer_append_char(out, ')');
        }
    }
    append_origin(out, config, s);
    buffer_append_char(out, '\n');
}

int config_format(const struct config *config, struct buffer *out)
{
    const char *group = "";

    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *s = config_settings + i;

        if (!streq(group, s->group)) {
            buffer_printf(out, "%s%s:\n{\n", i == 0 ? "" : "};\n\n", s->group);
            group = s->group;
        }
        format_setting(config, s, out);
    }
    buffer_append_string(out, "};\n");
    return out->error;
}

/* ---- Places ---- */

static bool comes_from(const struct config *config, enum config_origin_kind kind)
{
    for (size_t i = 0; i < config_n_settings; i++)
        if (config->origins->of[i].kind == kind)
            return true;
    return false;
}

void config_append_places(struct buffer *b, const struct config *config)
{
    const struct config_origins *origins = config->origins;

    for (size_t i = 0; i < origins->n_files; i++) {
        append_path(b, origins->files[i]);
        buffer_append_string(b, i + 1 < origins->n_files ? ", " : "");
    }
    if (origins->n_files == 0)
        buffer_append_string(b, "no file");
    if (comes_from(config, CONFIG_FROM_ENVIRONMENT))
        buffer_append_string(b, ", the environment");
    if (comes_from(config, CONFIG_FROM_COMMAND_LINE))
        buffer_append_string(b, ", --set");
}

static const struct setting *find_named(const char *text)
{
    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *s = config_settings + i;
        size_t group = strlen(s->group), name = strlen(s->name);

        if (strncmp(text, s->group, group) == 0 && text[group] == '.' &&
            strncmp(text + group + 1, s->name, name) == 0 &&
            (text[group + 1 + name] == ':' || text[group + 1 + name] == ' '))
            return s;
    }
    return NULL;
}

/* Where a setting comes from; for a default, its group in the last file. */
static struct config_origin place_of(const struct config_origins *origins, size_t setting)
{
    struct config_origin origin = origins->of[setting];

    if (origin.kind == CONFIG_FROM_DEFAULT && origins->n_files > 0)
        origin = (struct config_origin){
            .kind = CONFIG_FROM_FILE,
            .file = origins->n_files - 1,
            .line = MAX(origins->group_lines[setting], 1U),
        };
    return origin;
}

void config_append_fault(struct buffer *b, const struct config *config, const char *text)
{
    const struct config_origins *origins = config->origins;
    const struct setting *s = find_named(text);
    struct config_origin origin;

    if (!s) {
        buffer_append_string(b, text);
        return;
    }
    origin = place_of(origins, (size_t)(s - config_settings));
    if (origin.kind == CONFIG_FROM_FILE) {
        append_path(b, origins->files[origin.file]);
        buffer_printf(b, ":%u", origin.line);
    } else if (origin.kind == CONFIG_FROM_ENVIRONMENT) {
        config_append_variable(b, s);
    } else {
        buffer_append_string(b, origin.kind == CONFIG_FROM_COMMAND_LINE ? "--set"
                                                                        : "the configuration");
    }
    buffer_printf(b, ": %s", text);
}
