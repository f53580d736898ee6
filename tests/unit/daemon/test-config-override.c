/* SPDX-License-Identifier: MIT */
/* --set and the environment: what they set, and how what is wrong with them is told. */
#include "config-fixture.h"

#include "daemon/config-override.h"

static struct config *new_config(void)
{
    struct config *config = NULL;

    assert_int_equal(config_new(&config), 0);
    return config;
}

static struct config *set(const char *assignment)
{
    CLEANUP(config_free) struct config *config = new_config();
    CLEANUP(free) char *error = NULL;

    if (config_add_set(config, assignment, &error) != 0)
        print_error("%s: %s\n", assignment, error);
    assert_null(error);
    return TAKE(config);
}

static void assert_set_refused(const char *assignment, const char *expected)
{
    CLEANUP(config_free) struct config *config = new_config();
    CLEANUP(free) char *error = NULL;

    assert_int_equal(config_add_set(config, assignment, &error), CONFIG_E_INVALID);
    if (!strstr(error, expected))
        assert_string_equal(error, expected);
    assert_null(strchr(error, '\n'));
}

static void every_kind_of_value_can_be_set(void **state)
{
    CLEANUP(config_free) struct config *c = set("aws.queue_url=https://h/1/q.fifo");

    assert_string_equal(c->aws.queue_url, "https://h/1/q.fifo");
    config_free(c);
    c = set("aws.profile=a=b");
    assert_string_equal(c->aws.profile, "a=b");
    config_free(c);
    c = set("aws.profile=\"quoted\"");
    assert_string_equal(c->aws.profile, "quoted");
    config_free(c);
    c = set("aws.profile=");
    assert_string_equal(c->aws.profile, "");
    config_free(c);
    c = set("aws.profile=5");
    assert_string_equal(c->aws.profile, "5");
    config_free(c);
    c = set("aws.use_fips_endpoint=true");
    assert_true(c->aws.use_fips_endpoint);
    config_free(c);
    c = set("log.level=debug");
    assert_int_equal(c->log.level, LOG_DEBUG);
    config_free(c);
    c = set("producer.send_interval=0.25");
    assert_int_equal(c->producer.send_interval_usec, 250000);
    config_free(c);
    c = set("producer.messages_to_send=5000000000");
    assert_int_equal(c->producer.messages_to_send, 5000000000);
    config_free(c);
    c = set("consumer.wait_time=20");
    assert_int_equal(c->consumer.wait_time_usec, 20000000);
    config_free(c);
    c = set("consumer.concurrency=0x10");
    assert_int_equal(c->consumer.concurrency, 16);
    config_free(c);
    c = set("consumer.command=[\"/bin/a b\", \"=;]\", \"\"]");
    assert_string_equal(c->consumer.command[0], "/bin/a b");
    assert_string_equal(c->consumer.command[1], "=;]");
    assert_string_equal(c->consumer.command[2], "");
    assert_null(c->consumer.command[3]);
}

