/* SPDX-License-Identifier: MIT */
/* A strict and fast JSON reader, for JSON that comes from outside and decides something, and for
 * JSON that comes with every message. It makes one copy of the text, unescapes the strings in
 * place, and fills one array of values that point into the copy. JSON that is rarely read and
 * decides nothing is read by json-reader.h with json-c. */
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

struct json_tree;

enum {
    JSON_TREE_MAX_BYTES = 64 * 1024 * 1024, /* of the text, whatever the caller's own cap is */
    JSON_TREE_MAX_VALUES = 65536,
    JSON_FAULT_BYTES = 64,
};

/* What to do with an escape that is half of a surrogate pair ("\ud83d" alone). It is no
 * character. */
enum json_lone_surrogates {
    JSON_LONE_SURROGATES_REFUSED,
    JSON_LONE_SURROGATES_REPLACED, /* by U+FFFD */
};

/* What is wrong with a text. "empty", "too large", "cut off" and "no JSON object" stand alone. "not
 * UTF-8", "not JSON", "too deep", "followed by more" and "half of a surrogate pair" say where, as
 * "not UTF-8, at byte 7". The first byte is byte 1. */
struct json_fault {
    char text[JSON_FAULT_BYTES];
};

/* Reads a text that is one JSON object (RFC 8259 without extensions, UTF-8 only). White space
 * around it is allowed, nothing else. A value may be in at most `max_depth` - 1 arrays and objects.
 * Members of the same name are all kept. The bytes are copied; on failure no copy of them is left.
 * Returns 0, -ENOMEM, or JSON_TREE_E_INVALID; only then *ret_fault is set. */
enum {
    JSON_TREE_E_INVALID = 1, /* the text is not accepted */
    JSON_TREE_E_ABSENT = 2,  /* no such member, or it is null */
    JSON_TREE_E_KIND = 3,    /* the member has another kind */
};
int json_tree_read(const char *bytes, size_t size, unsigned max_depth,
                   enum json_lone_surrogates lone_surrogates, struct json_tree **ret,
                   struct json_fault *ret_fault);
struct json_tree *json_tree_free(struct json_tree *tree);
DEFINE_CLEANUP(struct json_tree *, json_tree_free)

/* Wipes the tree, for one that holds secrets, and frees it. */
struct json_tree *json_tree_free_secret(struct json_tree *tree);
DEFINE_CLEANUP(struct json_tree *, json_tree_free_secret)

/* The object that holds all other values. All values belong to the tree. */
const struct json_value *json_tree_root(const struct json_tree *tree);

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

/* A member of an object. If several have that name, it is the last one. Returns 0,
 * JSON_TREE_E_ABSENT or JSON_TREE_E_KIND. json_value_get_bytes accepts a string that holds a NUL;
 * for json_value_get_string it is JSON_TREE_E_KIND. */
int json_value_get(const struct json_value *object, const char *name, enum json_kind kind,
                   const struct json_value **ret);
int json_value_get_string(const struct json_value *object, const char *name, const char **ret);
int json_value_get_bytes(const struct json_value *object, const char *name, const char **ret,
                         size_t *ret_bytes);
int json_value_get_bool(const struct json_value *object, const char *name, bool *ret);
/* A whole number: digits, perhaps after a minus. One that does not fit becomes the nearest one that
 * fits. */
int json_value_get_integer(const struct json_value *object, const char *name, int64_t *ret);
