/* SPDX-License-Identifier: MIT */
/* A strict and fast JSON reader, for JSON that comes from outside and decides something, and for
 * JSON that comes with every message. It makes one copy of the text, unescapes the strings in
 * place, and fills one array of values that point into the copy. JSON that is rarely read and
 * decides nothing is read by json-reader.h with json-c. */
#pragma once

#include "util/json-value.h"

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
enum { JSON_TREE_E_INVALID = 1 }; /* the text is not accepted */
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
