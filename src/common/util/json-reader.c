/* SPDX-License-Identifier: MIT */
/* json_read gives the same answer with every version of json-c. json-c's versions differ in what
 * their strict mode refuses: 0.18 refuses bytes from 0x80 on if char is signed, and whole numbers
 * beyond 64 bits. So json_tree_read checks the text. json-c, which is not strict by default, only
 * builds its objects from a text that is known to be valid. */
#include "util/json-reader.h"

#include <errno.h>

/* json-c would cut a name at its NUL. */
static bool has_nul_in_name(const struct json_value *root)
{
    for (uint32_t i = 0; i < root->span; i++)
        if (root[i].name && memchr(root[i].name, '\0', root[i].name_bytes))
            return true;
    return false;
}

/* 0, -ENOMEM, or JSON_E_INVALID with *ret_fault. */
static int judge(const char *bytes, size_t size, int max_depth, struct json_fault *ret_fault)
{
    CLEANUP(json_tree_free) struct json_tree *tree = NULL;
    int r = json_tree_read(bytes, size, (unsigned)max_depth, JSON_LONE_SURROGATES_REFUSED, &tree,
                           ret_fault);

    if (r != 0)
        return r < 0 ? r : JSON_E_INVALID;
    if (has_nul_in_name(json_tree_root(tree))) {
        *ret_fault = (struct json_fault){"a name holds a NUL character"};
        return JSON_E_INVALID;
    }
    return 0;
}

int json_read(const char *bytes, size_t size, int max_depth, json_object **ret,
              struct json_fault *ret_fault)
{
    CLEANUP(json_tokener_free) json_tokener *tokener = NULL;
    json_object *object;
    int r = judge(bytes, size, max_depth, ret_fault);

    if (r != 0)
        return r;
    tokener = json_tokener_new_ex(max_depth);
    if (!tokener)
        return -ENOMEM;
    object = json_tokener_parse_ex(tokener, bytes, (int)size);
    if (!object) /* the text is valid, so memory ran out */
        return -ENOMEM;
    *ret = object;
    return 0;
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
