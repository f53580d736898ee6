/* SPDX-License-Identifier: MIT */
/* config-text.c prepares the text, and libconfig parses it into a tree. The tree is walked once.
 * Each setting is looked up in the table (config-table.c), checked and stored. A setting that is
 * absent keeps its default. libconfig's getters convert types silently, so the type of a setting is
 * always checked first. */
#include "daemon/config-table.h"

#include <errno.h>

#include "daemon/config-text.h"
#include "util/encode.h"

enum { ERROR_MAX_BYTES = 16 * 1024, NAME_SHOWN_MAX_BYTES = 60, NUMBER_SHOWN_MAX_BYTES = 40 };

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

/* The state of reading a configuration. At most one error is reported, in *error. */
struct reader {
    const char *path;
    char **error;
    struct config *config;
    bool seen[CONFIG_SETTINGS_MAX]; /* by the index in the table */
};

/* ---- Error lines ---- */

static int invalid(struct reader *r, unsigned line, const struct buffer *what)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(ERROR_MAX_BYTES);
    char *text;

    if (what->error < 0)
        return what->error;
    escape_for_log(&b, r->path, strlen(r->path), 4096);
    buffer_printf(&b, ":%u: %s", MAX(line, 1U), buffer_string(what));
    text = buffer_take(&b);
    if (!text)
        return -ENOMEM;
    if (r->error)
        *r->error = text;
    else
        free(text);
    return CONFIG_E_INVALID;
}

static int invalid_text(struct reader *r, unsigned line, const char *what)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(ERROR_MAX_BYTES);

    buffer_append_string(&b, what);
    return invalid(r, line, &b);
}

static int invalid_value(struct reader *r, const struct setting *s, const config_setting_t *node)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(ERROR_MAX_BYTES);

    buffer_printf(&b, "%s.%s: found ", s->group, s->name);
    config_append_found(&b, node);
    buffer_append_string(&b, ", allowed ");
    config_append_allowed(&b, s);
    return invalid(r, config_setting_source_line(node), &b);
}

/* ---- Names that do not exist ---- */

/* The number of insertions, deletions and replacements that turn one name into the other. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[NAME_SHOWN_MAX_BYTES + 1], n = strlen(b);

    if (strlen(a) > NAME_SHOWN_MAX_BYTES || n > NAME_SHOWN_MAX_BYTES)
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

/* Whether the name is similar enough to be the one that was meant, and more similar than the best
 * one so far. */
static bool is_nearer(const char *found, const char *name, size_t *nearest)
{
    size_t distance = edit_distance(found, name);

    if (distance > MAX(strlen(name) / 3, (size_t)1) || distance >= *nearest)
        return false;
    *nearest = distance;
    return true;
}

static int unknown_group(struct reader *r, const config_setting_t *node)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(ERROR_MAX_BYTES);
    const char *name = config_setting_name(node), *group = NULL;
    const struct setting *meant = NULL;
    size_t nearest = SIZE_MAX;

    escape_for_log(&b, name, strlen(name), NAME_SHOWN_MAX_BYTES);
    buffer_printf(&b, ": found an unknown %s, allowed ",
                  config_setting_is_group(node) ? "group" : "setting");
    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *s = config_settings + i;

        if (!group || !streq(group, s->group)) {
            buffer_printf(&b, "%sgroup %s", group ? ", " : "", s->group);
            group = s->group;
            if (config_setting_is_group(node) && is_nearer(name, s->group, &nearest))
                meant = s;
        }
        if (!config_setting_is_group(node) && is_nearer(name, s->name, &nearest))
            meant = s;
    }
    if (meant && config_setting_is_group(node))
        buffer_printf(&b, "; did you mean %s?", meant->group);
    else if (meant)
        buffer_printf(&b, "; did you mean %s in group %s?", meant->name, meant->group);
    return invalid(r, config_setting_source_line(node), &b);
}

static int unknown_setting(struct reader *r, const char *group, const config_setting_t *node)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(ERROR_MAX_BYTES);
    const char *name = config_setting_name(node), *separator = "";
    const struct setting *meant = NULL;
    size_t nearest = SIZE_MAX;

    buffer_printf(&b, "%s.", group);
    escape_for_log(&b, name, strlen(name), NAME_SHOWN_MAX_BYTES);
    buffer_append_string(&b, ": found an unknown setting, allowed ");
    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *s = config_settings + i;

        if (streq(s->group, group)) {
            buffer_printf(&b, "%s%s", separator, s->name);
            separator = ", ";
            if (is_nearer(name, s->name, &nearest))
                meant = s;
        } else if (!meant && streq(s->name, name)) {
            meant = s;
        }
    }
    if (meant && streq(meant->group, group))
        buffer_printf(&b, "; did you mean %s?", meant->name);
    else if (meant)
        buffer_printf(&b, "; it belongs into group %s", meant->group);
    return invalid(r, config_setting_source_line(node), &b);
}

