/* SPDX-License-Identifier: MIT */
/* The values of a JSON text that json-tree.h has read: which members an object has, and what they
 * are. */
#pragma once

#include "util/macro.h"

enum json_kind {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_value {
    const char *name; /* the name of a member of an object, with a NUL after it; else NULL */
    const char *text; /* a string, with a NUL after it; a number as written; else NULL */
    uint32_t name_bytes;
    uint32_t n;    /* bytes of a string or number; values directly in an array or object */
    uint32_t span; /* number of values in the array: this one and all inside it */
    enum json_kind kind;
};

/* The first value in an array or object, and the value after one, in the text's order. There are
 * `n` of them; these functions do not check that. */
static inline const struct json_value *json_value_first(const struct json_value *container)
{
    return container + 1;
}
static inline const struct json_value *json_value_next(const struct json_value *value)
{
    return value + value->span;
}

enum {
    /* JSON_TREE_E_INVALID is 1: one variable may hold the results of both. */
    JSON_VALUE_E_ABSENT = 2, /* no such member, or it is null */
    JSON_VALUE_E_KIND = 3,   /* the member has another kind */
};

/* A member of an object. If several have that name, it is the last one. Returns 0,
 * JSON_VALUE_E_ABSENT or JSON_VALUE_E_KIND. json_value_get_bytes accepts a string that holds a NUL;
 * for json_value_get_string it is JSON_VALUE_E_KIND. */
int json_value_get(const struct json_value *object, const char *name, enum json_kind kind,
                   const struct json_value **ret);
int json_value_get_string(const struct json_value *object, const char *name, const char **ret);
int json_value_get_bytes(const struct json_value *object, const char *name, const char **ret,
                         size_t *ret_bytes);
int json_value_get_bool(const struct json_value *object, const char *name, bool *ret);
/* A whole number: digits, perhaps after a minus. One that does not fit becomes the nearest one that
 * fits. */
int json_value_get_integer(const struct json_value *object, const char *name, int64_t *ret);
