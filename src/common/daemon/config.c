/* SPDX-License-Identifier: MIT */
/* config-text.c prepares the text, and libconfig parses it into a tree. The tree is walked once.
 * Each setting is looked up in the table (config-table.c), checked and stored (config-value.c). A
 * setting that is absent keeps the value of the text before, or its default. */
#include "daemon/config.h"

#include "daemon/config-syntax.h"
#include "daemon/config-unknown.h"
#include "daemon/config-value.h"

#if HAS_ADDRESS_SANITIZER
/* libconfig 1.5 leaks the current string when a text ends in a syntax error. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig\n";
}
const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
    return "print_suppressions=0";
}
#endif

/* ---- Reading ---- */

static int read_group(struct config_reader *r, config_setting_t *group)
{
    const char *name = config_setting_name(group);

    for (int k = 0; k < config_setting_length(group); k++) {
        const config_setting_t *node = config_setting_get_elem(group, (unsigned)k);
        const struct setting *s = config_find_setting(name, config_setting_name(node));
        unsigned line = config_setting_source_line(node);
        int q;

        if (!s)
            return config_unknown_setting(r, name, config_setting_name(node), line);
        q = config_read_value(r, s, node);
        if (q != 0)
            return q;
    }
    return 0;
}

static int read_tree(struct config_reader *r, const config_t *tree)
{
    config_setting_t *root = config_root_setting(tree);

    for (int k = 0; k < config_setting_length(root); k++) {
        config_setting_t *node = config_setting_get_elem(root, (unsigned)k);
        const char *name = config_setting_name(node);
        int q;

        if (!config_is_group(name))
            return config_unknown_group(r, name, config_setting_is_group(node),
                                        config_setting_source_line(node));
        if (!config_setting_is_group(node)) {
            CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(CONFIG_ERROR_MAX_BYTES);

            buffer_printf(&b, "%s: found ", name);
            config_append_found(&b, node);
            buffer_printf(&b, ", allowed a group, %s: { ... };", name);
            return config_invalid(r, config_setting_source_line(node), &b);
        }
        q = read_group(r, node);
        if (q != 0)
            return q;
    }
    return 0;
}

/* Where an error line says that a required setting is missing: at its group. */
static void note_group_lines(struct config_origins *origins, const config_t *tree)
{
    for (size_t i = 0; i < config_n_settings; i++) {
        const config_setting_t *group = config_lookup(tree, config_settings[i].group);

        origins->group_lines[i] = group ? config_setting_source_line(group) : 1;
    }
}

static int parse_tree(struct config_reader *r, const char *text)
{
    config_t tree;
    int q;

    config_init(&tree);
    /* config_text_prepare refuses @include already; this is a second protection against it. */
    config_set_include_dir(&tree, "/dev/null");
    if (config_read_string(&tree, text)) {
        q = read_tree(r, &tree);
        note_group_lines(r->config->origins, &tree);
    } else {
        q = config_invalid_syntax(r, &tree, text);
    }
    config_destroy(&tree);
    return q;
}

/* ---- A configuration of several texts ---- */

int config_new(struct config **ret)
{
    CLEANUP(config_free) struct config *config = calloc(1, sizeof(*config));

    if (!config)
        return -ENOMEM;
    config->origins = calloc(1, sizeof(*config->origins));
    if (!config->origins)
        return -ENOMEM;
    for (size_t i = 0; i < config_n_settings; i++) {
        int r = config_store_default(config, config_settings + i);

        if (r < 0)
            return r;
    }
    *ret = TAKE(config);
    return 0;
}

