/* SPDX-License-Identifier: MIT */
/* A JSON text, read by json-tree and by json-reader, that is by json-c: both take it, and find the
 * same in it, or neither does. Only a name with a NUL is refused by json-reader alone. */
#include "util/json-reader.h"
#include "util/json-tree.h"

#include "fuzz.h"
#include "util/encode.h"

enum { DEPTH_MAX = 16 };

static bool has_nul_in_name(const struct json_value *root)
{
    for (uint32_t i = 0; i < root->span; i++)
        if (root[i].name && strlen(root[i].name) != root[i].name_bytes)
            return true;
    return false;
}

/* By a later member of the same name. */
static bool is_overwritten(const struct json_value *object, size_t i,
                           const struct json_value *value)
{
    const struct json_value *other = json_value_next(value);

    for (i++; i < object->n; i++, other = json_value_next(other))
        if (streq(other->name, value->name))
            return true;
    return false;
}

static void check_text(const struct json_value *root)
{
    for (uint32_t i = 0; i < root->span; i++) {
        assert(!root[i].name || utf8_is_valid(root[i].name, root[i].name_bytes));
        assert(root[i].kind != JSON_STRING || utf8_is_valid(root[i].text, root[i].n));
    }
}

static void compare(const struct json_value *ours, json_object *theirs);

static void compare_objects(const struct json_value *ours, json_object *theirs)
{
    const struct json_value *value = json_value_first(ours);
    int n = 0;

    for (size_t i = 0; i < ours->n; i++, value = json_value_next(value)) {
        json_object *member = NULL;

        assert(value->name && value->name[value->name_bytes] == '\0');
        if (is_overwritten(ours, i, value))
            continue;
        assert(json_object_object_get_ex(theirs, value->name, &member));
        compare(value, member);
        n++;
    }
    assert(n == json_object_object_length(theirs));
}

static void compare_arrays(const struct json_value *ours, json_object *theirs)
{
    const struct json_value *value = json_value_first(ours);

    assert(ours->n == json_object_array_length(theirs));
    for (size_t i = 0; i < ours->n; i++, value = json_value_next(value)) {
        assert(!value->name);
        compare(value, json_object_array_get_idx(theirs, i));
    }
}

static void compare(const struct json_value *ours, json_object *theirs)
{
    switch (ours->kind) {
    case JSON_NULL:
        assert(!theirs);
        break;
    case JSON_FALSE:
    case JSON_TRUE:
        assert(json_object_is_type(theirs, json_type_boolean));
        assert(json_object_get_boolean(theirs) == (ours->kind == JSON_TRUE));
        break;
    case JSON_NUMBER:
        assert(json_object_is_type(theirs, json_type_int) ||
               json_object_is_type(theirs, json_type_double));
        break;
    case JSON_STRING:
        assert(json_object_is_type(theirs, json_type_string));
        assert(ours->n == (size_t)json_object_get_string_len(theirs));
        assert(memcmp(ours->text, json_object_get_string(theirs), ours->n + 1) == 0);
        assert(utf8_is_valid(ours->text, ours->n));
        break;
    case JSON_ARRAY:
        assert(json_object_is_type(theirs, json_type_array));
        compare_arrays(ours, theirs);
        break;
    case JSON_OBJECT:
        assert(json_object_is_type(theirs, json_type_object));
        compare_objects(ours, theirs);
        break;
    }
}

FUZZ
{
    CLEANUP(json_object_put) json_object *object = NULL;
    CLEANUP(json_tree_free) struct json_tree *tree = NULL, *mended = NULL;
    struct json_fault fault = {}, other_fault = {};
    int ours, theirs;

    if (size > JSON_TREE_MAX_VALUES)
        return;
    ours = json_tree_read(data, size, DEPTH_MAX, JSON_LONE_SURROGATES_REFUSED, &tree, &fault);
    assert((ours == 0) == (tree != NULL) && (ours == 0) == (fault.text[0] == '\0'));
    assert(ours == 0 || ours == JSON_TREE_E_INVALID);
    theirs = json_read(data, size, DEPTH_MAX, &object, &other_fault);
    if (ours == 0 && !has_nul_in_name(json_tree_root(tree))) {
        assert(theirs == 0);
        compare(json_tree_root(tree), object);
    } else {
        assert(theirs == JSON_E_INVALID && other_fault.text[0] != '\0');
        assert(ours == 0 || streq(fault.text, other_fault.text));
    }
    theirs = json_tree_read(data, size, DEPTH_MAX, JSON_LONE_SURROGATES_REPLACED, &mended, &fault);
    assert(ours != 0 || theirs == 0);
    if (mended)
        check_text(json_tree_root(mended));
}
