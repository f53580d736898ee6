/* SPDX-License-Identifier: MIT */
#include "daemon/arguments.h"
#include "test.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#include "test-open.h"

#define QUEUE_URL "https://sqs.eu-west-3.amazonaws.com/1/q.fifo"
#define GOOD "aws: { queue_url = \"" QUEUE_URL "\"; };\n"

static int check(const struct config *config, char **error);

static const struct program program = {
    .name = "sqs-testd",
    .description = "Tests.",
    .colour = LOG_COLOUR_GREEN,
    .check = check,
    .more_usage = "       sqs-testd --more\n",
    .more_help = "\nThere is more.\n",
};
static int check_result;
static char config_path[64];

static struct {
    char out[65536], err[65536];
    int status;
    struct config *config;
    struct config_sources sources;
} run;

static int check(const struct config *config, char **error)
{
    assert_non_null(config);
    if (check_result > 0)
        *error = strdup("aws.profile: the check says no");
    return check_result;
}

static int redirect(int fd)
{
    int file = memfd_create("captured", MFD_CLOEXEC), saved = dup(fd);

    dup2(file, fd);
    close(file);
    return saved;
}

static void restore(int fd, int saved, char *text, size_t size)
{
    ssize_t n = pread(fd, text, size - 1, 0);

    text[MAX(n, 0)] = '\0';
    dup2(saved, fd);
    close(saved);
}

/* Returns what arguments_read does. Ends the list of arguments with NULL. */
static int read_arguments(const char *first, ...)
{
    char *argv[16] = {(char[]){"sqs-testd"}}, *copies[16];
    int argc = 1, saved_out, saved_err, r;
    va_list ap;

    config_free(run.config);
    memset(&run, 0, sizeof(run));
    run.status = -1;
    va_start(ap, first);
    for (const char *a = first; a; a = va_arg(ap, const char *)) {
        copies[argc] = argv[argc] = strdup(a);
        argc++;
    }
    va_end(ap);

    fflush(stdout);
    saved_out = redirect(STDOUT_FILENO);
    saved_err = redirect(STDERR_FILENO);
    r = arguments_read(&program, argc, argv, &run.config, &run.sources, &run.status);
    fflush(stdout);
    restore(STDOUT_FILENO, saved_out, run.out, sizeof(run.out));
    restore(STDERR_FILENO, saved_err, run.err, sizeof(run.err));
    while (--argc > 0)
        free(copies[argc]);
    return r;
}

