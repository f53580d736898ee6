/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "aws/path-expand.h"

static const char *home = "/home/a";

static const char *variable(const char *name)
{
    if (streq(name, "HOME"))
        return home;
    if (streq(name, "A"))
        return "x";
    if (streq(name, "AB_1"))
        return "y/$A";
    if (streq(name, "A B"))
        return "blank";
    return streq(name, "EMPTY") ? "" : streq(name, "TILDE") ? "~" : NULL;
}

static void path_expand_replaces_variables_and_home_once(void **state)
{
    static const struct {
        const char *path, *expanded;
    } rows[] = {
        {"/plain", "/plain"},
        {"", ""},
        {"$A/b", "x/b"},
        {"${A}b", "xb"},
        {"$AB_1.c", "y/$A.c"}, /* a value is not looked at again */
        {"/a$A${AB_1}$A", "/axy/$Ax"},
        {"$EMPTY/a", "/a"},
        {"$$A", "$x"},
        {"\\$A", "\\x"},
        {"${A B}", "blank"},
        {"~/c", "/home/a/c"},
        {"~", "/home/a"},
        {"$TILDE/c", "/home/a/c"},
        {"/~/c", "/~/c"},
        /* What is not set stays. */
        {"$NONE/c", "$NONE/c"},
        {"${NONE}c", "${NONE}c"},
        {"$AB", "$AB"},
        {"a$", "a$"},
        {"$", "$"},
        {"${", "${"},
        {"${A", "${A"},
        {"${}", "${}"},
        {"$-$A", "$-x"},
        {"~other/c", "~other/c"},
        {"~$A", "~x"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(100);

        assert_int_equal(path_expand(rows[i].path, variable, &b), 0);
        assert_string_equal(buffer_string(&b), rows[i].expanded);
    }
}

static void path_expand_home_with_slashes_at_its_end_or_missing_is_handled(void **state)
{
    static const struct {
        const char *home, *path, *expanded;
    } rows[] = {
        {"/h//", "~/c", "/h/c"}, {"/", "~/c", "/c"}, {"/", "~", "/"},
        {NULL, "~/c", "~/c"},    {"", "~", "~"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(100);

        home = rows[i].home;
        assert_int_equal(path_expand(rows[i].path, variable, &b), 0);
        assert_string_equal(buffer_string(&b), rows[i].expanded);
    }
}

static void path_expand_result_that_is_too_long_is_refused(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(16);
    char name[400] = "${";

    assert_int_equal(path_expand("$A$A$A$A$A$A$A$A/123456789", variable, &b), -E2BIG);

    /* A name that no variable has. */
    CLEANUP(buffer_done) struct buffer roomy = BUFFER_INIT(1000);
    memset(name + 2, 'a', 300);
    name[302] = '}';
    assert_int_equal(path_expand(name, variable, &roomy), 0);
    assert_string_equal(buffer_string(&roomy), name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(path_expand_replaces_variables_and_home_once),
        cmocka_unit_test(path_expand_home_with_slashes_at_its_end_or_missing_is_handled),
        cmocka_unit_test(path_expand_result_that_is_too_long_is_refused),
    };

    return cmocka_run_group_tests_name("path-expand", tests, NULL, NULL);
}
