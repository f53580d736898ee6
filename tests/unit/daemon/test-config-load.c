/* SPDX-License-Identifier: MIT */
/* The places of settings: files, standard input, the file of an instance, the environment, and that
 * they can be read again. */
#include "daemon/config-load.h"
#include "test.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test-open.h"

#define QUEUE(name) "aws: { queue_url = \"https://sqs.eu-west-3.amazonaws.com/1/" name "\"; };\n"

static char folder[64], base[96], own[128];

/* Overrides libc's access(2): CONFIG_PATH is the file to which test-open.h redirects it. */
int access(const char *path, int mode)
{
    return (int)syscall(SYS_faccessat, AT_FDCWD, opened_path(path), mode);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static struct config *load(struct config_sources *sources)
{
    CLEANUP(free) char *error = NULL;
    struct config *config = NULL;
    const char *path = NULL;
    int r = config_load(sources, &config, &path, &error);

    if (r != 0)
        print_error("%s\n", error ? error : "(no error text)");
    assert_int_equal(r, 0);
    assert_null(path);
    return config;
}

/* `expected` is the beginning of the error. */
static void assert_refused(struct config_sources *sources, const char *expected_path,
                           const char *expected)
{
    CLEANUP(free) char *error = NULL;
    struct config *config = NULL;
    const char *path = NULL;

    assert_int_equal(config_load(sources, &config, &path, &error),
                     strncmp(expected, "cannot read ", 12) == 0 ? CONFIG_E_UNREADABLE
                                                                : CONFIG_E_INVALID);
    assert_null(config);
    if (strncmp(error, expected, strlen(expected)) != 0)
        assert_string_equal(error, expected);
    assert_null(strchr(error, '\n'));
    if (expected_path)
        assert_string_equal(path, expected_path);
    else
        assert_null(path);
}

static void later_files_win_and_can_be_read_again(void **state)
{
    CLEANUP(config_sources_done)
    struct config_sources sources = {.files = {base, own}, .n_files = 2};
    CLEANUP(config_free) struct config *config = NULL;
    char expected[256];

    write_file(base, QUEUE("a") "producer: { batch_size = 2; groups = 2; };");
    write_file(own, "producer: { batch_size = 3; };");
    config = load(&sources);
    assert_int_equal(config->producer.batch_size, 3);
    assert_int_equal(config->producer.groups, 2);
    config_free(config);

    write_file(own, "producer: { groups = 4; };");
    config = load(&sources);
    assert_int_equal(config->producer.batch_size, 2);
    assert_int_equal(config->producer.groups, 4);

    /* The error is in the file before. */
    write_file(base, QUEUE("a") "producer: {\n batch_size = 11; };");
    snprintf(expected, sizeof(expected), "%s:3: producer.batch_size: found 11", base);
    assert_refused(&sources, base, expected);
    /* Nothing has a queue: the last file is named. */
    write_file(base, "");
    snprintf(expected, sizeof(expected),
             "%s:1: aws.queue_url: not set, but it is required: an http:// or https:// URL", own);
    assert_refused(&sources, own, expected);
}

static void an_instance_reads_its_own_file_over_the_shared_one(void **state)
{
    CLEANUP(config_sources_done)
    struct config_sources sources = {.files = {base}, .n_files = 1, .instance = "orders"};
    CLEANUP(config_free) struct config *config = NULL;

    write_file(base, QUEUE("shared") "producer: { batch_size = 2; groups = 2; };");
    write_file(own, QUEUE("own") "producer: { batch_size = 3; };");
    config = load(&sources);
    assert_string_equal(config->instance, "orders");
    assert_string_equal(config->aws.queue_url, "https://sqs.eu-west-3.amazonaws.com/1/own");
    assert_int_equal(config->producer.batch_size, 3);
    assert_int_equal(config->producer.groups, 2);
    assert_string_equal(sources.instance_path, own);
}

static void an_instance_needs_a_file_and_a_queue_of_its_own(void **state)
{
    CLEANUP(config_sources_done)
    struct config_sources sources = {.files = {base}, .n_files = 1, .instance = "orders"};
    CLEANUP(config_free) struct config *config = NULL;
    char expected[512];

    write_file(base, QUEUE("shared"));
    unlink(own);
    snprintf(expected, sizeof(expected),
             "cannot read %s: No such file or directory; write this file for the instance orders, "
             "with its queue at least: aws: { queue_url = \"https://...\"; };",
             own);
    assert_refused(&sources, own, expected);

    snprintf(expected, sizeof(expected),
             "%s:1: aws.queue_url: not set, but each instance needs it: an http:// or https:// URL",
             own);
    write_file(own, "");
    assert_refused(&sources, own, expected);
    snprintf(expected, sizeof(expected),
             "%s:2: aws.queue_url: not set, but each instance needs it: an http:// or https:// URL",
             own);
    write_file(own, "\naws: { region = \"eu-west-1\"; };");
    assert_refused(&sources, own, expected);

    /* What stands above the file is the instance's own as well. */
    sources.sets[sources.n_sets++] = "aws.queue_url=https://h/1/q";
    config = load(&sources);
    assert_string_equal(config->aws.queue_url, "https://h/1/q");
    sources.n_sets = 0;
    config_free(config);
    setenv("SQS_DEMO_AWS_QUEUE_URL", "https://h/1/e", 1);
    config = load(&sources);
    assert_string_equal(config->aws.queue_url, "https://h/1/e");
    unsetenv("SQS_DEMO_AWS_QUEUE_URL");
}

static void instance_has_a_socket_of_its_own(void **state)
{
    CLEANUP(config_sources_done)
    struct config_sources sources = {.files = {base}, .n_files = 1, .instance = "orders"};
    CLEANUP(config_free) struct config *config = NULL;
    CLEANUP(buffer_done) struct buffer shown = BUFFER_INIT(64 * 1024);
    char *line;

    write_file(base, "producer: { submit_socket = \"/run/plain.socket\"; };");
    write_file(own, QUEUE("own"));
    config = load(&sources);
    assert_string_equal(config->producer.submit_socket, "/run/sqs-producerd/orders.socket");
    assert_int_equal(config_format(config, &shown), 0);
    line =
        strstr(buffer_string(&shown), "submit_socket = \"/run/sqs-producerd/orders.socket\"; # ");
    assert_non_null(line);
    *strchr(line, '\n') = '\0';
    assert_non_null(strstr(line, " [default]"));
    assert_null(strstr(line, "(default"));
    config = config_free(config);

    write_file(own, QUEUE("own") "producer: { submit_socket = \"/run/own.socket\"; };");
    config = load(&sources);
    assert_string_equal(config->producer.submit_socket, "/run/own.socket");
    config = config_free(config);

    /* The plain daemon, and a client that needs no queue. */
    sources.instance = NULL;
    sources.needs_no_queue = true;
    config = load(&sources);
    assert_string_equal(config->producer.submit_socket, "/run/plain.socket");
    config = config_free(config);
    sources.instance = "orders";
    write_file(own, "");
    config = load(&sources);
    assert_string_equal(config->producer.submit_socket, "/run/sqs-producerd/orders.socket");
}

static void instance_serves_metrics_only_where_its_own_file_says(void **state)
{
    CLEANUP(config_sources_done)
    struct config_sources sources = {.files = {base}, .n_files = 1, .instance = "orders"};
    CLEANUP(config_free) struct config *config = NULL;

    write_file(base, "producer: { metrics_listen = \"127.0.0.1:1\"; };"
                     "consumer: { metrics_listen = \"127.0.0.1:2\"; };");
    write_file(own, QUEUE("own"));
    config = load(&sources);
    assert_string_equal(config->producer.metrics_listen, "");
    assert_string_equal(config->consumer.metrics_listen, "");
    config = config_free(config);

    write_file(own, QUEUE("own") "consumer: { metrics_listen = \"127.0.0.1:3\"; };");
    config = load(&sources);
    assert_string_equal(config->producer.metrics_listen, "");
    assert_string_equal(config->consumer.metrics_listen, "127.0.0.1:3");
    config = config_free(config);

    sources.instance = NULL;
    sources.needs_no_queue = true;
    config = load(&sources);
    assert_string_equal(config->producer.metrics_listen, "127.0.0.1:1");
    assert_string_equal(config->consumer.metrics_listen, "127.0.0.1:2");
}

static void files_that_are_no_configuration_are_told(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", ":1: aws.queue_url: not set, but it is required"},
        {QUEUE("q") "producer: { batch_si", ":2: found a syntax error"},
        {QUEUE("q") "producer: { submit_socket = \"/run", ":2: found a string without its closing"},
        {"\x7f"
         "ELF\x02\x01\x01",
         ":1: found a syntax error"},
    };
    CLEANUP(config_sources_done) struct config_sources sources = {.files = {own}, .n_files = 1};
    char expected[512];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        write_file(own, cases[i].text);
        snprintf(expected, sizeof(expected), "%s%s", own, cases[i].expected);
        assert_refused(&sources, own, expected);
    }
    sources.files[0] = folder;
    snprintf(expected, sizeof(expected), "cannot read %s: Is a directory", folder);
    assert_refused(&sources, folder, expected);
    sources.files[0] = unopenable_path = own;
    unopenable_errno = EACCES;
    snprintf(expected, sizeof(expected), "cannot read %s: Permission denied; make it", own);
    assert_refused(&sources, own, expected);
    unopenable_path = NULL;
}

