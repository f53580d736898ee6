/* SPDX-License-Identifier: MIT */
/* JSON that is read seldom, as json-c's objects, its members asked for by name and type. What comes
 * with every message or decides something is read by json-tree.h. This is the only file that sets
 * up json-c's reader. */
#pragma once

#include <json-c/json.h>

#include "util/json-tree.h"

/* Reads what json_tree_read takes where it refuses lone surrogates, but no name with a NUL. Of
 * members of the same name the last counts; a whole number beyond 64 bits becomes the nearest that
 * fits. The caller puts the object. 0, -ENOMEM, or JSON_E_INVALID with *ret_fault, which is only
 * set then. */
enum {
    JSON_E_INVALID = 1, /* not such JSON */
    JSON_E_ABSENT = 2,  /* no such member, or null */
    JSON_E_TYPE = 3,    /* of another type */
};
int json_read(const char *bytes, size_t size, int max_depth, json_object **ret,
              struct json_fault *ret_fault);

/* A member of an object. 0, JSON_E_ABSENT, JSON_E_TYPE. What comes back belongs to `object`. A
 * string holds a NUL only where its size is asked for: else such a string is JSON_E_TYPE. */
int json_get(json_object *object, const char *name, json_type type, json_object **ret);
int json_get_string(json_object *object, const char *name, const char **ret);
int json_get_bytes(json_object *object, const char *name, const char **ret, size_t *ret_bytes);

DEFINE_CLEANUP(json_tokener *, json_tokener_free)

static inline void json_object_put_cleanup(json_object **object)
{
    json_object_put(*object);
}