static void a_bad_set_is_told_like_a_bad_file(void **state)
{
    static const char *const cases[][2] = {
        {"producer.batch_size=11",
         "--set: producer.batch_size: found 11, allowed a whole number, 1 to 10"},
        {"producer.batch_size=", "--set: producer.batch_size: found nothing, allowed a whole"},
        {"producer.batch_size=many", "producer.batch_size: found many, allowed a whole number"},
        {"producer.batch_size=1; groups = 2", "found 1; groups = 2, allowed a whole number"},
        {"producer.batch_size=1 # one\n; groups = 2", "found 1 # one\\n; groups = 2, allowed"},
        {"producer.batch_size=010", "producer.batch_size: found 010, allowed a whole number"},
        {"producer.batch_size=5 /*", "producer.batch_size: found 5 /*, allowed a whole number"},
        {"producer.batch_size=\"5\"", "producer.batch_size: found \"5\", allowed a whole number"},
        {"producer.batch_size=5\n@include \"/etc/passwd\"", "found ***@include"},
        {"producer.batch_size=1.0", "producer.batch_size: found 1, allowed a whole number"},
        {"aws.use_fips_endpoint=yes", "aws.use_fips_endpoint: found yes, allowed true or false"},
        {"log.level=loud", "--set: log.level: found \"loud\", allowed \"error\", \"warning\""},
        {"aws.profile=a\x1b[0m", "--set: aws.profile: found \"a\\x1b[0m\", allowed a profile"},
        {"aws.profile=\"open", "--set: aws.profile: found \"open, allowed a profile"},
        {"aws.queue_url=https://u:hunter2@h/q",
         "aws.queue_url: found \"https://***@h/q\", allowed"},
        {"consumer.command=/bin/true", "consumer.command: found /bin/true, allowed an array"},
        {"consumer.command=[/bin/true]", "consumer.command: found [/bin/true], allowed an array"},
        {"consumer.command=[\"a\",]", "consumer.command: found [\"a\" ***, allowed an array"},
        {"consumer.command=[\"a\", \"--key=secret\"",
         "consumer.command: found [\"a\" ***, allowed an array"},
        {"consumer.command=/bin/a --key=secret",
         "consumer.command: found /bin/a ***, allowed an array"},
        {"producer.batchsize=3",
         "--set: producer.batchsize (did you mean batch_size?): found an unknown setting, allowed "
         "source, submit_socket"},
        {"producer.wait_time=3", "producer.wait_time (it belongs in group consumer): found"},
        {"produce.batch_size=3",
         "--set: produce (did you mean producer?): found an unknown group, allowed group aws"},
        {"batch_size=3", "--set: batch_size (did you mean batch_size in group producer?): found"},
        {"=3", "--set: : found an unknown setting"},
        {".=3", "--set: : found an unknown group"},
        {"producer.=3", "--set: producer.: found an unknown setting"},
        {"producer.batch_size", "--set: found no \"=\", allowed GROUP.NAME=VALUE"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_set_refused(cases[i][0], cases[i][1]);
}

static void every_setting_has_a_variable(void **state)
{
    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *s = config_settings + i;
        CLEANUP(buffer_done) struct buffer name = BUFFER_INIT(128), entry = BUFFER_INIT(256);
        CLEANUP(config_free) struct config *config = new_config();
        CLEANUP(free) char *error = NULL;
        char *environment[] = {(char[]){"HOME=/"}, NULL, NULL};

        /* No setting takes this text. */
        config_append_variable(&name, s);
        buffer_printf(&entry, "%s=\x01", buffer_string(&name));
        environment[1] = entry.data;
        assert_int_equal(config_add_environment(config, environment, &error), CONFIG_E_INVALID);
        assert_memory_equal(error, name.data, name.size);
        assert_memory_equal(error + name.size, ": ", 2);
        assert_memory_equal(error + name.size + 2, s->group, strlen(s->group));
        assert_non_null(strstr(error, s->name));
        assert_non_null(strstr(error, ": found "));
    }
}

static void variables_set_what_they_name(void **state)
{
    CLEANUP(config_free) struct config *config = new_config();
    CLEANUP(buffer_done) struct buffer shown = BUFFER_INIT(65536);
    char *environment[] = {
        (char[]){"SQS_DEMO_AWS_QUEUE_URL=https://h/1/q"},
        (char[]){"SQS_DEMO_PRODUCER_BATCH_SIZE=7"},
        (char[]){"SQS_DEMO_PRODUCER_BATCH_SIZE=8"}, /* as with getenv, the first counts */
        (char[]){"SQS_DEMO_CONSUMER_CONCURRENCY="}, /* not set */
        (char[]){"SQS_DEMO_PRODUCER_GROUPS"},       /* no variable */
        (char[]){"XSQS_DEMO_PRODUCER_GROUPS=3"},
        (char[]){"SQS_DEMO_CONSUMER_COMMAND=[\"/bin/x\"]"},
        NULL,
    };

    assert_int_equal(config_add_environment(config, environment, NULL), 0);
    assert_int_equal(config_finish(config, NULL), 0);
    assert_string_equal(config->aws.queue_url, "https://h/1/q");
    assert_int_equal(config->producer.batch_size, 7);
    assert_int_equal(config->consumer.concurrency, 1);
    assert_int_equal(config->producer.groups, 1);
    assert_string_equal(config->consumer.command[0], "/bin/x");
    assert_int_equal(config_format(config, &shown), 0);
    assert_non_null(strstr(shown.data, "(default 1) [SQS_DEMO_PRODUCER_BATCH_SIZE]\n"));
}

static void the_command_line_wins_over_environment_and_file(void **state)
{
    CLEANUP(config_free) struct config *config = new_config();
    CLEANUP(buffer_done) struct buffer shown = BUFFER_INIT(65536), places = BUFFER_INIT(4096);
    static const char file[] =
        AWS "producer: { batch_size = 2; groups = 2; max_connections = 2; };";
    char *environment[] = {(char[]){"SQS_DEMO_PRODUCER_BATCH_SIZE=3"},
                           (char[]){"SQS_DEMO_PRODUCER_GROUPS=3"}, NULL};

    assert_int_equal(config_add_file(config, "x\n.conf", file, strlen(file), NULL), 0);
    config_append_places(&places, config);
    assert_string_equal(buffer_string(&places), "x\\n.conf");
    assert_int_equal(config_add_environment(config, environment, NULL), 0);
    assert_int_equal(config_add_set(config, "producer.batch_size=4", NULL), 0);
    assert_int_equal(config->producer.batch_size, 4);
    assert_int_equal(config->producer.groups, 3);
    assert_int_equal(config->producer.max_connections, 2);
    assert_int_equal(config_format(config, &shown), 0);
    assert_non_null(strstr(shown.data, "(default 1) [--set]\n"));
    assert_non_null(strstr(shown.data, "(default 1) [SQS_DEMO_PRODUCER_GROUPS]\n"));
    assert_non_null(strstr(shown.data, "(default 1) [x\\n.conf:1]\n"));

    buffer_reset(&places);
    config_append_places(&places, config);
    assert_string_equal(buffer_string(&places), "x\\n.conf, the environment, --set");
}

static void a_fault_that_a_check_finds_later_is_told_with_its_place(void **state)
{
    CLEANUP(config_free) struct config *config = new_config();
    static const char file[] = "\n" AWS "\n\nproducer: { batch_size = 2; };";
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"aws.queue_url: bad", "x.conf:2: aws.queue_url: bad"},
        {"aws.queue_url is bad", "x.conf:2: aws.queue_url is bad"},
        {"producer.batch_size: bad", "SQS_DEMO_PRODUCER_BATCH_SIZE: producer.batch_size: bad"},
        {"producer.groups: bad", "--set: producer.groups: bad"},
        {"producer.order: bad", "x.conf:4: producer.order: bad"},         /* its group */
        {"consumer.url is not set", "x.conf:1: consumer.url is not set"}, /* no group */
        {"aws.queue_urls: bad", "aws.queue_urls: bad"},
        {"cannot read /x: bad", "cannot read /x: bad"},
        {"", ""},
    };
    char *environment[] = {(char[]){"SQS_DEMO_PRODUCER_BATCH_SIZE=3"}, NULL};
    CLEANUP(buffer_done) struct buffer none = BUFFER_INIT(256);

    config_append_fault(&none, config, "aws.queue_url: bad");
    assert_string_equal(buffer_string(&none), "the configuration: aws.queue_url: bad");
    assert_int_equal(config_add_file(config, "x.conf", file, strlen(file), NULL), 0);
    assert_int_equal(config_add_environment(config, environment, NULL), 0);
    assert_int_equal(config_add_set(config, "producer.groups=4", NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(256);

        config_append_fault(&b, config, cases[i].text);
        assert_string_equal(buffer_string(&b), cases[i].expected);
    }
}

