/* SPDX-License-Identifier: MIT */
/* daemon_main with a core that does what the test says. Standard error is the log. */
#include "daemon/main.h"
#include "test.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define CONFIG "aws: { queue_url = \"https://sqs.eu-west-3.amazonaws.com/1/q.fifo\"; };\n"

static const struct program program = {.name = "sqs-testd", .description = "Tests."};

static struct {
    int r;             /* what start returns */
    const char *error; /* NULL: none */
    unsigned n_started, n_freed;
} fake;

static char log_text[4096], config_path[32];

static int start(struct service *service, const struct config *config, void **ret, char **error)
{
    assert_string_equal(config->aws.queue_url, "https://sqs.eu-west-3.amazonaws.com/1/q.fifo");
    fake.n_started++;
    if (fake.error)
        *error = strdup(fake.error);
    if (fake.r != 0)
        return fake.r;
    daemon_log_started();
    service_exit(service, 42);
    *ret = &fake;
    return 0;
}

static void stop(void *core)
{
    assert_ptr_equal(core, &fake);
    fake.n_freed++;
}

/* Runs it as a program that is started with a good configuration. Returns the exit status. */
static int run(bool has_few_descriptors)
{
    int config = memfd_create("config", 0), log = memfd_create("log", MFD_CLOEXEC);
    int saved = dup(STDERR_FILENO), status, lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char option[64], *argv[] = {(char[]){"sqs-testd"}, option, NULL};
    struct rlimit before, few;
    ssize_t n;

    assert_int_equal(write(config, CONFIG, strlen(CONFIG)), strlen(CONFIG));
    snprintf(config_path, sizeof(config_path), "/proc/self/fd/%d", config);
    snprintf(option, sizeof(option), "--config=%s", config_path);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = (rlim_t)lowest + 1; /* one to read the configuration */
    close(lowest);
    fake.n_started = fake.n_freed = 0;

    dup2(log, STDERR_FILENO);
    setrlimit(RLIMIT_NOFILE, has_few_descriptors ? &few : &before);
    status = daemon_main(&program, &(struct daemon_core){start, stop}, 2, argv);
    setrlimit(RLIMIT_NOFILE, &before);
    dup2(saved, STDERR_FILENO);
    n = pread(log, log_text, sizeof(log_text) - 1, 0);
    log_text[n > 0 ? n : 0] = '\0';
    close(saved);
    close(log);
    close(config);
    return status;
}

static void core_that_starts_runs_and_is_freed(void **state)
{
    fake.r = 0;
    fake.error = NULL;
    assert_int_equal(run(false), 42);
    assert_string_equal(log_text, "Running...\n");
    assert_int_equal(fake.n_freed, 1);
}

static void core_that_fails_by_an_errno_is_told_and_ends_with_71(void **state)
{
    fake.r = -EMFILE;
    fake.error = NULL;
    assert_int_equal(run(false), EX_OSERR);
    assert_string_equal(log_text, "Cannot start: Too many open files.\n");
    assert_int_equal(fake.n_freed, 0);
}

static void core_that_fails_with_a_text_is_told_by_it(void **state)
{
    fake.r = -EIO;
    fake.error = "the disk cannot be read";
    assert_int_equal(run(false), EX_OSERR);
    assert_string_equal(log_text, "Cannot start: the disk cannot be read.\n");
}

/* The log says this alone, with the file and the line before it. */
static void assert_said_of_file(int line, const char *text)
{
    char expected[256];

    snprintf(expected, sizeof(expected), "%s:%d: %s", config_path, line, text);
    assert_string_equal(log_text, expected);
}

static void core_that_refuses_the_configuration_ends_with_78(void **state)
{
    fake.r = 1;
    fake.error = "consumer.command: names no program";
    assert_int_equal(run(false), EX_CONFIG);
    assert_said_of_file(1, "consumer.command: names no program\n");
}

static void service_that_cannot_be_set_up_is_told_and_ends_with_71(void **state)
{
    assert_int_equal(run(true), EX_OSERR);
    assert_string_equal(log_text, "Cannot start: Too many open files.\n");
    assert_int_equal(fake.n_started, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(core_that_starts_runs_and_is_freed),
        cmocka_unit_test(core_that_fails_by_an_errno_is_told_and_ends_with_71),
        cmocka_unit_test(core_that_fails_with_a_text_is_told_by_it),
        cmocka_unit_test(core_that_refuses_the_configuration_ends_with_78),
        cmocka_unit_test(service_that_cannot_be_set_up_is_told_and_ends_with_71),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
