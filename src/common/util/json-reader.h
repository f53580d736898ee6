/* SPDX-License-Identifier: MIT */
/* Reads JSON into json-c's objects, and finds members by name and type. It is for JSON that is
 * rarely read. JSON that comes with every message, or that decides something, is read by
 * json-tree.h. json-reader.c is the only file that sets up json-c's reader. */
#pragma once

#include <json-c/json.h>

#include "util/json-tree.h"

/* Accepts the same texts as json_tree_read with JSON_LONE_SURROGATES_REFUSED, except that a name
 * must not hold a NUL. If several members have the same name, the last one counts. A whole number
 * beyond 64 bits becomes the nearest one that fits. The caller frees the object by json_object_put.
 * Returns 0, -ENOMEM, or JSON_E_INVALID; only then *ret_fault is set. */
enum {
    JSON_E_INVALID = 1, /* the text is not accepted */
    JSON_E_ABSENT = 2,  /* no such member, or it is null */
    JSON_E_TYPE = 3,    /* the member has another type */
};
int json_read(const char *bytes, size_t size, int max_depth, json_object **ret,
              struct json_fault *ret_fault);

/* A member of an object. Returns 0, JSON_E_ABSENT or JSON_E_TYPE. The result belongs to `object`.
 * json_get_bytes accepts a string that holds a NUL; for json_get_string it is JSON_E_TYPE. */
int json_get(json_object *object, const char *name, json_type type, json_object **ret);
int json_get_string(json_object *object, const char *name, const char **ret);
int json_get_bytes(json_object *object, const char *name, const char **ret, size_t *ret_bytes);

DEFINE_CLEANUP(json_tokener *, json_tokener_free)

static inline void json_object_put_cleanup(json_object **object)
{
    json_object_put(*object);
}
