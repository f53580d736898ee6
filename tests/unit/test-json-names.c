#include "json-names.h"
#include "test.h"

static int check(const char *text, char *ret_name)
{
    const char *name = NULL;
    size_t bytes = 0;
    int r = json_names_check(text, strlen(text), &name, &bytes);

    assert_true((r == 0) == (name == NULL));
    memcpy(ret_name, name ? name : "", bytes);
    ret_name[bytes] = '\0';
    return r;
}

static void names_that_differ_pass(void **state)
{
    static const char *const good[] = {
        "{}",
        "{\"a\":\"a\",\"b\":{\"a\":\"b\",\"b\":\"a\"},\"\":[\"a\",\"a\",{\"a\":1},{\"a\":2}]}",
        "{\"a\":\"\\\"a\\\":1,\\\"a\\\":2\",\"A\":\"\\\\\",\"aa\":\"{\"}",
        "{\"a\" \t\r\n:{\"x\":1} , \"b\":{\"x\":2},\"c\":\"'\"}",
    };
    char name[100];

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_int_equal(check(good[i], name), 0);
}

static void what_does_not_is_named(void **state)
{
    static const struct {
        const char *text;
        int condition;
        const char *name;
    } cases[] = {
        {"{\"a\":1,\"b\":2,\"a\":3}", JSON_NAMES_E_TWICE, "a"},
        {"{\"a\":1,\"b\" :2,\"b\"\n:3}", JSON_NAMES_E_TWICE, "b"},
        {"{\"\":1,\"\":2}", JSON_NAMES_E_TWICE, ""},
        {"{\"a\":{\"b\":{\"c\":1},\"b\":{}}}", JSON_NAMES_E_TWICE, "b"},
        {"{\"a\":[{\"b\":1,\"b\":1}]}", JSON_NAMES_E_TWICE, "b"},
        {"{\"a\":{\"x\":1},\"a\":1}", JSON_NAMES_E_TWICE, "a"},
        {"{\"a\":\"\\\\\",\"a\":1}", JSON_NAMES_E_TWICE, "a"},
        {"{\"\\u0061\":1}", JSON_NAMES_E_FORM, "\\u0061"},
        {"{\"a\\\"\":1}", JSON_NAMES_E_FORM, "a\\\""},
        {"{'a':1}", JSON_NAMES_E_FORM, "a"},
    };
    char name[100];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(check(cases[i].text, name), cases[i].condition);
        assert_string_equal(name, cases[i].name);
    }
}

static void what_is_deep_or_wide_is_passed_over(void **state)
{
    char name[100];

    assert_int_equal(check("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"b\":{\"c\":1,"
                           "\"c\":{\"d\":2}}}}}}}}},\"b\":1}",
                           name),
                     0);
    assert_int_equal(check("{\"0\":0,\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0,\"6\":0,\"7\":0,"
                           "\"8\":0,\"9\":0,\"a\":0,\"b\":0,\"c\":0,\"d\":0,\"e\":0,\"f\":0,"
                           "\"g\":0,\"g\":0}",
                           name),
                     0);
    assert_int_equal(check("{\"0\":0,\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0,\"6\":0,\"7\":0,"
                           "\"8\":0,\"9\":0,\"a\":0,\"b\":0,\"c\":0,\"d\":0,\"e\":0,\"f\":0,"
                           "\"g\":0,\"f\":0}",
                           name),
                     JSON_NAMES_E_TWICE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_differ_pass),
        cmocka_unit_test(what_does_not_is_named),
        cmocka_unit_test(what_is_deep_or_wide_is_passed_over),
    };

    return cmocka_run_group_tests_name("json-names", tests, NULL, NULL);
}
