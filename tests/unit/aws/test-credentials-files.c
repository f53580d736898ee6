/* SPDX-License-Identifier: MIT */
#include "aws/credentials-files.h"
#include "aws/credentials-sequence.h"
#include "aws/files.h"
#include "provider-answer.h"
#include "test-loop.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64], home[96];

static const char *const variables[] = {
    "HOME",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "CREDENTIALS_DIRECTORY",
};

static void write_file(const char *name, const char *content)
{
    char path[160];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(content, f);
    assert_int_equal(fclose(f), 0);
}

static void set_path(const char *variable, const char *name)
{
    char path[160];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    setenv(variable, path, 1);
}

#define PROFILE(name, id)                                                                          \
    "[" name "]\naws_access_key_id = " id "\naws_secret_access_key = " SECRET "\n"

/* The two files' providers, in their order. */
static struct credentials_provider *both_files(const char *profile)
{
    struct credentials_provider *files[2], *p = NULL;

    assert_int_equal(credentials_files_new(AWS_PROFILE_CREDENTIALS, profile, &files[0]), 0);
    assert_int_equal(credentials_files_new(AWS_PROFILE_CONFIG, profile, &files[1]), 0);
    assert_int_equal(credentials_sequence_new("files", files, 2, &p), 0);
    return p;
}

static void files_keys_are_found_or_the_answer_says_why_not(void **state)
{
    static const struct {
        const char *credentials, *config; /* NULL: no such file */
        const char *profile;              /* the setting */
        const char *variable;             /* AWS_PROFILE */
        enum credentials_outcome outcome;
        const char *text; /* in the text; for FOUND, the key id */
    } cases[] = {
        {NULL, NULL, NULL, NULL, CREDENTIALS_NOT_SET_UP,
         "/.aws/credentials: no such file; config file: "},
        {NULL, NULL, NULL, NULL, CREDENTIALS_NOT_SET_UP, "/.aws/config: no such file"},
        {NULL, NULL, "", "", CREDENTIALS_NOT_SET_UP, "/.aws/config: no such file"},
        {"", "", NULL, NULL, CREDENTIALS_NOT_SET_UP, "(no profile default)"},
        {PROFILE("default", "A1"), NULL, NULL, NULL, CREDENTIALS_FOUND, "A1"},
        {NULL, PROFILE("default", "A2"), NULL, NULL, CREDENTIALS_FOUND, "A2"},
        {PROFILE("default", "A1"), PROFILE("default", "A2"), NULL, NULL, CREDENTIALS_FOUND, "A1"},
        {"[default]\nregion = x\n", PROFILE("default", "A2"), NULL, NULL, CREDENTIALS_FOUND, "A2"},
        {"[default]\nregion = x\n", NULL, NULL, NULL, CREDENTIALS_NOT_SET_UP,
         "(profile default has no keys there)"},
        {PROFILE("default", "A1") PROFILE("work", "A3"), NULL, "work", NULL, CREDENTIALS_FOUND,
         "A3"},
        {PROFILE("default", "A1") PROFILE("work", "A3"), NULL, NULL, "work", CREDENTIALS_FOUND,
         "A3"},
        {PROFILE("default", "A1") PROFILE("work", "A3"), NULL, "default", "work", CREDENTIALS_FOUND,
         "A1"},
        {NULL, PROFILE("profile work", "A4"), "work", NULL, CREDENTIALS_FOUND, "A4"},
        {NULL, PROFILE("work", "A4"), "work", NULL, CREDENTIALS_FAILED, "no profile work, "},
        {PROFILE("default", "A1"), NULL, "absent", NULL, CREDENTIALS_FAILED, "no profile absent, "},
        {PROFILE("default", "A1"), NULL, NULL, "absent", CREDENTIALS_FAILED, "no profile absent, "},
        {NULL, NULL, "absent", NULL, CREDENTIALS_FAILED, "no such file"},
        {NULL, "[profile empty]\nregion = x\n", "empty", NULL, CREDENTIALS_NOT_SET_UP,
         "(profile empty has no keys there)"},
        {"[default]\naws_access_key_id = A1\n", PROFILE("default", "A2"), NULL, NULL,
         CREDENTIALS_FAILED, "has aws_access_key_id but not aws_secret_access_key"},
        {"[default]\naws_secret_access_key = " SECRET "\n", NULL, NULL, NULL, CREDENTIALS_FAILED,
         "has aws_secret_access_key but not aws_access_key_id"},
        {"[default]\naws_access_key_id =\naws_secret_access_key = " SECRET "\n", NULL, NULL, NULL,
         CREDENTIALS_FAILED, "not aws_access_key_id"},
        {"[default]\naws_access_key_id = A1\naws_secret_access_key = " SECRET "\n  more" SECRET,
         NULL, NULL, NULL, CREDENTIALS_FAILED, "secret access key has"},
        {PROFILE("default", "A1") "aws_session_token = a\n  X-Evil: " SECRET "\n", NULL, NULL, NULL,
         CREDENTIALS_FAILED, "session token has"},
        {PROFILE("default", "A 1"), NULL, NULL, NULL, CREDENTIALS_FAILED, "profile default: the"},
        {"[default\naws_secret_access_key = " SECRET "\n", NULL, NULL, NULL, CREDENTIALS_FAILED,
         "/.aws/credentials:1:"},
        {PROFILE("default", "A1"), "[default]\n" SECRET " nonsense\n", NULL, NULL,
         CREDENTIALS_FAILED, "/.aws/config:2:"},
    };

    setenv("HOME", home, 1);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct credentials_provider *p;
        struct answer a = {};
        char path[128];

        snprintf(path, sizeof(path), "%s/.aws/credentials", home);
        unlink(path);
        snprintf(path, sizeof(path), "%s/.aws/config", home);
        unlink(path);
        if (cases[i].credentials)
            write_file("home/.aws/credentials", cases[i].credentials);
        if (cases[i].config)
            write_file("home/.aws/config", cases[i].config);
        if (cases[i].variable)
            setenv("AWS_PROFILE", cases[i].variable, 1);
        else
            unsetenv("AWS_PROFILE");

        p = both_files(cases[i].profile);
        fetch(p, &a);
        if (a.outcome != cases[i].outcome ||
            (a.outcome != CREDENTIALS_FOUND && !strstr(a.text, cases[i].text)))
            fail_msg("case %zu: %d %s", i, a.outcome, a.text);
        if (a.outcome == CREDENTIALS_FOUND) {
            assert_string_equal(a.credentials->access_key_id, cases[i].text);
            assert_string_equal(a.credentials->secret_access_key, SECRET);
            assert_null(a.credentials->session_token);
            assert_true(a.credentials->expiry_usec == USEC_INFINITY);
        }
        answer_done(&a);
        credentials_provider_free(p);
    }
}