int config_add_file(struct config *config, const char *path, const char *text, size_t text_bytes,
                    char **error)
{
    CLEANUP(buffer_done) struct buffer prepared = BUFFER_INIT(4 * (size_t)CONFIG_FILE_MAX_BYTES);
    struct config_reader reader = {
        .config = config, .origin = CONFIG_FROM_FILE, .place = path, .error = error};
    struct config_text_place place = {.line = 1};
    struct config_origins *origins = config->origins;
    int r;

    if (origins->n_files == CONFIG_FILES_MAX)
        return config_invalid_text(&reader, 1, "found one file too many, allowed at most 16");
    origins->files[origins->n_files] = strdup(path);
    if (!origins->files[origins->n_files])
        return -ENOMEM;
    origins->n_files++;

    if (text_bytes > CONFIG_FILE_MAX_BYTES)
        return config_invalid_text(&reader, 1, "found more than 256 KiB, allowed at most that");
    r = config_text_prepare(text, text_bytes, &prepared, &place);
    if (r < 0)
        return r;
    return r > 0 ? config_invalid_preparation(&reader, r, &place)
                 : parse_tree(&reader, buffer_string(&prepared));
}

/* Whether an instance has a value from a file before its own. */
static bool is_shared(const struct config *config, const struct config_origin *origin)
{
    return config->instance && origin->kind == CONFIG_FROM_FILE &&
           origin->file + 1 < config->origins->n_files;
}

/* A queue is required; an instance needs one of its own, not that of the files before its own.
 * NULL: nothing is missing. */
static const struct setting *find_missing(const struct config *config)
{
    const struct config_origins *origins = config->origins;

    for (size_t i = 0; i < config_n_settings; i++) {
        const struct config_origin *origin = &origins->of[i];

        if (config_settings[i].kind == SETTING_STRING && !config_settings[i].string &&
            (origin->kind == CONFIG_FROM_DEFAULT || is_shared(config, origin)))
            return config_settings + i;
    }
    return NULL;
}

bool config_has_required(const struct config *config)
{
    return find_missing(config) == NULL;
}

static int missing(const struct config *config, const struct setting *s, char **error)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(CONFIG_ERROR_MAX_BYTES);
    const struct config_origins *origins = config->origins;
    bool has_file = origins->n_files > 0;
    struct config_reader reader = {
        .origin = has_file ? CONFIG_FROM_FILE : CONFIG_FROM_DEFAULT,
        .place = has_file ? origins->files[origins->n_files - 1] : "the configuration",
        .error = error,
    };

    buffer_printf(&b, "%s.%s: not set, but %s: ", s->group, s->name,
                  config->instance ? "each instance needs it" : "it is required");
    config_append_allowed(&b, s);
    return config_invalid(&reader, origins->group_lines[s - config_settings], &b);
}

/* The addresses in the files before an instance's own are those of the plain daemon. */
static void forget_shared_addresses(struct config *config)
{
    for (size_t i = 0; i < config_n_settings; i++) {
        struct config_origin *origin = &config->origins->of[i];

        if (config_settings[i].is_own && is_shared(config, origin))
            *origin = (struct config_origin){.kind = CONFIG_FROM_DEFAULT};
    }
}

int config_settle_defaults(struct config *config)
{
    forget_shared_addresses(config);
    for (size_t i = 0; i < config_n_settings; i++) {
        bool may_change = config->origins->of[i].kind == CONFIG_FROM_DEFAULT &&
                          config_default_depends(config_settings + i);
        int r = may_change ? config_store_default(config, config_settings + i) : 0;

        if (r < 0)
            return r;
    }
    return 0;
}

int config_finish(struct config *config, char **error)
{
    const struct setting *s = find_missing(config);

    return s ? missing(config, s, error) : config_settle_defaults(config);
}

int config_parse(const char *path, const char *text, size_t text_bytes, struct config **ret,
                 char **error)
{
    CLEANUP(config_free) struct config *config = NULL;
    int r = config_new(&config);

    if (r == 0)
        r = config_add_file(config, path, text, text_bytes, error);
    if (r == 0)
        r = config_finish(config, error);
    if (r == 0)
        *ret = TAKE(config);
    return r;
}

struct config *config_free(struct config *config)
{
    if (!config)
        return NULL;
    for (size_t i = 0; i < config_n_settings; i++)
        config_free_value(config, config_settings + i);
    for (size_t i = 0; config->origins && i < config->origins->n_files; i++)
        free(config->origins->files[i]);
    free(config->origins);
    free(config);
    return NULL;
}