static void unknown_variables_are_told_with_the_nearest_known(void **state)
{
    char *environment[] = {
        (char[]){"HOME=/"},
        (char[]){"SQS_DEMO_PRODUCER_BATCHSIZE=7"},
        (char[]){"SQS_DEMO_PRODUCER_BATCH_SIZE=7"},
        (char[]){"SQS_DEMO_AWS_QUEUE_URL="},
        (char[]){"SQS_DEMO_SOMETHING\x1b=1"},
        (char[]){"SQS_DEMO_"},
        NULL,
    };
    static const char *const expected[] = {
        ("SQS_DEMO_PRODUCER_BATCHSIZE is not a setting, so it has no effect; did you mean "
         "SQS_DEMO_PRODUCER_BATCH_SIZE?"),
        "SQS_DEMO_SOMETHING\\x1b is not a setting, so it has no effect",
        "SQS_DEMO_ is not a setting, so it has no effect",
    };
    size_t at = 0;

    for (size_t i = 0; i <= ARRAY_SIZE(expected); i++) {
        CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(4096);

        assert_int_equal(config_next_unknown_variable(environment, &at, &line),
                         i < ARRAY_SIZE(expected));
        assert_string_equal(buffer_string(&line), i < ARRAY_SIZE(expected) ? expected[i] : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value_can_be_set),
        cmocka_unit_test(a_bad_set_is_told_like_a_bad_file),
        cmocka_unit_test(every_setting_has_a_variable),
        cmocka_unit_test(variables_set_what_they_name),
        cmocka_unit_test(the_command_line_wins_over_environment_and_file),
        cmocka_unit_test(a_fault_that_a_check_finds_later_is_told_with_its_place),
        cmocka_unit_test(unknown_variables_are_told_with_the_nearest_known),
    };

    return cmocka_run_group_tests_name("daemon-config-override", tests, NULL, NULL);
}
