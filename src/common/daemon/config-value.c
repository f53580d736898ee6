/* SPDX-License-Identifier: MIT */
/* libconfig's getters convert types silently, so the type of a setting is always checked first. */
#include "daemon/config-value.h"

#include <assert.h>

static int invalid_value(struct config_reader *r, const struct setting *s,
                         const config_setting_t *node)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(CONFIG_ERROR_MAX_BYTES);

    buffer_printf(&b, "%s.%s: found ", s->group, s->name);
    config_append_found(&b, node);
    buffer_append_string(&b, ", allowed ");
    config_append_allowed(&b, s);
    return config_invalid(r, config_setting_source_line(node), &b);
}

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

static void store_strings(struct config *config, const struct setting *s, char **strings)
{
    char ***at = config_field(config, s);

    strings_free(*at);
    *at = strings;
}

static int read_strings(struct config_reader *r, const struct setting *s,
                        const config_setting_t *node)
{
    CLEANUP(strings_free) char **strings = NULL;
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
    store_strings(r->config, s, TAKE(strings));
    return 0;
}

static size_t value_size(const struct setting *s)
{
    switch (s->kind) {
    case SETTING_STRING:
        return sizeof(char *);
    case SETTING_STRINGS:
        return sizeof(char **);
    case SETTING_CHOICE:
        return sizeof(int);
    case SETTING_BOOL:
        return sizeof(bool);
    case SETTING_SMALL_COUNT:
        return sizeof(unsigned);
    default:
        return sizeof(uint64_t);
    }
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

static int read_string(struct config_reader *r, const struct setting *s,
                       const config_setting_t *node)
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

static int read_value(struct config_reader *r, const struct setting *s,
                      const config_setting_t *node)
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

int config_read_value(struct config_reader *r, const struct setting *s,
                      const config_setting_t *node)
{
    int q = read_value(r, s, node);

    if (q == 0)
        r->config->origins->of[s - config_settings] = (struct config_origin){
            .kind = r->origin,
            .file = MAX(r->config->origins->n_files, (size_t)1) - 1,
            .line = config_setting_source_line(node),
        };
    return q;
}

int config_store_default(struct config *config, const struct setting *s)
{
    char **none;

    if (s->kind == SETTING_STRING)
        return store_string(config, s, config_default_text(config, s).text);
    if (s->kind != SETTING_STRINGS) {
        store(config, s, config_default_number(config, s));
        return 0;
    }
    none = calloc(1, sizeof(*none));
    if (!none)
        return -ENOMEM;
    store_strings(config, s, none);
    return 0;
}

int config_copy_value(struct config *config, const struct setting *s, const struct config *from)
{
    CLEANUP(strings_free) char **copy = NULL;
    char **strings;
    size_t n = 0;

    if (s->kind == SETTING_STRING)
        return store_string(config, s, *(char **)config_field(from, s));
    if (s->kind != SETTING_STRINGS) {
        store(config, s, config_number(from, s));
        return 0;
    }
    strings = *(char ***)config_field(from, s);
    while (strings[n])
        n++;
    copy = calloc(n + 1, sizeof(*copy));
    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        copy[i] = strdup(strings[i]);
        if (!copy[i])
            return -ENOMEM;
    }
    store_strings(config, s, TAKE(copy));
    return 0;
}

static void exchange(void *a, void *b, size_t size)
{
    unsigned char keep[sizeof(uint64_t)];

    assert(size <= sizeof(keep));
    memcpy(keep, a, size);
    memcpy(a, b, size);
    memcpy(b, keep, size);
}

void config_exchange_value(struct config *a, const struct setting *s, struct config *b)
{
    exchange(config_field(a, s), config_field(b, s), value_size(s));
}

bool config_has_same_value(const struct config *a, const struct setting *s, const struct config *b)
{
    char *const *x, *const *y;

    if (s->kind == SETTING_STRING)
        return streq(*(char **)config_field(a, s), *(char **)config_field(b, s));
    if (s->kind != SETTING_STRINGS)
        return config_number(a, s) == config_number(b, s);
    x = *(char ***)config_field(a, s);
    y = *(char ***)config_field(b, s);
    while (*x && *y && streq(*x, *y)) {
        x++;
        y++;
    }
    return !*x && !*y;
}

void config_free_value(struct config *config, const struct setting *s)
{
    if (s->kind == SETTING_STRING)
        secret_free(*(char **)config_field(config, s));
    else if (s->kind == SETTING_STRINGS)
        strings_free(*(char ***)config_field(config, s));
}