/* ---- Reading ---- */

/* Reads the number as it is stored. False: it is not a number, or it is out of range. */
static bool get_number(const struct setting *s, const config_setting_t *node, uint64_t *ret)
{
    bool in_seconds = s->kind == SETTING_DURATION || s->kind == SETTING_WHOLE_SECONDS;
    uint64_t unit = in_seconds ? USEC_PER_SEC : 1, most = s->max / unit, value;
    long long n;
    double d;

    switch (config_setting_type(node)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        n = config_setting_type(node) == CONFIG_TYPE_INT ? config_setting_get_int(node)
                                                         : config_setting_get_int64(node);
        if (n < 0 || (uint64_t)n > most)
            return false;
        value = (uint64_t)n * unit;
        break;
    case CONFIG_TYPE_FLOAT:
        d = config_setting_get_float(node);
        if (!in_seconds || !(d >= 0) || d > (double)most)
            return false;
        if (s->kind == SETTING_WHOLE_SECONDS && d != (double)(uint64_t)d)
            return false;
        value = (uint64_t)(d * (double)unit + 0.5);
        break;
    default:
        return false;
    }
    if (value < s->min || value > s->max)
        return false;
    *ret = value;
    return true;
}

static int store_string(struct config *config, const struct setting *s, const char *value)
{
    char **at = config_field(config, s), *copy = strdup(value);

    if (!copy)
        return -ENOMEM;
    secret_free(*at);
    *at = copy;
    return 0;
}

static char **strings_free(char **strings)
{
    for (size_t i = 0; strings && strings[i]; i++)
        secret_free(strings[i]);
    free(strings);
    return NULL;
}
DEFINE_CLEANUP(char **, strings_free)

static int read_strings(struct reader *r, const struct setting *s, const config_setting_t *node)
{
    CLEANUP(strings_free) char **strings = NULL;
    char ***at = config_field(r->config, s);
    size_t n;

    if (config_setting_type(node) != CONFIG_TYPE_ARRAY)
        return invalid_value(r, s, node);
    n = (size_t)config_setting_length(node);
    if (n > s->strings_max)
        return invalid_value(r, s, node);
    strings = calloc(n + 1, sizeof(*strings));
    if (!strings)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const char *string = config_setting_get_string_elem(node, (int)i);

        if (!string || !s->check(string))
            return invalid_value(r, s, node);
        strings[i] = strdup(string);
        if (!strings[i])
            return -ENOMEM;
    }
    strings_free(*at);
    *at = TAKE(strings);
    return 0;
}

static void store(struct config *config, const struct setting *s, uint64_t value)
{
    void *at = config_field(config, s);

    if (s->kind == SETTING_CHOICE)
        *(int *)at = (int)value;
    else if (s->kind == SETTING_BOOL)
        *(bool *)at = value != 0;
    else if (s->kind == SETTING_SMALL_COUNT)
        *(unsigned *)at = (unsigned)value;
    else
        *(uint64_t *)at = value;
}

static int read_string(struct reader *r, const struct setting *s, const config_setting_t *node)
{
    const char *value = config_setting_get_string(node);

    if (!value)
        return invalid_value(r, s, node);
    if (s->kind == SETTING_STRING)
        return s->check(value) ? store_string(r->config, s, value) : invalid_value(r, s, node);
    for (const struct setting_choice *choice = s->choices; choice->name; choice++)
        if (streq(choice->name, value)) {
            store(r->config, s, (uint64_t)choice->value);
            return 0;
        }
    return invalid_value(r, s, node);
}

static int read_setting(struct reader *r, const struct setting *s, const config_setting_t *node)
{
    uint64_t value;

    if (s->kind == SETTING_STRING || s->kind == SETTING_CHOICE)
        return read_string(r, s, node);
    if (s->kind == SETTING_STRINGS)
        return read_strings(r, s, node);

    if (s->kind == SETTING_BOOL) {
        if (config_setting_type(node) != CONFIG_TYPE_BOOL)
            return invalid_value(r, s, node);
        value = config_setting_get_bool(node) ? 1 : 0;
    } else if (!get_number(s, node, &value)) {
        return invalid_value(r, s, node);
    }
    store(r->config, s, value);
    return 0;
}

