/* SPDX-License-Identifier: MIT */
#include "consumerd/handler/sandbox.h"
#include "consumerd/handler/handlers.h"
#include "fake-log.h"
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

    sandbox_append_advice(&b, NULL, "/usr/bin/true");
    assert_int_equal(b.size, 0);
    sandbox_append_advice(&b, NULL, "/home/a/handle");
    assert_non_null(strstr(buffer_string(&b), "(ProtectHome=yes)"));
    assert_non_null(strstr(buffer_string(&b), "\"ProtectHome=no\" into a drop-in"));
    assert_non_null(strstr(buffer_string(&b), "systemctl edit sqs-consumerd)"));
    buffer_reset(&b);
    sandbox_append_advice(&b, "orders", "/home/a/handle");
    assert_non_null(strstr(buffer_string(&b), "systemctl edit sqs-consumerd@orders)"));
}

static uid_t user;

uid_t geteuid(void)
{
    return user;
}

/* How many lines that begin so a look at these settings brings. */
static size_t count_warnings(enum config_handler handler, const char *place, const char *words)
{
    CLEANUP(free) char *copy = strdup(place);
    struct config config = {
        .consumer = {.handler = handler, .command = (char *[]){copy, NULL}, .url = copy},
    };

    fake_n_lines = 0;
    if (handler_kind_of(&config)->warn_of_sandbox)
        handler_kind_of(&config)->warn_of_sandbox(&config);
    assert_int_equal(fake_n_lines, fake_count_lines(words));
    return fake_n_lines;
}

static void root_is_warned_of_what_the_service_will_not_find(void **state)
{
    static const char program[] =
        "consumer.command: the service will not find /home/a/handle; the unit's "
        "sandbox hides that folder (ProtectHome=yes)",
                      application[] =
                          "consumer.url: the service will not find /tmp/app.sock; the unit's "
                          "sandbox hides that folder (PrivateTmp=yes)";

    unsetenv("INVOCATION_ID");
    user = 0;
    assert_int_equal(count_warnings(CONFIG_HANDLER_EXEC, "/home/a/handle", program), 1);
    assert_int_equal(count_warnings(CONFIG_HANDLER_EXEC, "/usr/bin/true", ""), 0);
    assert_int_equal(count_warnings(CONFIG_HANDLER_EXEC, "handle", ""), 0);
    assert_int_equal(count_warnings(CONFIG_HANDLER_HTTP, "unix:/tmp/app.sock:/handle", application),
                     1);
    assert_int_equal(count_warnings(CONFIG_HANDLER_HTTP, "http://127.0.0.1/tmp/x", ""), 0);
    assert_int_equal(count_warnings(CONFIG_HANDLER_JOURNAL, "/home/a/handle", ""), 0);
    /* Other users run it for themselves, and the service has found out already. */
    user = 1000;
    assert_int_equal(count_warnings(CONFIG_HANDLER_EXEC, "/home/a/handle", ""), 0);
    user = 0;
    setenv("INVOCATION_ID", "0123", 1);
    assert_int_equal(count_warnings(CONFIG_HANDLER_EXEC, "/home/a/handle", ""), 0);
    unsetenv("INVOCATION_ID");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_that_the_unit_hides_are_known),
        cmocka_unit_test(link_is_followed),
        cmocka_unit_test(advice_names_setting_and_drop_in),
        cmocka_unit_test(root_is_warned_of_what_the_service_will_not_find),
    };

    return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