static void files_source_names_file_and_profile_and_the_token_is_of_the_same_file(void **state)
{
    struct credentials_provider *p;
    struct answer a = {};
    char expected[160];

    setenv("HOME", home, 1);
    write_file("home/.aws/credentials", PROFILE("work", "A1"));
    write_file("home/.aws/config", "[profile work]\naws_session_token = other\n");
    p = both_files("work");
    fetch(p, &a);
    assert_null(a.credentials->session_token);
    snprintf(expected, sizeof(expected), "%s/.aws/credentials, profile work", home);
    assert_string_equal(a.credentials->source, expected);

    /* Read anew each time. */
    write_file("home/.aws/credentials", PROFILE("work", "A2") "aws_session_token = T\n");
    fetch(p, &a);
    assert_string_equal(a.credentials->access_key_id, "A2");
    assert_string_equal(a.credentials->session_token, "T");
    write_file("home/.aws/credentials", PROFILE("work", "A2") "aws_security_token = O\n");
    fetch(p, &a);
    assert_string_equal(a.credentials->session_token, "O");
    answer_done(&a);
    credentials_provider_free(p);
}

static void files_that_cannot_be_read_fail(void **state)
{
    struct credentials_provider *p;
    struct answer a = {};
    char path[160], *huge = malloc(AWS_PROFILE_FILE_MAX_BYTES + 2);

    p = both_files(NULL);
    setenv("HOME", home, 1);

    set_path("AWS_SHARED_CREDENTIALS_FILE", "home");
    fetch(p, &a);
    assert_int_equal(a.outcome, CREDENTIALS_FAILED);
    assert_non_null(strstr(a.text, "/home: Is a directory"));

    set_path("AWS_SHARED_CREDENTIALS_FILE", "loop");
    snprintf(path, sizeof(path), "%s/loop", directory);
    assert_int_equal(symlink(path, path), 0);
    fetch(p, &a);
    assert_int_equal(a.outcome, CREDENTIALS_FAILED);
    assert_non_null(strstr(a.text, "/loop: "));

    setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/zero", 1);
    fetch(p, &a);
    assert_int_equal(a.outcome, CREDENTIALS_FAILED);

    if (geteuid() != 0) {
        set_path("AWS_SHARED_CREDENTIALS_FILE", "locked");
        write_file("locked", PROFILE("default", "A1"));
        snprintf(path, sizeof(path), "%s/locked", directory);
        assert_int_equal(chmod(path, 0), 0);
        fetch(p, &a);
        assert_int_equal(a.outcome, CREDENTIALS_FAILED);
        assert_non_null(strstr(a.text, "/locked: Permission denied"));
    }

    memset(huge, '#', AWS_PROFILE_FILE_MAX_BYTES + 1);
    huge[AWS_PROFILE_FILE_MAX_BYTES + 1] = '\0';
    write_file("huge", huge);
    set_path("AWS_SHARED_CREDENTIALS_FILE", "huge");
    fetch(p, &a);
    assert_int_equal(a.outcome, CREDENTIALS_FAILED);
    assert_non_null(strstr(a.text, "/huge: "));
    free(huge);
    answer_done(&a);
    credentials_provider_free(p);
}

