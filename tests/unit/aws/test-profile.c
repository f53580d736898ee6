/* SPDX-License-Identifier: MIT */
#include "aws/profile.h"
#include "test.h"

#include <stdio.h>

static void add(struct aws_profiles *p, enum aws_profile_file kind, const char *text)
{
    CLEANUP(free) char *error = NULL;
    int r = aws_profiles_add(p, kind, "file", text, strlen(text), &error);

    if (r != 0)
        print_error("%s\n", error ? error : "(no error text)");
    assert_int_equal(r, 0);
    assert_null(error);
}

static struct aws_profiles *both(const char *credentials, const char *config)
{
    struct aws_profiles *p = NULL;

    assert_int_equal(aws_profiles_new(&p), 0);
    if (credentials)
        add(p, AWS_PROFILE_CREDENTIALS, credentials);
    if (config)
        add(p, AWS_PROFILE_CONFIG, config);
    return p;
}

static void assert_value(const struct aws_profiles *p, const char *profile, const char *key,
                         const char *sub, const char *expected)
{
    const char *value = aws_profiles_get(p, profile, key, sub);

    if (!expected) {
        assert_null(value);
        return;
    }
    assert_non_null(value);
    assert_string_equal(value, expected);
}

static void file_written_by_aws_configure_is_read(void **state)
{
    CLEANUP(aws_profiles_free)
    struct aws_profiles *p =
        both("[default]\n"
             "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\n"
             "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n"
             "[other]\naws_access_key_id=AKIAOTHER\n",
             "[default]\nregion = eu-west-1\n[profile other]\nregion = us-east-1\n");

    assert_value(p, "default", "aws_access_key_id", NULL, "AKIAIOSFODNN7EXAMPLE");
    assert_value(p, "default", "aws_secret_access_key", NULL,
                 "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    assert_value(p, "default", "region", NULL, "eu-west-1");
    assert_value(p, "other", "region", NULL, "us-east-1");
    assert_value(p, "other", "aws_secret_access_key", NULL, NULL);
    assert_value(p, "third", "region", NULL, NULL);
    assert_true(aws_profiles_has(p, "other"));
    assert_false(aws_profiles_has(p, "third"));
}

static void setting_in_both_files_is_that_of_the_credentials_file(void **state)
{
    CLEANUP(aws_profiles_free)
    struct aws_profiles *p =
        both("[a]\nk = credentials\ns3 = flat\nempty =\n",
             "[profile a]\nk = config\ns3 =\n  x = 1\nempty = full\nonly = config\n");

    assert_value(p, "a", "k", NULL, "credentials");
    assert_value(p, "a", "only", NULL, "config");
    assert_value(p, "a", "empty", NULL, "");
    assert_value(p, "a", "s3", "x", NULL);
    assert_string_equal(aws_profiles_get_from(p, AWS_PROFILE_CONFIG, "a", "k", NULL), "config");
    assert_string_equal(aws_profiles_get_from(p, AWS_PROFILE_CONFIG, "a", "s3", "x"), "1");
    assert_null(aws_profiles_get_from(p, AWS_PROFILE_CREDENTIALS, "a", "only", NULL));
}

static void section_names_are_read_as_the_cli_reads_them(void **state)
{
    CLEANUP(aws_profiles_free)
    struct aws_profiles *p =
        both("[profile odd]\nk = 1\n[two words]\nk = 2\n[\"q\"]\nk = 3\n",
             "[profile \"a b\"]\nk = 1\n[profile 'c\"d']\nk = 2\n[  profile\te ] # note\nk = 3\n"
             "[profile f\\ g]\nk = 4\n[profile \"h\\\"i\\j\"]\nk = 5\n"
             "[bare]\nk = no\n[profile]\nk = no\n[profile x y]\nk = no\n[profile \"open]\nk = no\n"
             "[profiles z]\nk = no\n[DEFAULT]\nk = no\n[profile empty]\n[default]");

    assert_value(p, "profile odd", "k", NULL, "1");
    assert_value(p, "two words", "k", NULL, "2");
    assert_value(p, "\"q\"", "k", NULL, "3");
    assert_value(p, "a b", "k", NULL, "1");
    assert_value(p, "c\"d", "k", NULL, "2");
    assert_value(p, "e", "k", NULL, "3");
    assert_value(p, "f g", "k", NULL, "4");
    assert_value(p, "h\"i\\j", "k", NULL, "5");
    assert_true(aws_profiles_has(p, "empty"));
    assert_true(aws_profiles_has(p, "default"));
    assert_false(aws_profiles_has(p, "bare"));
    assert_false(aws_profiles_has(p, "x"));
    assert_false(aws_profiles_has(p, "z"));
    assert_false(aws_profiles_has(p, "DEFAULT"));
}

static void services_and_sso_sessions_are_kept_apart(void **state)
{
    CLEANUP(aws_profiles_free)
    struct aws_profiles *p = both("[services s]\nsqs = credentials\n",
                                  "[services s]\nsqs =\n  endpoint_url = http://127.0.0.1:9324\n"
                                  "[sso-session s]\nsso_region = eu-west-1\n[profile s]\nk = v\n");

    assert_string_equal(aws_profiles_get_section(p, "services", "s", "sqs", "endpoint_url"),
                        "http://127.0.0.1:9324");
    assert_string_equal(aws_profiles_get_section(p, "sso-session", "s", "sso_region", NULL),
                        "eu-west-1");
    assert_null(aws_profiles_get_section(p, "sso-session", "s", "k", NULL));
    assert_null(aws_profiles_get_section(p, "profile", "s", "k", NULL));
    assert_true(aws_profiles_has_section(p, "services", "s"));
    assert_false(aws_profiles_has_section(p, "services", "t"));
    assert_value(p, "s", "sso_region", NULL, NULL);
}

static void values_and_names_long_are_kept_whole(void **state)
{
    CLEANUP(aws_profiles_free) struct aws_profiles *p = NULL;
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(1 << 20);
    char token[5001] = "", name[301] = "";

    for (size_t i = 0; i < sizeof(token) - 1; i++)
        token[i] = "abc+/=;# "[i % 9];
    token[sizeof(token) - 2] = 'z';
    memset(name, 'n', sizeof(name) - 1);
    buffer_printf(&b, "[%s]\naws_session_token = %s\nafter = 1\n", name, token);
    p = both(buffer_string(&b), NULL);
    assert_value(p, name, "aws_session_token", NULL, token);
    assert_value(p, name, "after", NULL, "1");
}

static void values_are_kept_byte_for_byte(void **state)
{
    CLEANUP(aws_profiles_free)
    struct aws_profiles *p =
        both("\xef\xbb\xbf# comment\r\n; comment\r\n[a]\r\n"
             "semicolon = x ; not a comment # nor this\r\n"
             "equals = a=b:c\r\ncolon: c\r\n \t \r\nQUOTED = \"q\"\r\nempty =\r\n"
             "bracket = [x]\r\n\tindented\t=\ty\t\r\nutf8 = \xc3\xa4\r\nlast = no newline",
             NULL);

    assert_value(p, "a", "semicolon", NULL, "x ; not a comment # nor this");
    assert_value(p, "a", "equals", NULL, "a=b:c");
    assert_value(p, "a", "colon", NULL, "c");
    assert_value(p, "a", "quoted", NULL, "\"q\"");
    assert_value(p, "a", "QuoTed", NULL, "\"q\"");
    assert_value(p, "a", "empty", NULL, "");
    assert_value(p, "a", "bracket", NULL, "[x]\nindented\t=\ty");
    assert_value(p, "a", "indented", NULL, NULL);
    assert_value(p, "a", "utf8", NULL, "\xc3\xa4");
    assert_value(p, "a", "last", NULL, "no newline");
}

static void line_deeper_belongs_to_the_line_above(void **state)
{
    CLEANUP(aws_profiles_free)
    struct aws_profiles *p = both("[a]\n"
                                  "s3 =\n"
                                  "\n"
                                  "  Max = 10\n"
                                  "# a comment ends nothing\n"
                                  "    deeper=a=b\n"
                                  "  empty =\n"
                                  "folded = one\n"
                                  "\n"
                                  "   two\n"
                                  "   # comment\n"
                                  "   [three]\n"
                                  "   k = 4\n"
                                  "  indented = 5\n" /* deeper than "folded" */
                                  "next = 6\n",
                                  NULL);

    assert_value(p, "a", "s3", NULL, "");
    assert_value(p, "a", "s3", "Max", "10");
    assert_value(p, "a", "s3", "max", NULL);
    assert_value(p, "a", "s3", "deeper", "a=b");
    assert_value(p, "a", "s3", "empty", "");
    assert_value(p, "a", "max", NULL, NULL);
    assert_value(p, "a", "folded", NULL, "one\n\ntwo\n[three]\nk = 4\nindented = 5");
    assert_value(p, "a", "next", NULL, "6");
}

static void section_indented_is_read_by_its_own_indent(void **state)
{
    CLEANUP(aws_profiles_free)
    struct aws_profiles *p = both("  [a]\n  k = 1\n  s3 =\n   x = 2\n l = 3\n  folded\n", NULL);

    assert_value(p, "a", "k", NULL, "1");
    assert_value(p, "a", "s3", "x", "2");
    assert_value(p, "a", "l", NULL, "3\nfolded");
}

static void section_given_twice_is_merged(void **state)
{
    CLEANUP(aws_profiles_free)
    struct aws_profiles *p =
        both(NULL, "[profile a]\nk = 1\nl = 1\ns3 =\n  x = 1\n  x = 2\nt =\n  y = 1\n"
                   "[profile b]\n[profile a]\nK = 2\ns3 =\n  z = 3\nt = flat\n");

    assert_value(p, "a", "k", NULL, "2");
    assert_value(p, "a", "l", NULL, "1");
    assert_value(p, "a", "s3", "z", "3");
    assert_value(p, "a", "s3", "x", NULL);
    assert_value(p, "a", "t", NULL, "flat");
    assert_value(p, "a", "t", "y", NULL);
}

static void file_empty_has_nothing(void **state)
{
    CLEANUP(aws_profiles_free) struct aws_profiles *p = both("", "# nothing\n\n");

    assert_false(aws_profiles_has(p, "default"));
    assert_value(p, "default", "region", NULL, NULL);
}

static void file_of_another_form_is_refused(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"k = hunter2\n", "src:1: a [section] must come before the first setting"},
        {"\n[a]\nhunter2\n", "src:3: a line must be a [section], `name = value`, or a comment"},
        {"[a]\nk = 1\n= hunter2\n", "src:3: a setting must have a name"},
        {"[a\nk = hunter2\n", "src:1: a section must be written [name]"},
        {"[]\nk = hunter2\n", "src:1: a section must be written [name]"},
        {"[a]\ns3 =\n  hunter2\n", "src:3: an indented line under an empty value must be"},
        {"[a]\na ;b = hunter2\nc\n", "src:2: a line must be"},
        {"{\"hunter2\": 1}", "src:1: a [section] must come before"},
    };
    CLEANUP(aws_profiles_free) struct aws_profiles *p = both("[kept]\nk = v\n", NULL);

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        for (int kind = AWS_PROFILE_CREDENTIALS; kind <= AWS_PROFILE_CONFIG; kind++) {
            CLEANUP(free) char *error = NULL;
            const char *text = cases[i].text;

            assert_int_equal(aws_profiles_add(p, kind, "src", text, strlen(text), &error),
                             AWS_PROFILE_E_INVALID);
            assert_non_null(error);
            if (!strstr(error, cases[i].expected))
                assert_string_equal(error, cases[i].expected);
            assert_null(strstr(error, "hunter2"));
            assert_int_equal(aws_profiles_add(p, kind, "src", text, strlen(text), NULL),
                             AWS_PROFILE_E_INVALID);
            assert_false(aws_profiles_has(p, "a"));
            assert_value(p, "kept", "k", NULL, "v");
        }

    assert_int_equal(aws_profiles_add(p, AWS_PROFILE_CREDENTIALS, "src", "[a]\n\0", 5, NULL),
                     AWS_PROFILE_E_INVALID);
}

