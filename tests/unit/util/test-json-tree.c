/* SPDX-License-Identifier: MIT */
#include "util/json-tree.h"
#include "json-texts.h"
#include "test.h"

#include <stdio.h>

#include "util/buffer.h"

enum { DEPTH_MAX = 8 };

static struct json_tree *read_good(const char *text)
{
    struct json_tree *tree = NULL;
    struct json_fault fault = {};
    int r =
        json_tree_read(text, strlen(text), DEPTH_MAX, JSON_LONE_SURROGATES_REPLACED, &tree, &fault);

    if (r != 0)
        print_error("%s: %s\n", text, fault.text);
    assert_int_equal(r, 0);
    assert_string_equal(fault.text, "");
    return tree;
}

/* Each text is a copy of exactly its size, so that the address sanitizer sees a read past its end.
 */
static int read_copy(const char *bytes, size_t size, unsigned max_depth,
                     enum json_lone_surrogates lone_surrogates, struct json_tree **ret,
                     struct json_fault *ret_fault)
{
    CLEANUP(free) char *copy = malloc(MAX(size, (size_t)1));

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    return json_tree_read(copy, size, max_depth, lone_surrogates, ret, ret_fault);
}

static void assert_refused(const char *bytes, size_t size, const char *expected)
{
    struct json_tree *untouched = NULL;
    struct json_fault fault = {};
    int r = read_copy(bytes, size, DEPTH_MAX, JSON_LONE_SURROGATES_REPLACED, &untouched, &fault);

    if (r != JSON_TREE_E_INVALID || !streq(fault.text, expected))
        print_error("%.*s: expected \"%s\", got %d, \"%s\"\n", (int)MIN(size, (size_t)200), bytes,
                    expected, r, fault.text);
    assert_int_equal(r, JSON_TREE_E_INVALID);
    assert_null(untouched);
    assert_string_equal(fault.text, expected);
}

static void assert_reads(const struct json_text *text, enum json_lone_surrogates lone_surrogates,
                         const char *is, const char *expected_fault)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4096);
    CLEANUP(json_tree_free) struct json_tree *tree = NULL;
    struct json_fault fault = {};
    int r = read_copy(text->text, text->size, TEXTS_DEPTH_MAX, lone_surrogates, &tree, &fault);

    if (r == 0)
        write_tree(&b, json_tree_root(tree));
    if (!streq(buffer_string(&b), is ? is : "") ||
        !streq(fault.text, expected_fault ? expected_fault : ""))
        fail_msg("%s: %s%s", text->text, buffer_string(&b), fault.text);
    assert_int_equal(r, is ? 0 : JSON_TREE_E_INVALID);
}

static void json_tree_text_is_read_or_refused_as_expected(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(json_texts); i++) {
        const struct json_text *text = &json_texts[i];

        assert_reads(text, JSON_LONE_SURROGATES_REFUSED, text->is, text->fault);
        if (text->mended_is)
            assert_reads(text, JSON_LONE_SURROGATES_REPLACED, text->mended_is, NULL);
        else if (!text->fault || strncmp(text->fault, "half", 4) != 0)
            assert_reads(text, JSON_LONE_SURROGATES_REPLACED, text->is, text->fault);
        assert_true(!text->why == !(text->mended_is || text->seldom_is || text->seldom_fault));
    }
}

static void json_tree_values_are_in_the_order_of_the_text(void **state)
{
    CLEANUP(json_tree_free)
    struct json_tree *tree = read_good(" {\"a\":[1,{\"x\":[]},\"s\"],\"b\" :\t{ } ,\n\"\":true,"
                                       "\"c\":false,\"d\":null,\"a\":-1.5e-3}\r ");
    static const enum json_kind kinds[] = {JSON_ARRAY, JSON_OBJECT, JSON_TRUE,
                                           JSON_FALSE, JSON_NULL,   JSON_NUMBER};
    static const enum json_kind inner_kinds[] = {JSON_NUMBER, JSON_OBJECT, JSON_STRING};
    static const char *const names[] = {"a", "b", "", "c", "d", "a"};
    const struct json_value *root = json_tree_root(tree), *value = json_value_first(root), *inner;

    assert_int_equal(root->kind, JSON_OBJECT);
    assert_int_equal(root->n, ARRAY_SIZE(kinds));
    inner = json_value_first(value);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++, value = json_value_next(value)) {
        assert_int_equal(value->kind, kinds[i]);
        assert_string_equal(value->name, names[i]);
        assert_int_equal(value->name_bytes, strlen(names[i]));
    }
    assert_ptr_equal(value, json_value_next(root));
    for (size_t i = 0; i < ARRAY_SIZE(inner_kinds); i++, inner = json_value_next(inner)) {
        assert_int_equal(inner->kind, inner_kinds[i]);
        assert_null(inner->name);
    }
}

