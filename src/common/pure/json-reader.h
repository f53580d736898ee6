/* JSON that came from outside, read strictly, and its members asked for by name and type. Objects
 * are json-c's. */
#pragma once

#include <json-c/json.h>

#include "macro.h"

enum {
    JSON_TEXT_MAX_BYTES = 64 * 1024 * 1024, /* whatever the caller's own cap is */
};

/* Reads one JSON object and nothing else but white space around it: RFC 8259 without extensions,
 * UTF-8 only, no deeper than `max_depth`. The caller puts the object.
 * JSON_E_INVALID: *ret_why, a constant, says what it is: "empty", "cut off", "too deep", "not
 * JSON", ...; it is only set then. */
enum {
    JSON_E_INVALID = 1, /* not such JSON */
    JSON_E_ABSENT = 2,  /* no such member, or null */
    JSON_E_TYPE = 3,    /* of another type */
};
int json_read(const char *bytes, size_t size, int max_depth, json_object **ret,
              const char **ret_why);

/* A member of an object. 0, JSON_E_ABSENT, JSON_E_TYPE. What comes back belongs to `object`. A
 * string holds a NUL only where its size is asked for: else such a string is JSON_E_TYPE. */
int json_get(json_object *object, const char *name, json_type type, json_object **ret);
int json_get_string(json_object *object, const char *name, const char **ret);
int json_get_bytes(json_object *object, const char *name, const char **ret, size_t *ret_bytes);
int json_get_bool(json_object *object, const char *name, bool *ret);

DEFINE_CLEANUP(json_tokener *, json_tokener_free)

static inline void json_object_put_cleanup(json_object **object)
{
    json_object_put(*object);
}
