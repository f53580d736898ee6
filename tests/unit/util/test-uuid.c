/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "util/macro.h"
#include "util/uuid.h"

static void uuid_has_version_4(void **state)
{
    struct uuid_maker maker = {};

    for (int n = 0; n < 1000; n++) {
        char text[UUID_TEXT_SIZE];

        assert_int_equal(uuid_make(&maker, text), 0);
        assert_int_equal(strlen(text), 36);
        for (int i = 0; i < 36; i++) {
            if (i == 8 || i == 13 || i == 18 || i == 23)
                assert_int_equal(text[i], '-');
            else
                assert_non_null(strchr("0123456789abcdef", text[i]));
        }
        assert_int_equal(text[14], '4');
        assert_non_null(strchr("89ab", text[19]));
    }
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void uuid_differs_from_the_next(void **state)
{
    enum { N = 10000 };
    struct uuid_maker makers[2] = {};
    char(*texts)[UUID_TEXT_SIZE] = calloc(N, sizeof(*texts));

    assert_non_null(texts);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(uuid_make(&makers[i % 2], texts[i]), 0);
    qsort(texts, N, sizeof(*texts), compare);
    for (size_t i = 1; i < N; i++)
        assert_string_not_equal(texts[i - 1], texts[i]);
    free(texts);
}

/* Every digit that is free to vary takes each value. */
static void uuid_every_random_bit_varies(void **state)
{
    struct uuid_maker maker = {};
    bool seen[36][128] = {};

    for (int n = 0; n < 2000; n++) {
        char text[UUID_TEXT_SIZE];

        assert_int_equal(uuid_make(&maker, text), 0);
        for (int i = 0; i < 36; i++)
            seen[i][(int)text[i]] = true;
    }
    for (int i = 0; i < 36; i++)
        for (const char *c = i == 19 ? "89ab" : "0123456789abcdef"; *c; c++)
            if (i != 8 && i != 13 && i != 14 && i != 18 && i != 23)
                assert_true(seen[i][(int)*c]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uuid_has_version_4),
        cmocka_unit_test(uuid_differs_from_the_next),
        cmocka_unit_test(uuid_every_random_bit_varies),
    };

    return cmocka_run_group_tests_name("uuid", tests, NULL, NULL);
}