static void name_is_kept_whole_or_refused(void **state)
{
    for (int n = 127; n <= 200; n++) {
        CLEANUP(aws_profiles_free) struct aws_profiles *p = both(NULL, NULL);
        char text[256], key[201] = "";

        memset(key, 'k', (size_t)n);
        snprintf(text, sizeof(text), "[a]\n%s=v\n", key);
        if (n <= 128) {
            add(p, AWS_PROFILE_CREDENTIALS, text);
            assert_value(p, "a", key, NULL, "v");
        } else {
            assert_int_equal(
                aws_profiles_add(p, AWS_PROFILE_CREDENTIALS, "src", text, strlen(text), NULL),
                AWS_PROFILE_E_INVALID);
        }
    }
}

static void text_hostile_takes_bounded_time(void **state)
{
    // clang-format off
    static const char *const pieces[] = {"[a]\n",
                                         "k=\n",
                                         " k=v\n",
                                         " \n",
                                         "k=v\n ",
                                         ":",
                                         "\n",
                                         "[a",
                                         "\\",
                                         "\"",
                                         "[profile \"\\\"\" x]\n"};
    // clang-format on

    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(AWS_PROFILE_FILE_MAX_BYTES);
        CLEANUP(aws_profiles_free) struct aws_profiles *p = both(NULL, NULL);
        CLEANUP(free) char *error = NULL;
        int r;

        buffer_append_string(&b, "[a]\nk = v\n");
        while (buffer_append_string(&b, pieces[i]) == 0)
            ;
        r = aws_profiles_add(p, AWS_PROFILE_CONFIG, "src", b.data, b.size, &error);
        assert_true(r == 0 || r == AWS_PROFILE_E_INVALID);
        assert_int_equal(r != 0, error != NULL);
    }
}

