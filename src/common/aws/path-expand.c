/* SPDX-License-Identifier: MIT */
#include "aws/path-expand.h"

#include "util/ascii.h"

enum { NAME_MAX_BYTES = 256 };

static bool is_name(char c)
{
    return is_letter_or_digit(c) || c == '_';
}

/* Finds the name after a "$". Returns its size; 0: there is no name. *ret_whole is the size of the
 * text that the value replaces: the name with "$" and braces. */
static size_t find_name(const char *dollar, const char **ret_name, size_t *ret_whole)
{
    const char *name = dollar + 1, *end;

    if (*name == '{') {
        end = strchr(++name, '}');
        *ret_name = name;
        *ret_whole = end ? (size_t)(end + 1 - dollar) : 0;
        return end ? (size_t)(end - name) : 0;
    }
    for (end = name; is_name(*end);)
        end++;
    *ret_name = name;
    *ret_whole = (size_t)(end - dollar);
    return (size_t)(end - name);
}

/* Appends the value of the variable. False: it is not set. */
static bool append_value(const char *name, size_t size, path_variable_fn variable, struct buffer *b)
{
    char copy[NAME_MAX_BYTES + 1];
    const char *value;

    if (size == 0 || size > NAME_MAX_BYTES)
        return false;
    memcpy(copy, name, size);
    copy[size] = '\0';
    value = variable(copy);
    if (value)
        buffer_append_string(b, value);
    return value != NULL;
}

static void expand_variables(const char *path, path_variable_fn variable, struct buffer *b)
{
    while (*path) {
        size_t plain = strcspn(path, "$"), size, whole;
        const char *name;

        buffer_append(b, path, plain);
        path += plain;
        if (!*path)
            return;
        size = find_name(path, &name, &whole);
        if (!append_value(name, size, variable, b))
            buffer_append(b, path, MAX(whole, (size_t)1));
        path += MAX(whole, (size_t)1);
    }
}

int path_expand(const char *path, path_variable_fn variable, struct buffer *b)
{
    CLEANUP(buffer_done) struct buffer expanded = BUFFER_INIT(b->max);
    const char *home = variable("HOME"), *rest;
    size_t n;

    expand_variables(path, variable, &expanded);
    if (expanded.error < 0)
        return expanded.error;
    rest = buffer_string(&expanded);
    if (is_set(home) && rest[0] == '~' && (rest[1] == '/' || rest[1] == '\0')) {
        for (n = strlen(home); n > 0 && home[n - 1] == '/';)
            n--;
        buffer_append(b, home, n);
        rest = rest[1] == '\0' && n == 0 ? "/" : rest + 1;
    }
    return buffer_append_string(b, rest);
}
