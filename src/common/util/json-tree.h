/* SPDX-License-Identifier: MIT */
/* JSON that comes from outside and decides something, or comes with every message, read strictly
 * and cheaply: one copy of the text, in which strings are unescaped where they stand, and one array
 * of values that point into it. What is read seldom, and decides nothing, is read by json-reader.h,
 * with json-c. */
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
    const char *name; /* of an object's member, followed by a NUL; else NULL */
    const char *text; /* of a string, followed by a NUL; of a number, as written; else NULL */
    uint32_t name_bytes;
    uint32_t n;    /* the bytes of a string or number; the values in an array or object */
    uint32_t span; /* values up to the next one beside it: itself and all inside it */
    enum json_kind kind;
};

struct json_tree;

enum {
    JSON_TREE_MAX_BYTES = 64 * 1024 * 1024, /* whatever the caller's own cap is */
    JSON_TREE_MAX_VALUES = 65536,
    JSON_FAULT_BYTES = 64,
};

/* What becomes of an escape that is half of a surrogate pair ("\ud83d" alone), which is no
 * character. */
enum json_lone_surrogates {
    JSON_LONE_SURROGATES_REFUSED,
    JSON_LONE_SURROGATES_REPLACED, /* by U+FFFD */
};

/* What is wrong with a text, and where where that says something: "empty", "too large", "cut off",
 * "no JSON object"; "not UTF-8, at byte 7", and so with "not JSON", "too deep", "followed by more",
 * "half of a surrogate pair". Bytes are counted from 1. */
struct json_fault {
    char text[JSON_FAULT_BYTES];
};

/* Reads one JSON object and nothing else but white space around it: RFC 8259 without extensions,
 * UTF-8 only, values in no more than `max_depth` - 1 arrays and objects. Members of the same name
 * are all kept. The bytes are copied; where this fails, no copy of them is left. 0, -ENOMEM, or
 * JSON_TREE_E_INVALID with *ret_fault, which is only set then. */
enum {
    JSON_TREE_E_INVALID = 1, /* not such JSON */
    JSON_TREE_E_ABSENT = 2,  /* no such member, or null */
    JSON_TREE_E_KIND = 3,    /* of another kind */
};
int json_tree_read(const char *bytes, size_t size, unsigned max_depth,
                   enum json_lone_surrogates lone_surrogates, struct json_tree **ret,
                   struct json_fault *ret_fault);
struct json_tree *json_tree_free(struct json_tree *tree);
DEFINE_CLEANUP(struct json_tree *, json_tree_free)

/* Wipes what held secrets, and frees it. */
struct json_tree *json_tree_free_secret(struct json_tree *tree);
DEFINE_CLEANUP(struct json_tree *, json_tree_free_secret)

/* The object that all the others are in. All values belong to the tree. */
const struct json_value *json_tree_root(const struct json_tree *tree);

/* The values in an array or object, in the text's order: `n` of them. */
static inline const struct json_value *json_value_first(const struct json_value *container)
{
    return container + 1;
}
static inline const struct json_value *json_value_next(const struct json_value *value)
{
    return value + value->span;
}

/* A member of an object; of several of that name the last. 0, JSON_TREE_E_ABSENT, JSON_TREE_E_KIND.
 * A string holds a NUL only where its size is asked for: else it is JSON_TREE_E_KIND. */
int json_value_get(const struct json_value *object, const char *name, enum json_kind kind,
                   const struct json_value **ret);
int json_value_get_string(const struct json_value *object, const char *name, const char **ret);
int json_value_get_bytes(const struct json_value *object, const char *name, const char **ret,
                         size_t *ret_bytes);
int json_value_get_bool(const struct json_value *object, const char *name, bool *ret);
/* A whole number: digits alone, with a minus or not. One that does not fit is the nearest that
 * does.
 */
int json_value_get_integer(const struct json_value *object, const char *name, int64_t *ret);