static void file_that_cannot_be_opened_for_a_while_is_no_bad_configuration(void **state)
{
    static const int errors[] = {EMFILE, ENFILE, EIO};
    CLEANUP(config_sources_done)
    struct config_sources sources = {.files = {own}, .n_files = 1};
    char expected[256];

    snprintf(expected, sizeof(expected), "cannot read %s: ", own);
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        CLEANUP(free) char *error = NULL;
        struct config *config = NULL;
        const char *path = NULL;

        unopenable_path = own;
        unopenable_errno = errors[i];
        assert_int_equal(config_load(&sources, &config, &path, &error), -errors[i]);
        unopenable_path = NULL;
        assert_string_equal(path, own);
        assert_memory_equal(error, expected, strlen(expected));
    }
}

static void the_environment_comes_before_the_command_line(void **state)
{
    CLEANUP(config_sources_done)
    struct config_sources sources = {.files = {base}, .n_files = 1};
    CLEANUP(config_free) struct config *config = NULL;

    write_file(base, QUEUE("a") "producer: { batch_size = 2; groups = 2; };");
    setenv("SQS_DEMO_PRODUCER_BATCH_SIZE", "3", 1);
    setenv("SQS_DEMO_PRODUCER_GROUPS", "3", 1);
    sources.sets[0] = "producer.groups=4";
    sources.sets[1] = "producer.groups=5";
    sources.n_sets = 2;
    config = load(&sources);
    assert_int_equal(config->producer.batch_size, 3);
    assert_int_equal(config->producer.groups, 5);

    setenv("SQS_DEMO_PRODUCER_BATCH_SIZE", "many", 1);
    assert_refused(&sources, NULL,
                   "SQS_DEMO_PRODUCER_BATCH_SIZE: producer.batch_size: found many, "
                   "allowed a whole number, 1 to 10");
    unsetenv("SQS_DEMO_PRODUCER_BATCH_SIZE");
    unsetenv("SQS_DEMO_PRODUCER_GROUPS");
    sources.sets[1] = "producer.groups=0";
    assert_refused(&sources, NULL, "--set: producer.groups: found 0, allowed a whole number");
}

