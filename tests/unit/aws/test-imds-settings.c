/* SPDX-License-Identifier: MIT */
#include "aws/imds-settings.h"
#include "test-aws-home.h"

#include <stdio.h>

static int set_up(void **state)
{
    aws_home_reset();
    unsetenv("AWS_EC2_METADATA_DISABLED");
    return 0;
}

static void assert_settings(const char *profile, const char *base_url, bool is_v1_disabled,
                            unsigned timeout_sec, unsigned attempts)
{
    CLEANUP(imds_settings_done) struct imds_settings s = {};
    CLEANUP(free) char *error = NULL;

    if (imds_settings_read(profile, &s, &error) != 0)
        fail_msg("%s", error);
    assert_string_equal(s.base_url, base_url);
    assert_int_equal(s.is_v1_disabled, is_v1_disabled);
    assert_int_equal(s.timeout_usec, timeout_sec * USEC_PER_SEC);
    assert_int_equal(s.attempts, attempts);
}

static void assert_invalid(int result, const char *text)
{
    CLEANUP(imds_settings_done) struct imds_settings s = {};
    CLEANUP(free) char *error = NULL;

    assert_int_equal(imds_settings_read(NULL, &s, &error), result);
    assert_null(s.base_url);
    if (!strstr(error, text))
        fail_msg("no \"%s\" in \"%s\"", text, error);
}

static void settings_come_from_the_profile_and_variables_win(void **state)
{
    assert_settings(NULL, "http://169.254.169.254/", false, 1, 1);
    aws_home_write(".aws/config", "[default]\n"
                                  "ec2_metadata_v1_disabled = true\n"
                                  "ec2_metadata_service_endpoint_mode = ipv6\n"
                                  "metadata_service_timeout = 60\n"
                                  "metadata_service_num_attempts = 10\n"
                                  "[profile other]\n"
                                  "imds_use_ipv6 = True\n"
                                  "metadata_service_timeout = 7\n"
                                  "[profile third]\n"
                                  "ec2_metadata_service_endpoint = http://127.0.0.1:8/m\n"
                                  "imds_use_ipv6 = false\n");
    assert_settings(NULL, "http://[fd00:ec2::254]/", true, 60, 10);
    assert_settings("other", "http://[fd00:ec2::254]/", false, 7, 1);
    assert_settings("third", "http://127.0.0.1:8/m/", false, 1, 1);
    setenv("AWS_EC2_METADATA_V1_DISABLED", "false", 1);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv4", 1);
    setenv("AWS_METADATA_SERVICE_TIMEOUT", "2", 1);
    setenv("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "3", 1);
    assert_settings(NULL, "http://169.254.169.254/", false, 2, 3);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9", 1);
    assert_settings("third", "http://127.0.0.1:9/", false, 2, 3);
    setenv("AWS_PROFILE", "other", 1);
    unsetenv("AWS_METADATA_SERVICE_TIMEOUT");
    assert_settings(NULL, "http://127.0.0.1:9/", false, 7, 3);
}

static void numbers_have_their_range(void **state)
{
    static const char *const bad[] = {"0", "61", "-1", "1.5", "x", "1 ", "18446744073709551617"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char text[128];

        setenv("AWS_METADATA_SERVICE_TIMEOUT", bad[i], 1);
        snprintf(text, sizeof(text),
                 "AWS_METADATA_SERVICE_TIMEOUT is \"%s\": it must be a whole number from 1 to 60",
                 bad[i]);
        assert_invalid(IMDS_E_INVALID, text);
    }
    unsetenv("AWS_METADATA_SERVICE_TIMEOUT");
    aws_home_write(".aws/config", "[default]\nmetadata_service_num_attempts = 11\n");
    assert_invalid(IMDS_E_INVALID, "metadata_service_num_attempts is \"11\": it must be a whole "
                                   "number from 1 to 10");
    aws_home_write(".aws/config", "[default\n");
    assert_invalid(IMDS_E_INVALID, "config");
    aws_home_write(".aws/config", "[default]\nec2_metadata_service_endpoint_mode = ipv5\n");
    assert_invalid(IMDS_E_INVALID, "ec2_metadata_service_endpoint_mode");
}

static void where_it_is_switched_off_nothing_else_is_looked_at(void **state)
{
    setenv("AWS_METADATA_SERVICE_TIMEOUT", "x", 1);
    setenv("AWS_EC2_METADATA_DISABLED", "TRUE", 1);
    assert_invalid(IMDS_E_DISABLED, "switched off by AWS_EC2_METADATA_DISABLED");
    setenv("AWS_EC2_METADATA_DISABLED", "1", 1);
    assert_invalid(IMDS_E_INVALID, "AWS_METADATA_SERVICE_TIMEOUT");
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(settings_come_from_the_profile_and_variables_win),
        TEST(numbers_have_their_range),
        TEST(where_it_is_switched_off_nothing_else_is_looked_at),
    };

    return cmocka_run_group_tests(tests, aws_home_make, aws_home_remove);
}