static void text_random_does_no_harm(void **state)
{
    // clang-format off
    static const char *const pieces[] = {"[", "]",   "profile", "default",  "\n",  "=", ":",
                                         " ", "\t",  "#",       ";",        "\"",  "'", "\\",
                                         "k", "a b", "\r\n",    "services", "\xff"};
    // clang-format on
    unsigned seed = 1;

    for (int i = 0; i < 5000; i++) {
        CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4096);
        CLEANUP(aws_profiles_free) struct aws_profiles *p = both(NULL, NULL);
        CLEANUP(free) char *error = NULL;
        int r;

        buffer_append_string(&b, "[default]\n");
        for (int n = (int)(rand_r(&seed) % 40); n > 0; n--)
            buffer_append_string(&b, pieces[(size_t)rand_r(&seed) % ARRAY_SIZE(pieces)]);
        r = aws_profiles_add(p, i % 2 ? AWS_PROFILE_CONFIG : AWS_PROFILE_CREDENTIALS, "src", b.data,
                             b.size, &error);
        assert_true(r == 0 || r == AWS_PROFILE_E_INVALID);
        assert_int_equal(aws_profiles_has(p, "default"), r == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_written_by_aws_configure_is_read),
        cmocka_unit_test(setting_in_both_files_is_that_of_the_credentials_file),
        cmocka_unit_test(section_names_are_read_as_the_cli_reads_them),
        cmocka_unit_test(services_and_sso_sessions_are_kept_apart),
        cmocka_unit_test(values_and_names_long_are_kept_whole),
        cmocka_unit_test(values_are_kept_byte_for_byte),
        cmocka_unit_test(line_deeper_belongs_to_the_line_above),
        cmocka_unit_test(section_indented_is_read_by_its_own_indent),
        cmocka_unit_test(section_given_twice_is_merged),
        cmocka_unit_test(file_empty_has_nothing),
        cmocka_unit_test(file_of_another_form_is_refused),
        cmocka_unit_test(name_is_kept_whole_or_refused),
        cmocka_unit_test(text_hostile_takes_bounded_time),
        cmocka_unit_test(text_random_does_no_harm),
    };

    return cmocka_run_group_tests_name("aws-profile", tests, NULL, NULL);
}