static int put_on_standard_input(const char *text, size_t size)
{
    int file = memfd_create("input", MFD_CLOEXEC), saved = dup(STDIN_FILENO);

    assert_int_equal(write(file, text, size), size);
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
    dup2(file, STDIN_FILENO);
    close(file);
    return saved;
}

static void take_back_standard_input(int saved)
{
    dup2(saved, STDIN_FILENO);
    close(saved);
}

static void standard_input_is_read_once(void **state)
{
    CLEANUP(config_sources_done)
    struct config_sources sources = {.files = {"-"}, .n_files = 1};
    CLEANUP(config_free) struct config *config = NULL;
    static const char text[] = QUEUE("stdin");
    int saved = put_on_standard_input(text, strlen(text));

    config = load(&sources);
    assert_string_equal(config->aws.queue_url, "https://sqs.eu-west-3.amazonaws.com/1/stdin");
    config_free(config);
    config = load(&sources); /* standard input is at its end */
    assert_string_equal(config->aws.queue_url, "https://sqs.eu-west-3.amazonaws.com/1/stdin");
    take_back_standard_input(saved);
}

static void bad_standard_input_is_told(void **state)
{
    CLEANUP(free) char *large = malloc(CONFIG_FILE_MAX_BYTES + 1);
    struct {
        const char *text;
        size_t size;
        const char *path, *expected;
    } cases[] = {
        {"", 0, "-", "standard input:1: aws.queue_url: not set, but it is required"},
        {"a\nb\0", 4, "-", "standard input:2: found a NUL byte"},
        {"aws: {", 6, "-", "standard input:1: found a syntax error"},
        {large, CONFIG_FILE_MAX_BYTES + 1, "-", "cannot read standard input: larger than 256 KiB"},
    };

    assert_non_null(large);
    memset(large, ' ', CONFIG_FILE_MAX_BYTES + 1);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(config_sources_done)
        struct config_sources sources = {.files = {"-"}, .n_files = 1};
        int saved = put_on_standard_input(cases[i].text, cases[i].size);

        assert_refused(&sources, cases[i].path, cases[i].expected);
        take_back_standard_input(saved);
    }
}

