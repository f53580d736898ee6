/* SPDX-License-Identifier: MIT */
#include "daemon/instance.h"
#include "test.h"

static void name_for_files_and_units_is_good(void **state)
{
    static const char *const good[] = {
        "a",
        "orders",
        "Orders.fifo",
        "eu-west-1_orders",
        "0",
        "a.",
        "submit2",
        "Submit",
        "0123456789012345678901234567890123456789012345678901234567890123",
    };

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_null(instance_name_fault(good[i]));
}

static void name_that_leads_elsewhere_is_refused(void **state)
{
    static const char *const bad[] = {
        "",       ".",
        "..",     ".conf",
        "-a",     "_a",
        "a/b",    "../a",
        "a b",    "a\n",
        "a%i",    "a@b",
        "a:b",    "\xc3\xa4",
        "a\\x2d", "01234567890123456789012345678901234567890123456789012345678901234",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_non_null(instance_name_fault(bad[i]));
        assert_non_null(strstr(instance_name_fault(bad[i]), "1 to 64 letters, digits"));
    }
}

static void name_of_the_plain_socket_is_refused(void **state)
{
    assert_non_null(strstr(instance_name_fault("submit"), "sqs-producerd.service"));
}

static void names_follow_the_instance(void **state)
{
    assert_string_equal(instance_unit("sqs-producerd", NULL, "").text, "sqs-producerd");
    assert_string_equal(instance_unit("sqs-producerd", "a.b", ".socket").text,
                        "sqs-producerd@a.b.socket");
    assert_string_equal(instance_config_path(NULL).text, CONFIG_PATH);
    assert_string_equal(instance_config_path("a.b").text, CONFIG_INSTANCE_FOLDER "/a.b.conf");
    assert_string_equal(instance_submit_socket(NULL).text, CONFIG_SUBMIT_SOCKET);
    assert_string_equal(instance_submit_socket("a.b").text, "/run/sqs-producerd/a.b.socket");
    assert_string_equal(instance_state_folder("sqs-consumerd", NULL).text,
                        "/var/lib/sqs-consumerd");
    assert_string_equal(instance_state_folder("sqs-consumerd", "a.b").text,
                        "/var/lib/sqs-consumerd@a.b");
}

/* The address of a socket has 108 bytes. */
static void longest_name_has_a_whole_path(void **state)
{
    char name[INSTANCE_NAME_MAX_BYTES + 1] = {};

    memset(name, 'n', INSTANCE_NAME_MAX_BYTES);
    assert_null(instance_name_fault(name));
    assert_string_equal(instance_config_path(name).text + sizeof(CONFIG_INSTANCE_FOLDER) +
                            INSTANCE_NAME_MAX_BYTES,
                        ".conf");
    assert_true(strlen(instance_submit_socket(name).text) < 108);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name_for_files_and_units_is_good),
        cmocka_unit_test(name_that_leads_elsewhere_is_refused),
        cmocka_unit_test(name_of_the_plain_socket_is_refused),
        cmocka_unit_test(names_follow_the_instance),
        cmocka_unit_test(longest_name_has_a_whole_path),
    };

    return cmocka_run_group_tests_name("instance", tests, NULL, NULL);
}
