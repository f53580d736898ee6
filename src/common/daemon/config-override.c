/* SPDX-License-Identifier: MIT */
/* A value becomes a tree of libconfig with one setting, which is then read like that of a file. */
#include "daemon/config-override.h"

#include "daemon/config-text.h"
#include "daemon/config-unknown.h"
#include "daemon/config-value.h"
#include "util/encode.h"
#include "util/variable-prefix.h"

enum { VARIABLE_MAX_BYTES = 128 };

static const char prefix[] = SETTING_VARIABLE_PREFIX;

/* ---- Values ---- */

/* Of an array only the first text is shown: the arguments of a command may be secrets. */
static int invalid_value(struct config_reader *r, const struct setting *s, const char *value)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(CONFIG_ERROR_MAX_BYTES);
    size_t size = s->kind == SETTING_STRINGS ? strcspn(value, ", \t\n") : strlen(value);
    CLEANUP(free) char *shown = strndup(value, size);

    if (!shown)
        return -ENOMEM;
    buffer_printf(&b, "%s.%s: found ", s->group, s->name);
    config_append_found_text(&b, shown);
    buffer_append_string(&b, value[size] != '\0' ? " ***, allowed " : ", allowed ");
    config_append_allowed(&b, s);
    return config_invalid(r, 0, &b);
}

/* A text without quotes. */
static int read_plain(struct config_reader *r, const struct setting *s, config_t *tree,
                      const char *value)
{
    config_setting_t *node =
        config_setting_add(config_root_setting(tree), s->name, CONFIG_TYPE_STRING);

    if (!node || !config_setting_set_string(node, value))
        return -ENOMEM;
    return config_read_value(r, s, node);
}

/* A value in the file's syntax. More than one value, as in "1; groups = 2", is refused. */
static int read_written(struct config_reader *r, const struct setting *s, config_t *tree,
                        const char *value)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(CONFIG_FILE_MAX_BYTES);
    CLEANUP(buffer_done) struct buffer prepared = BUFFER_INIT(4 * (size_t)CONFIG_FILE_MAX_BYTES);
    struct config_text_place place;
    int q;

    buffer_printf(&text, "%s = %s\n;", s->name, value);
    if (text.error < 0)
        return text.error == -E2BIG ? invalid_value(r, s, value) : text.error;
    q = config_text_prepare(buffer_string(&text), text.size, &prepared, &place);
    if (q < 0)
        return q;
    if (q > 0 || !config_read_string(tree, buffer_string(&prepared)) ||
        config_setting_length(config_root_setting(tree)) != 1)
        return invalid_value(r, s, value);
    return config_read_value(r, s, config_setting_get_elem(config_root_setting(tree), 0));
}

static int read_value(struct config_reader *r, const struct setting *s, const char *value)
{
    bool is_text = s->kind == SETTING_STRING || s->kind == SETTING_CHOICE;
    config_t tree;
    int q;

    config_init(&tree);
    config_set_include_dir(&tree, "/dev/null");
    q = is_text && value[0] != '"' ? read_plain(r, s, &tree, value)
                                   : read_written(r, s, &tree, value);
    config_destroy(&tree);
    return q;
}

/* ---- The command line ---- */

static int set_named(struct config_reader *r, char *name, const char *value)
{
    char *dot = strchr(name, '.');
    const struct setting *s;

    if (!dot)
        return config_unknown_group(r, name, false, 0);
    *dot = '\0';
    if (!config_is_group(name))
        return config_unknown_group(r, name, true, 0);
    s = config_find_setting(name, dot + 1);
    return s ? read_value(r, s, value) : config_unknown_setting(r, name, dot + 1, 0);
}

int config_add_set(struct config *config, const char *assignment, char **error)
{
    struct config_reader reader = {
        .config = config, .origin = CONFIG_FROM_COMMAND_LINE, .place = "--set", .error = error};
    size_t size = strcspn(assignment, "=");
    CLEANUP(free) char *name = strndup(assignment, size);

    if (!name)
        return -ENOMEM;
    if (assignment[size] != '=')
        return config_invalid_text(&reader, 0, "found no \"=\", allowed GROUP.NAME=VALUE");
    return set_named(&reader, name, assignment + size + 1);
}

/* ---- The environment ---- */

/* The value of a variable; NULL: there is none, or it is empty. */
static const char *find_variable(char *const *environment, const char *name)
{
    size_t size = strlen(name);

    for (; *environment; environment++)
        if (strncmp(*environment, name, size) == 0 && (*environment)[size] == '=')
            return (*environment)[size + 1] != '\0' ? *environment + size + 1 : NULL;
    return NULL;
}

int config_add_environment(struct config *config, char *const *environment, char **error)
{
    for (size_t i = 0; i < config_n_settings; i++) {
        CLEANUP(buffer_done) struct buffer name = BUFFER_INIT(VARIABLE_MAX_BYTES);
        struct config_reader reader = {
            .config = config, .origin = CONFIG_FROM_ENVIRONMENT, .error = error};
        const char *value;
        int r;

        config_append_variable(&name, config_settings + i);
        if (name.error < 0)
            return name.error;
        reader.place = buffer_string(&name);
        value = find_variable(environment, reader.place);
        r = value ? read_value(&reader, config_settings + i, value) : 0;
        if (r != 0)
            return r;
    }
    return 0;
}

/* Appends a line if the variable is no setting. */
static void append_unknown(struct buffer *line, const char *variable)
{
    CLEANUP(buffer_done) struct buffer meant = BUFFER_INIT(VARIABLE_MAX_BYTES);
    size_t nearest = SIZE_MAX, shared = strlen(prefix);

    for (size_t i = 0; i < config_n_settings; i++) {
        CLEANUP(buffer_done) struct buffer name = BUFFER_INIT(VARIABLE_MAX_BYTES);

        config_append_variable(&name, config_settings + i);
        if (streq(variable, buffer_string(&name)))
            return;
        if (config_is_nearer(variable + shared, buffer_string(&name) + shared, &nearest)) {
            buffer_reset(&meant);
            buffer_append_string(&meant, buffer_string(&name));
        }
    }
    escape_for_log(line, variable, strlen(variable), CONFIG_NAME_SHOWN_MAX_BYTES);
    buffer_append_string(line, " is not a setting, so it has no effect");
    if (meant.size > 0)
        buffer_printf(line, "; did you mean %s?", buffer_string(&meant));
}

bool config_next_unknown_variable(char *const *environment, size_t *at, struct buffer *line)
{
    size_t before = line->size;

    while (environment[*at] && line->size == before && line->error == 0) {
        const char *entry = environment[(*at)++];
        CLEANUP(free) char *variable = NULL;

        if (strncmp(entry, prefix, strlen(prefix)) != 0)
            continue;
        variable = strndup(entry, strcspn(entry, "="));
        if (variable)
            append_unknown(line, variable);
    }
    return line->size > before;
}