/* As ProtectHome= of systemd does, for a user who is not root. */
static void files_behind_a_folder_that_may_not_be_searched_are_missing(void **state)
{
    struct credentials_provider *p = both_files(NULL);
    const bool is_root = getuid() == 0;
    struct answer defaults = {}, named = {};

    setenv("HOME", home, 1);
    write_file("home/.aws/credentials", PROFILE("default", "A1"));
    assert_int_equal(chmod(home, 0), 0);
    assert_int_equal(is_root ? seteuid(65534) : 0, 0);
    fetch(p, &defaults);
    set_path("AWS_CONFIG_FILE", "home/.aws/config");
    fetch(p, &named);
    assert_int_equal(is_root ? seteuid(0) : 0, 0);
    assert_int_equal(chmod(home, 0700), 0);
    assert_int_equal(defaults.outcome, CREDENTIALS_NOT_SET_UP);
    assert_non_null(strstr(defaults.text,
                           "/.aws/credentials: a folder on the way may not be searched; config"));
    assert_non_null(strstr(defaults.text, "/.aws/config: a folder on the way may not be searched"));
    assert_int_equal(named.outcome, CREDENTIALS_FAILED);
    assert_non_null(strstr(named.text, "/.aws/config: Permission denied"));
    answer_done(&defaults);
    answer_done(&named);
    credentials_provider_free(p);
}

/* The folders can be searched: the file itself is the fault. */
static void file_of_the_home_directory_that_may_not_be_read_fails(void **state)
{
    struct credentials_provider *p = both_files(NULL);
    const bool is_root = getuid() == 0;
    struct answer a = {};
    char path[160];

    setenv("HOME", home, 1);
    write_file("home/.aws/credentials", PROFILE("default", "A1"));
    snprintf(path, sizeof(path), "%s/.aws/credentials", home);
    assert_int_equal(chmod(path, 0), 0);
    snprintf(path, sizeof(path), "%s/.aws", home);
    assert_int_equal(chmod(directory, 0711) + chmod(home, 0711) + chmod(path, 0711), 0);
    assert_int_equal(is_root ? seteuid(65534) : 0, 0);
    fetch(p, &a);
    assert_int_equal(is_root ? seteuid(0) : 0, 0);
    assert_int_equal(a.outcome, CREDENTIALS_FAILED);
    assert_non_null(strstr(a.text, "/.aws/credentials: Permission denied"));
    answer_done(&a);
    credentials_provider_free(p);
}

