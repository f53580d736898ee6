/* See json-names.h. The text is known to be JSON, so a quote begins a string, a brace an object,
 * and a string behind which a colon stands is a name. Of each object that is open, its names so far
 * are kept, as places in the text: without escapes, equal names are equal bytes. */
#include "json-names.h"

struct name {
    const char *at;
    size_t bytes;
};

struct level {
    struct name names[JSON_NAMES_MAX_MEMBERS];
    size_t n;
};

/* Behind the quote that ends the string whose text begins there. */
static const char *skip_string(const char *p, const char *end, char quote, bool *ret_has_escape)
{
    *ret_has_escape = false;
    for (; p < end && *p != quote; p++)
        if (*p == '\\') {
            *ret_has_escape = true;
            p++;
        }
    return p < end ? p + 1 : end;
}

static bool is_name(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p < end && *p == ':';
}

static bool stands_in(const struct level *level, const struct name *name)
{
    for (size_t i = 0; i < level->n; i++)
        if (level->names[i].bytes == name->bytes &&
            memcmp(level->names[i].at, name->at, name->bytes) == 0)
            return true;
    return false;
}

int json_names_check(const char *text, size_t size, const char **ret_name, size_t *ret_name_bytes)
{
    struct level levels[JSON_NAMES_MAX_DEPTH];
    const char *end = text + size;
    size_t depth = 0; /* of the objects that are open; the innermost is levels[depth - 1] */

    for (const char *p = text; p < end;) {
        char c = *p++;

        if (c == '{') {
            if (depth < JSON_NAMES_MAX_DEPTH)
                levels[depth].n = 0;
            depth++;
        } else if (c == '}' && depth > 0) {
            depth--;
        } else if (c == '"' || c == '\'') {
            struct name name = {.at = p};
            struct level *level =
                depth > 0 && depth <= JSON_NAMES_MAX_DEPTH ? &levels[depth - 1] : NULL;
            bool has_escape, is_twice;

            p = skip_string(p, end, c, &has_escape);
            if (!level || !is_name(p, end))
                continue;
            name.bytes = (size_t)(p - 1 - name.at);
            is_twice = stands_in(level, &name);
            if (is_twice || has_escape || c == '\'') {
                *ret_name = name.at;
                *ret_name_bytes = name.bytes;
                return is_twice ? JSON_NAMES_E_TWICE : JSON_NAMES_E_FORM;
            }
            if (level->n < JSON_NAMES_MAX_MEMBERS)
                level->names[level->n++] = name;
        }
    }
    return 0;
}
