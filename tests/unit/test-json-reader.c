#include "json-reader.h"
#include "test.h"

static json_object *read_good(const char *text)
{
    json_object *object = NULL;
    const char *why = NULL;
    int r = json_read(text, strlen(text), 8, &object, &why);

    if (r != 0)
        print_error("%s: %s\n", text, why ? why : "(nothing said)");
    assert_int_equal(r, 0);
    assert_null(why);
    return object;
}

static void an_object_and_white_space_are_read(void **state)
{
    static const char *const good[] = {
        "{}",
        " \t\r\n{ } \n",
        "{\"a\":{\"b\":[{\"c\":[[[]]]}]}}",
        "{\"a\":1e999,\"b\":123456789012345678901234567890}",
        "{\"\\u00e4\":[\"\\u00e4\\ud83d\\ude00\xc3\xa4\",true,false,null,-1.5e-3]}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        json_object_put(read_good(good[i]));
}

static void all_else_is_refused_with_a_reason(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        const char *why;
    } rows[] = {
        {"", 0, "empty"},
        {" ", 1, "cut off"},
        {"{", 1, "cut off"},
        {"{\"a\":", 5, "cut off"},
        {"\"a", 2, "cut off"},
        {"[1,", 3, "cut off"},
        {"[]", 2, "no JSON object"},
        {"\"a\"", 3, "no JSON object"},
        {"null ", 5, "no JSON object"},
        {"17 ", 3, "no JSON object"},
        {"{}x", 3, NULL},
        {"{}{}", 4, NULL},
        {"{}\0", 3, NULL},
        {"{}\0{}", 5, NULL},
        {"\0{}", 3, NULL},
        {"{\"a\":1,}", 8, NULL},
        {"[1,]", 4, NULL},
        {"{\"a\":'1'}", 9, NULL},
        {"{a:1}", 5, NULL},
        {"/* */{}", 7, NULL},
        {"{}//", 4, NULL},
        {"<html>", 6, "not JSON"},
        {"tru", 3, "cut off"},
        {"TRUE", 4, NULL},
        {"nul ", 4, NULL},
        {"[01]", 4, NULL},
        {"[\"\\x\"]", 6, NULL},
        {"[\"\xff\"]", 5, "not UTF-8"},
        {"[\"\xc0\x80\"]", 6, "not UTF-8"},
        {"[[[[[[[[1]]]]]]]]", 17, "too deep"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        json_object *untouched = NULL;
        const char *why = NULL;
        int r = json_read(rows[i].text, rows[i].size, 8, &untouched, &why);

        if (r != JSON_E_INVALID)
            print_error("row %zu was taken\n", i);
        assert_int_equal(r, JSON_E_INVALID);
        assert_null(untouched);
        assert_non_null(why);
        if (rows[i].why)
            assert_string_equal(why, rows[i].why);
    }
}

static void members_come_by_name_and_type(void **state)
{
    CLEANUP(json_object_put)
    json_object *object = read_good("{\"text\":\"t\\u00e4\",\"nul\":\"a\\u0000b\",\"yes\":true,"
                                    "\"null\":null,\"n\":1,\"o\":{}}");
    json_object *member = NULL;
    const char *text = "untouched";
    size_t size = 0;
    bool truth = false;

    assert_int_equal(json_get_string(object, "missing", &text), JSON_E_ABSENT);
    assert_int_equal(json_get_string(object, "null", &text), JSON_E_ABSENT);
    assert_int_equal(json_get_string(object, "n", &text), JSON_E_TYPE);
    assert_int_equal(json_get_string(object, "o", &text), JSON_E_TYPE);
    assert_int_equal(json_get_string(object, "nul", &text), JSON_E_TYPE);
    assert_int_equal(json_get_bool(object, "text", &truth), JSON_E_TYPE);
    assert_int_equal(json_get(object, "o", json_type_array, &member), JSON_E_TYPE);
    assert_string_equal(text, "untouched");
    assert_null(member);

    assert_int_equal(json_get_string(object, "text", &text), 0);
    assert_string_equal(text, "t\xc3\xa4");
    assert_int_equal(json_get_bytes(object, "nul", &text, &size), 0);
    assert_int_equal(size, 3);
    assert_memory_equal(text, "a\0b", 3);
    assert_int_equal(json_get_bool(object, "yes", &truth), 0);
    assert_true(truth);
    assert_int_equal(json_get(object, "o", json_type_object, &member), 0);
    assert_non_null(member);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_and_white_space_are_read),
        cmocka_unit_test(all_else_is_refused_with_a_reason),
        cmocka_unit_test(members_come_by_name_and_type),
    };

    return cmocka_run_group_tests_name("json-reader", tests, NULL, NULL);
}