static void files_places_are_searched_in_order(void **state)
{
    CLEANUP(free) char *none = NULL;
    struct credentials_provider *p;
    struct answer a = {};

    p = both_files(NULL);
    assert_int_equal(aws_file_path(AWS_PROFILE_CREDENTIALS, &none), 0);
    assert_null(none);
    fetch(p, &a);
    assert_int_equal(a.outcome, CREDENTIALS_NOT_SET_UP);
    assert_non_null(strstr(a.text, "~/.aws/credentials: no home directory"));
    assert_non_null(strstr(a.text, "~/.aws/config: no home directory"));

    setenv("HOME", home, 1);
    write_file("home/.aws/credentials", PROFILE("default", "HOME"));
    fetch(p, &a);
    assert_string_equal(a.credentials->access_key_id, "HOME");

    write_file("named", PROFILE("default", "NAMED"));
    set_path("AWS_SHARED_CREDENTIALS_FILE", "named");
    fetch(p, &a);
    assert_string_equal(a.credentials->access_key_id, "NAMED");

    write_file("home/tilde", PROFILE("default", "TILDE"));
    setenv("AWS_SHARED_CREDENTIALS_FILE", "~/tilde", 1);
    fetch(p, &a);
    assert_string_equal(a.credentials->access_key_id, "TILDE");

    /* Named, but not there: not looked for elsewhere. */
    set_path("AWS_SHARED_CREDENTIALS_FILE", "absent");
    fetch(p, &a);
    assert_int_equal(a.outcome, CREDENTIALS_NOT_SET_UP);
    assert_non_null(strstr(a.text, "/absent: no such file"));

    /* What systemd passes wins, where it is there. */
    set_path("AWS_SHARED_CREDENTIALS_FILE", "named");
    set_path("CREDENTIALS_DIRECTORY", "passed");
    fetch(p, &a);
    assert_string_equal(a.credentials->access_key_id, "NAMED");
    write_file("passed/aws.credentials", PROFILE("default", "PASSED"));
    fetch(p, &a);
    assert_string_equal(a.credentials->access_key_id, "PASSED");

    /* The same for the other file. */
    write_file("passed/aws.credentials", "");
    write_file("config", PROFILE("default", "CONFIG"));
    set_path("AWS_CONFIG_FILE", "config");
    fetch(p, &a);
    assert_string_equal(a.credentials->access_key_id, "CONFIG");
    write_file("passed/aws.config", PROFILE("default", "PASSED2"));
    fetch(p, &a);
    assert_string_equal(a.credentials->access_key_id, "PASSED2");
    answer_done(&a);
    credentials_provider_free(p);
}

static void profile_name_is_searched_in_order(void **state)
{
    assert_string_equal(aws_profile_name(NULL), "default");
    assert_string_equal(aws_profile_name(""), "default");
    assert_false(aws_profile_is_explicit(NULL));
    setenv("AWS_DEFAULT_PROFILE", "older", 1);
    assert_string_equal(aws_profile_name(NULL), "older");
    assert_true(aws_profile_is_explicit(""));
    setenv("AWS_PROFILE", "newer", 1);
    assert_string_equal(aws_profile_name(NULL), "newer");
    assert_string_equal(aws_profile_name("set"), "set");
    unsetenv("AWS_PROFILE");
    unsetenv("AWS_DEFAULT_PROFILE");
    assert_true(aws_profile_is_explicit("set"));
    setenv("AWS_PROFILE", "", 1);
    assert_string_equal(aws_profile_name(NULL), "default");
    assert_false(aws_profile_is_explicit(NULL));
}

static int set_up(void **state)
{
    char path[160];

    for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
        unsetenv(variables[i]);
    strcpy(directory, "/tmp/test-credentials.XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(home, sizeof(home), "%s/home", directory);
    snprintf(path, sizeof(path), "%s/home/.aws", directory);
    if (mkdir(home, 0700) < 0 || mkdir(path, 0700) < 0)
        return -1;
    snprintf(path, sizeof(path), "%s/passed", directory);
    return mkdir(path, 0700);
}

static int remove_all(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *entry;

    while (d && (entry = readdir(d))) {
        char child[512];

        if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
            continue;
        snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
        if (unlink(child) < 0)
            remove_all(child);
    }
    if (d)
        closedir(d);
    return rmdir(path);
}

static int tear_down(void **state)
{
    return remove_all(directory);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_keys_are_found_or_the_answer_says_why_not),
        TEST(files_source_names_file_and_profile_and_the_token_is_of_the_same_file),
        TEST(files_that_cannot_be_read_fail),
        TEST(files_behind_a_folder_that_may_not_be_searched_are_missing),
        TEST(file_of_the_home_directory_that_may_not_be_read_fails),
        TEST(files_places_are_searched_in_order),
        TEST(profile_name_is_searched_in_order),
    };

    return cmocka_run_group_tests_name("aws-credentials-files", tests, NULL, NULL);
}
