#include "sandbox.h"
#include "test.h"

#include <stdio.h>
#include <unistd.h>

static void folders_that_the_unit_hides_are_known(void **state)
{
    static const struct {
        const char *path, *setting;
    } rows[] = {
        {"/home/a/handle", "ProtectHome"},
        {"/root/handle", "ProtectHome"},
        {"/run/user/1/s", "ProtectHome"},
        {"/tmp/a/b", "PrivateTmp"},
        {"/var/tmp/a", "PrivateTmp"},
        {"/usr/bin/true", NULL},
        {"/homes/a", NULL},
        {"/srv/home/a", NULL},
        {"/tmpfile", NULL},
        {"handle", NULL},
        {"/run/app.sock", NULL},
        {"/tmp", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *setting = sandbox_setting_for(rows[i].path);

        if (!setting != !rows[i].setting || (setting && !streq(setting, rows[i].setting)))
            fail_msg("%s: %s", rows[i].path, setting ? setting : "none");
    }
}

static void link_is_followed(void **state)
{
    char target[64], path[64];

    snprintf(target, sizeof(target), "/tmp/test-sandbox.%d", getpid());
    snprintf(path, sizeof(path), "/dev/shm/test-sandbox.%d", getpid());
    fclose(fopen(target, "we"));
    assert_int_equal(symlink(target, path), 0);
    assert_string_equal(sandbox_setting_for(path), "PrivateTmp");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(target), 0);
}

static void advice_names_setting_and_drop_in(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(512);

    sandbox_append_advice(&b, "/usr/bin/true");
    assert_int_equal(b.size, 0);
    sandbox_append_advice(&b, "/home/a/handle");
    assert_non_null(strstr(buffer_string(&b), "(ProtectHome=yes)"));
    assert_non_null(strstr(buffer_string(&b), "\"ProtectHome=no\" into a drop-in"));
    assert_non_null(strstr(buffer_string(&b), "systemctl edit sqs-consumerd"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_that_the_unit_hides_are_known),
        cmocka_unit_test(link_is_followed),
        cmocka_unit_test(advice_names_setting_and_drop_in),
    };

    return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
