/* SPDX-License-Identifier: MIT */
#include "util/json-tree.h"
#include "test.h"

#include <stdio.h>

static struct json_tree *read_good(const char *text)
{
    struct json_tree *tree = NULL;
    struct json_fault fault = {};
    int r = json_tree_read(text, strlen(text), 8, JSON_LONE_SURROGATES_REPLACED, &tree, &fault);

    if (r != 0)
        print_error("%s: %s\n", text, fault.text);
    assert_int_equal(r, 0);
    assert_string_equal(fault.text, "");
    return tree;
}

static void json_value_member_is_found_by_name_and_kind(void **state)
{
    CLEANUP(json_tree_free)
    struct json_tree *tree = read_good("{\"text\":\"t\",\"nul\":\"a\\u0000b\",\"yes\":true,\"no\":"
                                       "false,\"null\":null,\"n\":1,\"o\":{\"inside\":\"x\"}}");
    const struct json_value *root = json_tree_root(tree), *member = NULL;
    const char *text = "untouched";
    size_t size = 0;
    bool truth = false;

    assert_int_equal(json_value_get_string(root, "missing", &text), JSON_VALUE_E_ABSENT);
    assert_int_equal(json_value_get_string(root, "inside", &text), JSON_VALUE_E_ABSENT);
    assert_int_equal(json_value_get_string(root, "tex", &text), JSON_VALUE_E_ABSENT);
    assert_int_equal(json_value_get_string(root, "texts", &text), JSON_VALUE_E_ABSENT);
    assert_int_equal(json_value_get_string(root, "null", &text), JSON_VALUE_E_ABSENT);
    assert_int_equal(json_value_get_string(root, "n", &text), JSON_VALUE_E_KIND);
    assert_int_equal(json_value_get_string(root, "o", &text), JSON_VALUE_E_KIND);
    assert_int_equal(json_value_get_string(root, "nul", &text), JSON_VALUE_E_KIND);
    assert_int_equal(json_value_get_bool(root, "text", &truth), JSON_VALUE_E_KIND);
    assert_int_equal(json_value_get_bool(root, "null", &truth), JSON_VALUE_E_ABSENT);
    assert_int_equal(json_value_get(root, "o", JSON_ARRAY, &member), JSON_VALUE_E_KIND);
    assert_string_equal(text, "untouched");
    assert_null(member);

    assert_int_equal(json_value_get_string(root, "text", &text), 0);
    assert_string_equal(text, "t");
    assert_int_equal(json_value_get_bytes(root, "nul", &text, &size), 0);
    assert_int_equal(size, 3);
    assert_memory_equal(text, "a\0b", 3);
    assert_int_equal(json_value_get_bool(root, "yes", &truth), 0);
    assert_true(truth);
    assert_int_equal(json_value_get_bool(root, "no", &truth), 0);
    assert_false(truth);
    assert_int_equal(json_value_get(root, "o", JSON_OBJECT, &member), 0);
    assert_int_equal(json_value_get_string(member, "inside", &text), 0);
    assert_string_equal(text, "x");
}

static void json_value_number_out_of_range_is_the_nearest_in_range(void **state)
{
    static const struct {
        const char *text;
        int result;
        int64_t number;
    } rows[] = {
        {"0", 0, 0},
        {"-0", 0, 0},
        {"7", 0, 7},
        {"-120", 0, -120},
        {"9223372036854775807", 0, INT64_MAX},
        {"9223372036854775808", 0, INT64_MAX},
        {"-9223372036854775808", 0, INT64_MIN},
        {"-9223372036854775809", 0, INT64_MIN},
        {"18446744073709551617", 0, INT64_MAX},
        {"-123456789012345678901234567890", 0, INT64_MIN},
        {"1.0", JSON_VALUE_E_KIND, 77},
        {"1e2", JSON_VALUE_E_KIND, 77},
        {"1E2", JSON_VALUE_E_KIND, 77},
        {"123456789012345678901234567890.5", JSON_VALUE_E_KIND, 77},
        {"\"1\"", JSON_VALUE_E_KIND, 77},
        {"true", JSON_VALUE_E_KIND, 77},
        {"[1]", JSON_VALUE_E_KIND, 77},
        {"null", JSON_VALUE_E_ABSENT, 77},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(json_tree_free) struct json_tree *tree = NULL;
        int64_t number = 77;
        char json[64];

        snprintf(json, sizeof(json), "{\"n\":%s,\"m\":1234}", rows[i].text);
        tree = read_good(json);
        assert_int_equal(json_value_get_integer(json_tree_root(tree), "n", &number),
                         rows[i].result);
        assert_true(number == rows[i].number);
    }
}

static void json_value_last_of_members_with_the_same_name_is_found(void **state)
{
    CLEANUP(json_tree_free)
    struct json_tree *tree =
        read_good("{\"a\":\"1\",\"b\":\"1\",\"a\":{\"a\":0},\"b\":null,\"\\u0061\":\"2\"}");
    const char *text = NULL;

    assert_int_equal(json_value_get_string(json_tree_root(tree), "a", &text), 0);
    assert_string_equal(text, "2");
    assert_int_equal(json_value_get_string(json_tree_root(tree), "b", &text), JSON_VALUE_E_ABSENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_value_member_is_found_by_name_and_kind),
        cmocka_unit_test(json_value_number_out_of_range_is_the_nearest_in_range),
        cmocka_unit_test(json_value_last_of_members_with_the_same_name_is_found),
    };

    return cmocka_run_group_tests_name("util-json-value", tests, NULL, NULL);
}