static void a_program_that_needs_no_queue_gets_the_rest(void **state)
{
    CLEANUP(config_sources_done)
    struct config_sources sources = {.files = {base}, .n_files = 1, .needs_no_queue = true};
    CLEANUP(config_free) struct config *config = NULL;

    write_file(base, "producer: { submit_socket = \"/x\"; };");
    config = load(&sources);
    assert_string_equal(config->producer.submit_socket, "/x");
    assert_string_equal(config->aws.queue_url, "");
}

/* A test that runs where the default file is installed cannot see how it is missed. */
static void the_default_file_may_be_missing_when_the_queue_is_known(void **state)
{
    CLEANUP(config_sources_done) struct config_sources sources = {};
    CLEANUP(config_free) struct config *config = NULL;

    if (access(CONFIG_PATH, F_OK) == 0)
        skip();
    assert_refused(&sources, CONFIG_PATH,
                   "cannot read " CONFIG_PATH ": No such file or directory; install sqs-demo.conf "
                   "there, name another with --config=PATH, or set the queue in "
                   "SQS_DEMO_AWS_QUEUE_URL");
    sources.sets[sources.n_sets++] = "aws.queue_url=https://h/1/q";
    config = load(&sources);
    assert_true(sources.lacks_default);
    config_free(config);
    config = load(&sources);
    assert_string_equal(config->aws.queue_url, "https://h/1/q");
}

static void the_default_file_may_come_and_go_when_it_was_missing_at_the_start(void **state)
{
    CLEANUP(config_sources_done)
    struct config_sources sources = {.sets = {"aws.queue_url=https://h/1/q"}, .n_sets = 1};
    CLEANUP(config_free) struct config *config = NULL;

    redirected_path = CONFIG_PATH;
    redirected_to = base;
    unlink(base);
    config = config_free(load(&sources));
    assert_true(sources.lacks_default);
    for (int i = 0; i < 2; i++) {
        write_file(base, "producer: { batch_size = 11; };");
        assert_refused(&sources, CONFIG_PATH, CONFIG_PATH ":1: producer.batch_size: found 11");
        assert_false(sources.lacks_default);
        unlink(base);
        config = config_free(load(&sources));
        assert_true(sources.lacks_default);
        /* Good, for a time. */
        write_file(base, "producer: { batch_size = 7; };");
        config = load(&sources);
        assert_int_equal(config->producer.batch_size, 7);
        config = config_free(config);
        unlink(base);
        config = config_free(load(&sources));
    }
    redirected_path = NULL;
}

static void the_default_file_must_stay_when_it_was_there_at_the_start(void **state)
{
    CLEANUP(config_sources_done)
    struct config_sources sources = {.sets = {"aws.queue_url=https://h/1/q"}, .n_sets = 1};

    redirected_path = CONFIG_PATH;
    redirected_to = base;
    write_file(base, "");
    config_free(load(&sources));
    unlink(base);
    for (int i = 0; i < 2; i++)
        assert_refused(&sources, CONFIG_PATH,
                       "cannot read " CONFIG_PATH ": No such file or directory");
    redirected_path = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_files_win_and_can_be_read_again),
        cmocka_unit_test(an_instance_reads_its_own_file_over_the_shared_one),
        cmocka_unit_test(an_instance_needs_a_file_and_a_queue_of_its_own),
        cmocka_unit_test(instance_has_a_socket_of_its_own),
        cmocka_unit_test(instance_serves_metrics_only_where_its_own_file_says),
        cmocka_unit_test(files_that_are_no_configuration_are_told),
        cmocka_unit_test(file_that_cannot_be_opened_for_a_while_is_no_bad_configuration),
        cmocka_unit_test(the_environment_comes_before_the_command_line),
        cmocka_unit_test(standard_input_is_read_once),
        cmocka_unit_test(bad_standard_input_is_told),
        cmocka_unit_test(a_program_that_needs_no_queue_gets_the_rest),
        cmocka_unit_test(the_default_file_may_be_missing_when_the_queue_is_known),
        cmocka_unit_test(the_default_file_may_come_and_go_when_it_was_missing_at_the_start),
        cmocka_unit_test(the_default_file_must_stay_when_it_was_there_at_the_start),
    };
    char own_folder[96];
    int failed;

    strcpy(folder, "/tmp/test-config-load.XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    snprintf(base, sizeof(base), "%s/x.conf", folder);
    snprintf(own_folder, sizeof(own_folder), "%s/x.d", folder);
    snprintf(own, sizeof(own), "%s/orders.conf", own_folder);
    if (mkdir(own_folder, 0700) < 0)
        return 1;
    failed = cmocka_run_group_tests_name("daemon-config-load", tests, NULL, NULL);
    unlink(own);
    rmdir(own_folder);
    unlink(base);
    rmdir(folder);
    return failed;
}
