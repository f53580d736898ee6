/* SPDX-License-Identifier: MIT */
#include "daemon/state-directory.h"
#include "test.h"

#include <stdlib.h>

static void file_is_in_the_folder_that_systemd_names(void **state)
{
    static const struct {
        const char *variable, *path;
    } cases[] = {
        {"/var/lib/sqs-consumerd", "/var/lib/sqs-consumerd/ledger.db"},
        {"/var/lib/a:/var/lib/b", "/var/lib/a/ledger.db"},
        {"/with space/%s", "/with space/%s/ledger.db"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(free) char *path = NULL, *error = NULL;

        setenv("STATE_DIRECTORY", cases[i].variable, 1);
        assert_int_equal(state_directory_path("ledger.db", &path, &error), 0);
        assert_string_equal(path, cases[i].path);
        assert_null(error);
    }
}

static void missing_folder_is_an_error_that_says_what_to_set(void **state)
{
    static const char *const cases[] = {NULL, "", "relative", ":/var/lib/b"};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(free) char *path = NULL, *error = NULL;

        if (cases[i])
            setenv("STATE_DIRECTORY", cases[i], 1);
        else
            unsetenv("STATE_DIRECTORY");
        assert_int_equal(state_directory_path("ledger.db", &path, &error), STATE_DIRECTORY_E_UNSET);
        assert_null(path);
        assert_non_null(strstr(error, "STATE_DIRECTORY"));
        assert_non_null(strstr(error, "ledger.db"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_is_in_the_folder_that_systemd_names),
        cmocka_unit_test(missing_folder_is_an_error_that_says_what_to_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