static void write_config(const char *text)
{
    FILE *f = fopen(config_path, "we");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static const char *config_option(void)
{
    static char option[96];

    snprintf(option, sizeof(option), "--config=%s", config_path);
    return option;
}

static void assert_one_line(const char *text)
{
    assert_non_null(strchr(text, '\n'));
    assert_string_equal(strchr(text, '\n'), "\n");
}

static void help_and_version_go_to_standard_output(void **state)
{
    static const char *const expected[] = {
        "--config=PATH",
        "--check-config",
        "--help",
        "--version",
        "Usage: sqs-testd [OPTION]...\n",
        "...\n       sqs-testd --more\nTests.\n",
        "\n\nThere is more.\n",
        "\nThe manual: sqs-testd(8), sqs-demo.conf(5), sqs-demo(7).\n",
        CONFIG_PATH,
    };

    assert_int_equal(read_arguments("--help", NULL), ARGUMENTS_E_EXIT);
    assert_int_equal(run.status, EX_OK);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        assert_non_null(strstr(run.out, expected[i]));
    assert_string_equal(run.err, "");

    assert_int_equal(read_arguments("--config=/nonexistent", "--version", NULL), ARGUMENTS_E_EXIT);
    assert_int_equal(run.status, EX_OK);
    assert_string_equal(run.out, "sqs-testd " PROJECT_VERSION "\n");
    assert_string_equal(run.err, "");
}

static void bad_arguments_are_told_in_one_line(void **state)
{
    static const struct {
        const char *first, *second, *expected;
    } cases[] = {
        {"--frobnicate", NULL, "sqs-testd: unknown option: --frobnicate; see sqs-testd --help\n"},
        {"--config=x", "--frob=1", "sqs-testd: unknown option: --frob=1; see"},
        {"-x", NULL, "sqs-testd: unknown option: -x; see"},
        {"stray", "--help", "sqs-testd: unexpected argument: stray; see"},
        {"--", "--help", "sqs-testd: unexpected argument: --help; see"},
        {"", NULL, "sqs-testd: unexpected argument: ; see"},
        {"--config", NULL, "sqs-testd: option needs a value: --config; see"},
        {"--config=", NULL, "sqs-testd: option needs a path: --config=; see"},
        {"--help=x", NULL, "sqs-testd: option takes no value: --help=x; see"},
        {"--x\n\x1b[0m", NULL, "sqs-testd: unknown option: --x\\n\\x1b[0m; see"},
        {"--c", NULL, "sqs-testd: unknown option: --c; see"},
        {"--set=log.level", NULL, "sqs-testd: --set needs GROUP.NAME=VALUE: log.level; see"},
        {"--config=-", "--config=-", "sqs-testd: standard input can be read once: --config=-; see"},
        {"--instance=submit", NULL, "sqs-testd: no instance may have this name"},
        {"--instance=a/b", NULL, "sqs-testd: the name of an instance has 1 to 64 letters"},
        {"--instance=", NULL, "sqs-testd: the name of an instance has 1 to 64 letters"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(read_arguments(cases[i].first, cases[i].second, NULL), ARGUMENTS_E_EXIT);
        assert_int_equal(run.status, EX_USAGE);
        assert_memory_equal(run.err, cases[i].expected, strlen(cases[i].expected));
        assert_one_line(run.err);
        assert_string_equal(run.out, "");
        assert_null(run.config);
    }
}

static void a_good_configuration_is_handed_over(void **state)
{
    write_config(GOOD "log: { level = \"debug\"; target = \"stderr\"; };");
    assert_int_equal(read_arguments(config_option(), NULL), 0);
    assert_string_equal(run.config->aws.queue_url, "https://sqs.eu-west-3.amazonaws.com/1/q.fifo");
    assert_true(log_enabled(LOG_DEBUG));
    assert_string_equal(run.out, "");
    assert_string_equal(run.err, "");
    assert_int_equal(run.status, -1);

    write_config(GOOD "log: { level = \"error\"; };");
    assert_int_equal(read_arguments("--config", config_path, NULL), 0);
    assert_false(log_enabled(LOG_WARNING));
}

static void of_several_files_the_later_win(void **state)
{
    char second[80], option[96], expected[256];
    FILE *f;

    write_config(GOOD "producer: {\n batch_size = 3; groups = 4;\n};");
    snprintf(second, sizeof(second), "%s.second", config_path);
    snprintf(option, sizeof(option), "--config=%s", second);
    f = fopen(second, "we");
    assert_non_null(f);
    fputs("producer: { batch_size = 5; };", f);
    fclose(f);

    assert_int_equal(read_arguments(config_option(), option, NULL), 0);
    assert_int_equal(run.config->producer.batch_size, 5);
    assert_int_equal(run.config->producer.groups, 4);
    assert_int_equal(run.sources.n_files, 2);
    assert_int_equal(read_arguments(option, config_option(), NULL), 0);
    assert_int_equal(run.config->producer.batch_size, 3);

    assert_int_equal(read_arguments("--check-config", config_option(), option, NULL),
                     ARGUMENTS_E_EXIT);
    assert_int_equal(run.status, EX_OK);
    snprintf(expected, sizeof(expected), "# The settings in force, from %s, %s\n", config_path,
             second);
    assert_memory_equal(run.out, expected, strlen(expected));
    snprintf(expected, sizeof(expected), "(default 1) [%s:1]\n", second);
    assert_non_null(strstr(run.out, expected));
    snprintf(expected, sizeof(expected), "(default 1) [%s:3]\n", config_path);
    assert_non_null(strstr(run.out, expected));

    /* Each file must be there. */
    assert_int_equal(unlink(second), 0);
    assert_int_equal(read_arguments(option, config_option(), NULL), ARGUMENTS_E_EXIT);
    assert_int_equal(run.status, EX_CONFIG);
    snprintf(expected, sizeof(expected), "cannot read %s: No such file", second);
    assert_memory_equal(run.err, expected, strlen(expected));
}

static void settings_of_the_command_line_are_shown_with_their_place(void **state)
{
    write_config(GOOD);
    setenv("SQS_DEMO_PRODUCER_GROUPS", "3", 1);
    setenv("SQS_DEMO_PRODUCER_GROUP", "4", 1);
    assert_int_equal(read_arguments("--check-config", config_option(),
                                    "--set=producer.batch_size=5", "--set", "log.level=error",
                                    NULL),
                     ARGUMENTS_E_EXIT);
    unsetenv("SQS_DEMO_PRODUCER_GROUPS");
    unsetenv("SQS_DEMO_PRODUCER_GROUP");
    assert_int_equal(run.status, EX_OK);
    assert_non_null(strstr(run.out, ", the environment, --set\n"));
    assert_non_null(strstr(run.out, "    batch_size = 5; # "));
    assert_non_null(strstr(run.out, "(default 1) [--set]\n"));
    assert_non_null(strstr(run.out, "    level = \"error\"; # "));
    assert_non_null(strstr(run.out, "(default 1) [SQS_DEMO_PRODUCER_GROUPS]\n"));
    assert_string_equal(run.err,
                        "SQS_DEMO_PRODUCER_GROUP is not a setting, so it has no effect; did "
                        "you mean SQS_DEMO_PRODUCER_GROUPS?\n");

    assert_int_equal(read_arguments(config_option(), "--set=aws.queue_url=https://h", NULL), 0);
    assert_int_equal(run.sources.n_sets, 1);
    assert_int_equal(read_arguments(config_option(), "--set=log.levl=debug", NULL),
                     ARGUMENTS_E_EXIT);
    assert_int_equal(run.status, EX_CONFIG);
    assert_string_equal(run.err, "--set: log.levl (did you mean level?): found an unknown "
                                 "setting, allowed target, format, level\n");
    assert_int_equal(read_arguments("--check-config", config_option(),
                                    "--set=aws.queue_url=http://127.0.0.1:1/1/q", NULL),
                     ARGUMENTS_E_EXIT);
    assert_int_equal(run.status, EX_CONFIG);
}

static void a_configuration_that_cannot_be_read_is_told(void **state)
{
    static const struct {
        const char *option, *expected;
    } cases[] = {
        {"--config=/nonexistent/x.conf",
         "cannot read /nonexistent/x.conf: No such file or directory; name the configuration with "
         "--config=PATH or install sqs-demo.conf as " CONFIG_PATH "\n"},
        {"--config=/tmp", "cannot read /tmp: Is a directory\n"},
        {"--config=/dev/zero",
         "cannot read /dev/zero: not a file, but a FIFO, a device or a socket\n"},
        {"--config=/dev/null", "/dev/null:1: aws.queue_url: not set, but it is required"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        for (int check = 0; check < 2; check++) {
            assert_int_equal(read_arguments(cases[i].option, check ? "--check-config" : NULL, NULL),
                             ARGUMENTS_E_EXIT);
            assert_int_equal(run.status, EX_CONFIG);
            assert_memory_equal(run.err, cases[i].expected, strlen(cases[i].expected));
            assert_one_line(run.err);
            assert_string_equal(run.out, "");
        }

    write_config("#");
    assert_int_equal(truncate(config_path, CONFIG_FILE_MAX_BYTES + 1), 0);
    assert_int_equal(read_arguments(config_option(), NULL), ARGUMENTS_E_EXIT);
    assert_int_equal(run.status, EX_CONFIG);
    assert_non_null(strstr(run.err, ": larger than 256 KiB\n"));
}

static void a_bad_setting_is_told_with_its_line(void **state)
{
    char expected[128];

    write_config(GOOD "producer: {\n send_interval = \"soon\";\n};");
    snprintf(expected, sizeof(expected), "%s:3: producer.send_interval: found \"soon\", allowed",
             config_path);
    for (int check = 0; check < 2; check++) {
        assert_int_equal(read_arguments(config_option(), check ? "--check-config" : NULL, NULL),
                         ARGUMENTS_E_EXIT);
        assert_int_equal(run.status, EX_CONFIG);
        assert_memory_equal(run.err, expected, strlen(expected));
        assert_one_line(run.err);
        assert_string_equal(run.out, "");
    }
}

static void the_check_prints_a_configuration_that_can_be_used(void **state)
{
    CLEANUP(config_free) struct config *again = NULL;

    unsetenv("AWS_REGION");
    unsetenv("AWS_DEFAULT_REGION");
    unsetenv("AWS_ENDPOINT_URL");
    unsetenv("AWS_ENDPOINT_URL_SQS");
    setenv("AWS_CONFIG_FILE", "/nonexistent", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
    write_config(GOOD "producer: { send_interval = 2; };");
    assert_int_equal(read_arguments("--check-config", config_option(), NULL), ARGUMENTS_E_EXIT);
    assert_int_equal(run.status, EX_OK);
    assert_string_equal(run.err, "");
    assert_non_null(strstr(run.out, "    send_interval = 2; #"));
    assert_non_null(strstr(run.out, "\n# region: eu-west-3 (from aws.queue_url)\n"
                                    "# requests go to: https://sqs.eu-west-3.amazonaws.com/ "
                                    "(the region's endpoint)\n"
                                    "# queue: q.fifo (FIFO)\n"));
    assert_int_equal(config_parse("x", run.out, strlen(run.out), &again, NULL), 0);
    assert_int_equal(again->producer.send_interval_usec, 2 * USEC_PER_SEC);
}

static void the_check_tells_of_an_endpoint_that_cannot_be(void **state)
{
    char expected[160];

    write_config("aws: { region = \"eu-west-1\"; queue_url = \"http://127.0.0.1:1/1/q\"; };");
    assert_int_equal(read_arguments("--check-config", config_option(), NULL), ARGUMENTS_E_EXIT);
    assert_int_equal(run.status, EX_CONFIG);
    snprintf(expected, sizeof(expected),
             "%s:1: aws.queue_url http://127.0.0.1:1/1/q is plain http,", config_path);
    assert_memory_equal(run.err, expected, strlen(expected));
    assert_one_line(run.err);
    assert_string_equal(run.out, "");

    /* The region of the configuration, and one of the environment. */
    write_config("aws: {\nregion = \"eu-west-1\";\nqueue_url = \"" QUEUE_URL "\"; };");
    assert_int_equal(read_arguments("--check-config", config_option(), NULL), ARGUMENTS_E_EXIT);
    snprintf(expected, sizeof(expected), "%s:2: aws.region eu-west-1 is not that of aws.queue_url ",
             config_path);
    assert_memory_equal(run.err, expected, strlen(expected));
    write_config(GOOD);
    setenv("AWS_REGION", "eu-west-1", 1);
    assert_int_equal(read_arguments("--check-config", config_option(), NULL), ARGUMENTS_E_EXIT);
    unsetenv("AWS_REGION");
    assert_memory_equal(run.err, "region eu-west-1 is not that of aws.queue_url ", 46);
    assert_non_null(strstr(run.err, "(region comes from AWS_REGION)"));
}

static void the_check_names_the_variable_of_a_bad_queue_url(void **state)
{
    static const char expected[] =
        "SQS_DEMO_AWS_QUEUE_URL: aws.queue_url https://sqs.eu-west-3.amazonaws.com/ names no queue";

    write_config(GOOD);
    setenv("SQS_DEMO_AWS_QUEUE_URL", "https://sqs.eu-west-3.amazonaws.com/", 1);
    assert_int_equal(read_arguments("--check-config", config_option(), NULL), ARGUMENTS_E_EXIT);
    unsetenv("SQS_DEMO_AWS_QUEUE_URL");
    assert_int_equal(run.status, EX_CONFIG);
    assert_memory_equal(run.err, expected, strlen(expected));
    assert_one_line(run.err);
}

/* systemd starts the daemon again after EX_OSERR, but not after EX_CONFIG. */
static void configuration_that_cannot_be_read_for_a_while_is_not_blamed(void **state)
{
    write_config(GOOD);
    unopenable_path = config_path;
    unopenable_errno = EMFILE;
    assert_int_equal(read_arguments(config_option(), NULL), ARGUMENTS_E_EXIT);
    unopenable_path = NULL;
    assert_int_equal(run.status, EX_OSERR);
    assert_non_null(strstr(run.err, config_path));
    assert_one_line(run.err);
}

static void the_check_does_not_blame_the_configuration_for_a_file_of_aws(void **state)
{
    static const char expected[] = "cannot read /nonexistent/keys: Permission denied";

    write_config(GOOD);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/keys", 1);
    unopenable_path = "/nonexistent/keys";
    unopenable_errno = EACCES;
    assert_int_equal(read_arguments("--check-config", config_option(), NULL), ARGUMENTS_E_EXIT);
    unopenable_path = NULL;
    unsetenv("AWS_SHARED_CREDENTIALS_FILE");
    assert_int_equal(run.status, EX_CONFIG);
    assert_memory_equal(run.err, expected, strlen(expected));
    assert_one_line(run.err);
}

static void a_full_standard_output_is_no_success(void **state)
{
    int saved = dup(STDOUT_FILENO), r, status = -1;
    struct config *config = NULL;
    struct config_sources sources = {};
    char *argv[] = {(char[]){"sqs-testd"}, (char[]){"--help"}, NULL};
    FILE *full = fopen("/dev/full", "we");
    int saved_err = redirect(STDERR_FILENO);

    fflush(stdout);
    dup2(fileno(full), STDOUT_FILENO);
    r = arguments_read(&program, 2, argv, &config, &sources, &status);
    dup2(saved, STDOUT_FILENO);
    clearerr(stdout);
    close(saved);
    fclose(full);
    restore(STDERR_FILENO, saved_err, run.err, sizeof(run.err));
    assert_int_equal(r, ARGUMENTS_E_EXIT);
    assert_int_equal(status, EX_IOERR);
    assert_string_equal(run.err, "cannot write to standard output: No space left on device\n");
}

static void check_config_asks_the_program_too(void **state)
{
    char expected[160];

    write_config(GOOD);
    check_result = 3;
    assert_int_equal(read_arguments(config_option(), "--check-config", NULL), ARGUMENTS_E_EXIT);
    assert_int_equal(run.status, EX_CONFIG);
    snprintf(expected, sizeof(expected), "%s:1: aws.profile: the check says no\n", config_path);
    assert_string_equal(run.err, expected);
    assert_string_equal(run.out, "");

    check_result = -ENOMEM;
    assert_int_equal(read_arguments(config_option(), "--check-config", NULL), ARGUMENTS_E_EXIT);
    assert_int_equal(run.status, EX_OSERR);

    /* A start makes what is checked. */
    assert_int_equal(read_arguments(config_option(), NULL), 0);
    check_result = 0;
    assert_int_equal(read_arguments(config_option(), "--check-config", NULL), ARGUMENTS_E_EXIT);
    assert_int_equal(run.status, EX_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_and_version_go_to_standard_output),
        cmocka_unit_test(bad_arguments_are_told_in_one_line),
        cmocka_unit_test(a_good_configuration_is_handed_over),
        cmocka_unit_test(of_several_files_the_later_win),
        cmocka_unit_test(settings_of_the_command_line_are_shown_with_their_place),
        cmocka_unit_test(a_configuration_that_cannot_be_read_is_told),
        cmocka_unit_test(a_bad_setting_is_told_with_its_line),
        cmocka_unit_test(the_check_prints_a_configuration_that_can_be_used),
        cmocka_unit_test(the_check_tells_of_an_endpoint_that_cannot_be),
        cmocka_unit_test(the_check_names_the_variable_of_a_bad_queue_url),
        cmocka_unit_test(configuration_that_cannot_be_read_for_a_while_is_not_blamed),
        cmocka_unit_test(the_check_does_not_blame_the_configuration_for_a_file_of_aws),
        cmocka_unit_test(check_config_asks_the_program_too),
        cmocka_unit_test(a_full_standard_output_is_no_success),
    };
    int failed, fd;

    unsetenv("JOURNAL_STREAM");
    strcpy(config_path, "/tmp/test-arguments.XXXXXX");
    fd = mkstemp(config_path);
    if (fd < 0)
        return 1;
    close(fd);
    failed = cmocka_run_group_tests_name("arguments", tests, NULL, NULL);
    config_free(run.config);
    log_set_common_field("SQS_QUEUE_URL", NULL);
    unlink(config_path);
    return failed;
}
