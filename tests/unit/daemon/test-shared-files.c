/* SPDX-License-Identifier: MIT */
#include "daemon/shared-files.h"
#include "fake-log.h"
#include "test-aws-home.h"

#define KEYS "[default]\naws_access_key_id = AKIA\naws_secret_access_key = " SECRET "\n"

static int set_up(void **state)
{
    aws_home_reset();
    fake_n_lines = 0;
    fake_level = LOG_INFO;
    return 0;
}

static void set_mode(const char *name, mode_t mode)
{
    char path[160];

    aws_home_path(name, path, sizeof(path));
    assert_int_equal(chmod(path, mode), 0);
}

static void each_file_with_keys_that_all_may_read_is_told(void **state)
{
    static const char *const names[] = {".aws/credentials", ".aws/config"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char line[256];

        set_up(state);
        aws_home_write(names[i], KEYS);
        set_mode(names[i], 0644);
        shared_files_check();
        assert_int_equal(fake_n_lines, 1);
        snprintf(line, sizeof(line),
                 "%s/%s contains secret keys, and its mode 0644 lets every user who can enter its "
                 "folder read them: chmod 600 it.",
                 aws_home, names[i]);
        assert_string_equal(fake_lines[0], line);
    }
}

static void files_that_cannot_be_reached_are_told_in_one_line(void **state)
{
    char line[512];

    aws_home_hide(true);
    shared_files_check();
    aws_home_hide(false);
    snprintf(
        line, sizeof(line),
        "Taken as missing: %s/.aws/credentials and %s/.aws/config. A folder on the way may not "
        "be searched (ProtectHome= of a unit hides /home).",
        aws_home, aws_home);
    assert_int_equal(fake_n_lines, 1);
    assert_string_equal(fake_lines[0], line);
}

static void file_that_is_missing_or_named_is_not_told(void **state)
{
    char path[160];

    aws_home_path(".aws/config", path, sizeof(path));
    unlink(path);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/root/absent/credentials", 1);
    shared_files_check();
    assert_int_equal(fake_n_lines, 0);
}

static void files_that_are_safe_are_not_logged(void **state)
{
    aws_home_write(".aws/credentials", KEYS);
    set_mode(".aws/credentials", 0640);
    aws_home_write(".aws/config", "[default]\nregion = eu-west-1\n");
    set_mode(".aws/config", 0644);
    shared_files_check();
    aws_home_write(".aws/credentials", "[default\n");
    set_mode(".aws/credentials", 0644);
    shared_files_check();
    assert_int_equal(fake_n_lines, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_file_with_keys_that_all_may_read_is_told),
        TEST(files_that_cannot_be_reached_are_told_in_one_line),
        TEST(file_that_is_missing_or_named_is_not_told),
        TEST(files_that_are_safe_are_not_logged),
    };

    return cmocka_run_group_tests(tests, aws_home_make, aws_home_remove);
}