static int read_group(struct reader *r, config_setting_t *group)
{
    const char *name = config_setting_name(group);

    for (int k = 0; k < config_setting_length(group); k++) {
        const config_setting_t *node = config_setting_get_elem(group, (unsigned)k);
        const struct setting *s = NULL;
        int q;

        for (size_t i = 0; i < config_n_settings && !s; i++)
            if (streq(config_settings[i].group, name) &&
                streq(config_settings[i].name, config_setting_name(node))) {
                s = config_settings + i;
                r->seen[i] = true;
            }
        q = s ? read_setting(r, s, node) : unknown_setting(r, name, node);
        if (q != 0)
            return q;
    }
    return 0;
}

static bool is_group_name(const char *name)
{
    for (size_t i = 0; i < config_n_settings; i++)
        if (streq(config_settings[i].group, name))
            return true;
    return false;
}

static int read_tree(struct reader *r, const config_t *tree)
{
    config_setting_t *root = config_root_setting(tree);

    for (int k = 0; k < config_setting_length(root); k++) {
        config_setting_t *node = config_setting_get_elem(root, (unsigned)k);
        int q;

        if (!is_group_name(config_setting_name(node)))
            return unknown_group(r, node);
        if (!config_setting_is_group(node)) {
            CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(ERROR_MAX_BYTES);

            buffer_printf(&b, "%s: found ", config_setting_name(node));
            config_append_found(&b, node);
            buffer_printf(&b, ", allowed a group, %s: { ... };", config_setting_name(node));
            return invalid(r, config_setting_source_line(node), &b);
        }
        q = read_group(r, node);
        if (q != 0)
            return q;
    }

    for (size_t i = 0; i < config_n_settings; i++)
        if (config_settings[i].kind == SETTING_STRING && !config_settings[i].string &&
            !r->seen[i]) {
            CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(ERROR_MAX_BYTES);
            const config_setting_t *group = config_lookup(tree, config_settings[i].group);

            buffer_printf(&b, "%s.%s: found no such setting, but it is required, allowed ",
                          config_settings[i].group, config_settings[i].name);
            config_append_allowed(&b, config_settings + i);
            return invalid(r, group ? config_setting_source_line(group) : 1, &b);
        }
    return 0;
}

/* libconfig reports only the line of a duplicate name, not the name. But the tree still has all
 * settings that were read before the error. So the first word on that line that is already a
 * setting in the tree is taken as the duplicate. */
static int invalid_duplicate(struct reader *r, const config_t *tree, const char *text)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(ERROR_MAX_BYTES);
    config_setting_t *root = config_root_setting(tree);
    int n_groups = config_setting_length(root);
    config_setting_t *last =
        n_groups > 0 ? config_setting_get_elem(root, (unsigned)n_groups - 1) : NULL;
    unsigned line = (unsigned)config_error_line(tree);
    const char *end;

    for (unsigned at = 1; at < line && text; at++) {
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    for (; text && b.size == 0 && *text != '\0' && *text != '\n'; text = end) {
        char name[NAME_SHOWN_MAX_BYTES + 1];
        size_t size;

        text += strcspn(text, "\nabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ*");
        size = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ*0123456789-_");
        end = text + size;
        if (size == 0 || size >= sizeof(name))
            continue;
        memcpy(name, text, size);
        name[size] = '\0';
        if (last && config_setting_is_group(last) && config_setting_get_member(last, name))
            buffer_printf(&b, "%s.%s: ", config_setting_name(last), name);
        else if (config_setting_get_member(root, name))
            buffer_printf(&b, "%s: ", name);
    }
    buffer_append_string(&b, "found the same name a second time, allowed once");
    return invalid(r, line, &b);
}

static int parse_tree(struct reader *r, const char *text)
{
    config_t tree;
    int q;

    config_init(&tree);
    /* config_text_prepare refuses @include already; this is a second protection against it. */
    config_set_include_dir(&tree, "/dev/null");
    if (config_read_string(&tree, text))
        q = read_tree(r, &tree);
    else if (config_error_text(&tree) && streq(config_error_text(&tree), "duplicate setting name"))
        q = invalid_duplicate(r, &tree, text);
    else
        q = invalid_text(r, (unsigned)config_error_line(&tree),
                         "found a syntax error, allowed groups as in aws: { name = value; };"
                         " look for a quote, brace or semicolon amiss on this line or before it");
    config_destroy(&tree);
    return q;
}