static void json_tree_string_is_unescaped(void **state)
{
    static const struct {
        const char *text, *expected;
        size_t size;
    } rows[] = {
        {"", "", 0},
        {"plain text, longer than eight bytes", "plain text, longer than eight bytes", 35},
        {"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t", 8},
        {"\\u0041\\u00e4\\u20AC\\u20ac", "A\xc3\xa4\xe2\x82\xac\xe2\x82\xac", 9},
        {"1234567\\n1234567\\n12345678", "1234567\n1234567\n12345678", 24},
        {"a\\u0000b", "a\0b", 3},
        {"\\ud83d\\ude00", "\xf0\x9f\x98\x80", 4},
        {"\\uD83D\\uDE00x", "\xf0\x9f\x98\x80x", 5},
        {"\\udbff\\udfff", "\xf4\x8f\xbf\xbf", 4},
        {"\\ud800", "\xef\xbf\xbd", 3},
        {"\\ude00x", "\xef\xbf\xbdx", 4},
        {"\\ud800\\u0041", "\xef\xbf\xbd\x41", 4},
        {"\\ud800\\n", "\xef\xbf\xbd\n", 4},
        {"\\ud800\\ud800\\udc00", "\xef\xbf\xbd\xf0\x90\x80\x80", 7},
        {"\x7f\xc3\xa4\xf0\x9f\x98\x80", "\x7f\xc3\xa4\xf0\x9f\x98\x80", 7},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(json_tree_free) struct json_tree *tree = NULL;
        const char *text = NULL;
        size_t size = 0;
        char json[256];

        snprintf(json, sizeof(json), "{\"%s\":\"%s\"}", rows[i].text, rows[i].text);
        tree = read_good(json);
        assert_int_equal(json_value_first(json_tree_root(tree))->name_bytes, rows[i].size);
        assert_memory_equal(json_value_first(json_tree_root(tree))->name, rows[i].expected,
                            rows[i].size + 1);
        snprintf(json, sizeof(json), "{\"a\":\"%s\",\"b\":\"%s\"}", rows[i].text, rows[i].text);
        json_tree_free(tree);
        tree = read_good(json);
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(
                json_value_get_bytes(json_tree_root(tree), k ? "b" : "a", &text, &size), 0);
            assert_int_equal(size, rows[i].size);
            assert_memory_equal(text, rows[i].expected, rows[i].size + 1);
        }
    }
}

static void json_tree_text_that_is_cut_anywhere_is_refused(void **state)
{
    static const char whole[] =
        "{\"a\":[1.5e-3,true,false,null,\"12345678\\n\\ud83d\\ude00\xc3\xa4\"],\"b\":{}}";

    json_tree_free(read_good(whole));
    for (size_t size = 1; size < sizeof(whole) - 1; size++)
        assert_refused(whole, size,
                       (unsigned char)whole[size] == 0xa4 ? "not UTF-8, at byte 53" : "cut off");
}

static void json_tree_deeper_than_the_maximum_is_refused(void **state)
{
    json_tree_free(read_good("{\"a\":[[[[[[1]]]]]]}"));
    json_tree_free(read_good("{\"a\":[[[[[[[]]]]]]]}"));
    json_tree_free(read_good("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}"));
    assert_refused("{\"a\":[[[[[[[1]]]]]]]}", 21, "too deep, at byte 13");
}

/* More values than there was space for at first, up to the bound. */
static void json_tree_with_too_many_values_is_refused(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(1 << 20);

    buffer_append_string(&b, "{\"a\":[");
    for (int i = 0; i < JSON_TREE_MAX_VALUES - 2; i++)
        buffer_append_string(&b, i == 0 ? "1" : ",1");
    buffer_append_string(&b, "]}");
    json_tree_free(read_good(buffer_string(&b)));
    b.size -= 2;
    buffer_append_string(&b, ",1]}");
    assert_refused(b.data, b.size, "too large");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_tree_values_are_in_the_order_of_the_text),
        cmocka_unit_test(json_tree_string_is_unescaped),
        cmocka_unit_test(json_tree_text_is_read_or_refused_as_expected),
        cmocka_unit_test(json_tree_text_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(json_tree_deeper_than_the_maximum_is_refused),
        cmocka_unit_test(json_tree_with_too_many_values_is_refused),
    };

    return cmocka_run_group_tests_name("util-json-tree", tests, NULL, NULL);
}
