/* See json-reader.h. Even in strict mode json-c is lenient in three points. A NUL ends the input
 * early and is no error: so the number of bytes it took is checked as well. Its own check of UTF-8
 * lets overlong forms and surrogates pass: so ours goes before. And it takes the names of members
 * in single quotes, which does no harm. */
#include "json-reader.h"

#include <errno.h>

#include "encode.h"

static const char *explain(enum json_tokener_error error)
{
    switch (error) {
    case json_tokener_continue:
    case json_tokener_error_parse_eof:
        return "cut off";
    case json_tokener_error_depth:
        return "too deep";
    default:
        return "not JSON";
    }
}

int json_read(const char *bytes, size_t size, int max_depth, json_object **ret,
              const char **ret_why)
{
    CLEANUP(json_tokener_free) json_tokener *tokener = NULL;
    CLEANUP(json_object_put) json_object *object = NULL;
    enum json_tokener_error error;

    if (size == 0) {
        *ret_why = "empty";
        return JSON_E_INVALID;
    }
    if (size > JSON_TEXT_MAX_BYTES) {
        *ret_why = "too large";
        return JSON_E_INVALID;
    }
    if (!utf8_is_valid(bytes, size)) {
        *ret_why = "not UTF-8";
        return JSON_E_INVALID;
    }
    tokener = json_tokener_new_ex(max_depth);
    if (!tokener)
        return -ENOMEM;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    object = json_tokener_parse_ex(tokener, bytes, (int)size);
    error = json_tokener_get_error(tokener);
    if (error != json_tokener_success)
        *ret_why = explain(error);
    else if (json_tokener_get_parse_end(tokener) != size)
        *ret_why = "followed by more";
    else if (!json_object_is_type(object, json_type_object))
        *ret_why = "no JSON object";
    else {
        *ret = TAKE(object);
        return 0;
    }
    return JSON_E_INVALID;
}

int json_get(json_object *object, const char *name, json_type type, json_object **ret)
{
    json_object *member = NULL;

    if (!json_object_object_get_ex(object, name, &member) || !member)
        return JSON_E_ABSENT;
    if (!json_object_is_type(member, type))
        return JSON_E_TYPE;
    *ret = member;
    return 0;
}

int json_get_bytes(json_object *object, const char *name, const char **ret, size_t *ret_bytes)
{
    json_object *member;
    int r = json_get(object, name, json_type_string, &member);

    if (r != 0)
        return r;
    *ret = json_object_get_string(member);
    *ret_bytes = (size_t)json_object_get_string_len(member);
    return 0;
}

int json_get_string(json_object *object, const char *name, const char **ret)
{
    const char *text;
    size_t size;
    int r = json_get_bytes(object, name, &text, &size);

    if (r != 0)
        return r;
    if (memchr(text, '\0', size))
        return JSON_E_TYPE;
    *ret = text;
    return 0;
}

int json_get_bool(json_object *object, const char *name, bool *ret)
{
    json_object *member;
    int r = json_get(object, name, json_type_boolean, &member);

    if (r != 0)
        return r;
    *ret = json_object_get_boolean(member);
    return 0;
}