static int set_defaults(struct config *config)
{
    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *s = config_settings + i;
        int r;

        if (s->kind == SETTING_STRING) {
            r = store_string(config, s, s->string ? s->string : "");
            if (r < 0)
                return r;
        } else if (s->kind == SETTING_STRINGS) {
            char **none = calloc(1, sizeof(*none));

            if (!none)
                return -ENOMEM;
            *(char ***)config_field(config, s) = none;
        } else {
            store(config, s, s->value);
        }
    }
    return 0;
}

/* For a number such as 0010, the line also shows the number that was probably meant. */
static int invalid_number(struct reader *r, int fault, const struct config_text_place *place)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(ERROR_MAX_BYTES);
    size_t zeros = 0;

    buffer_append_string(&b, "found ");
    escape_for_log(&b, place->bytes, place->size, NUMBER_SHOWN_MAX_BYTES);
    if (fault == CONFIG_TEXT_BAD_NUMBER) {
        buffer_append_string(&b, ", allowed a number in decimal, or 0x and one in hexadecimal");
    } else {
        while (place->bytes[zeros] == '0' && zeros + 1 < place->size &&
               place->bytes[zeros + 1] >= '0' && place->bytes[zeros + 1] <= '9')
            zeros++;
        buffer_append_string(&b, ", allowed ");
        escape_for_log(&b, place->bytes + zeros, place->size - zeros, NUMBER_SHOWN_MAX_BYTES);
        buffer_append_string(&b, ": a number that begins with 0 could be meant as octal");
    }
    return invalid(r, place->line, &b);
}

static int invalid_preparation(struct reader *r, int fault, const struct config_text_place *place)
{
    unsigned line = place->line;

    switch (fault) {
    case CONFIG_TEXT_LEADING_ZERO:
    case CONFIG_TEXT_BAD_NUMBER:
        return invalid_number(r, fault, place);
    case CONFIG_TEXT_DOTTED_NAME:
        return invalid_text(
            r, line,
            "found a name with a dot, allowed a name inside its group: what is called "
            "producer.source is written producer: { source = \"spool\"; };");
    case CONFIG_TEXT_LAST_COMMA:
        return invalid_text(r, line, "found a comma before ] or ), allowed between values alone");
    case CONFIG_TEXT_NUL:
        return invalid_text(r, line, "found a NUL byte, allowed text in UTF-8");
    case CONFIG_TEXT_INCLUDE:
        return invalid_text(r, line,
                            "found @include, allowed settings alone: all stand in one file");
    case CONFIG_TEXT_OPEN_STRING:
        return invalid_text(r, line, "found a string without its closing quote, allowed \"text\"");
    case CONFIG_TEXT_TOO_MANY:
        return invalid_text(r, line,
                            "found more than 1000 names, allowed each setting once, of which there "
                            "are fewer");
    default:
        return invalid_text(r, line, "found a comment without its end, allowed /* text */");
    }
}

int config_parse(const char *path, const char *text, size_t text_bytes, struct config **ret,
                 char **error)
{
    CLEANUP(buffer_done) struct buffer prepared = BUFFER_INIT(4 * (size_t)CONFIG_FILE_MAX_BYTES);
    CLEANUP(config_free) struct config *config = calloc(1, sizeof(*config));
    struct reader reader = {.path = path, .error = error, .config = config};
    struct config_text_place place = {.line = 1};
    int r;

    if (!config)
        return -ENOMEM;
    if (text_bytes > CONFIG_FILE_MAX_BYTES)
        return invalid_text(&reader, 1, "found more than 256 KiB, allowed at most that");
    r = set_defaults(config);
    if (r < 0)
        return r;
    r = config_text_prepare(text, text_bytes, &prepared, &place);
    if (r < 0)
        return r;
    r = r > 0 ? invalid_preparation(&reader, r, &place)
              : parse_tree(&reader, buffer_string(&prepared));
    if (r == 0)
        *ret = TAKE(config);
    return r;
}

struct config *config_free(struct config *config)
{
    if (!config)
        return NULL;
    for (size_t i = 0; i < config_n_settings; i++)
        if (config_settings[i].kind == SETTING_STRING)
            secret_free(*(char **)config_field(config, config_settings + i));
        else if (config_settings[i].kind == SETTING_STRINGS)
            strings_free(*(char ***)config_field(config, config_settings + i));
    free(config);
    return NULL;
}
