/* SPDX-License-Identifier: MIT */
/* reload_run with a core that does what the test says. Standard error is the log. */
#include "config-fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/reload.h"
#include "test-open.h"
#include "util/log.h"

static struct {
    int prepare_r;
    unsigned n_prepared, n_reconfigured;
    unsigned batch_size; /* what the core has found at the last reconfiguration */
} fake;

static char path[64], aws_path[64], log_text[16384];
static struct config *config;
static struct config_sources sources;

static int prepare(void *core, const struct config *next, char **error)
{
    fake.n_prepared++;
    if (fake.prepare_r > 0)
        *error = strdup("producer.batch_size: found 7, and the core wants another");
    return fake.prepare_r;
}

static int reconfigure(void *core, const char *ca_bundle)
{
    fake.n_reconfigured++;
    fake.batch_size = config->producer.batch_size;
    return 0;
}

static bool is_producer;

/* What the core has in force. */
static struct aws_effective_settings *in_force;

static const struct aws_effective_settings *aws_settings(const void *core)
{
    return in_force;
}

static void write_to(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void write_file(const char *text)
{
    write_to(path, text);
}

/* Reads the file again; log_text is what was said. */
static void reload(void)
{
    const struct daemon_core core = {
        .prepare = prepare,
        .reconfigure = reconfigure,
        .aws_settings = aws_settings,
        .foreign_group = is_producer ? "consumer" : "producer",
    };
    struct reload r = {.sources = &sources, .config = config, .core = &core};
    int log = memfd_create("log", MFD_CLOEXEC), saved = dup(STDERR_FILENO);
    ssize_t n;

    fflush(stderr);
    dup2(log, STDERR_FILENO);
    reload_run(&r);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    n = pread(log, log_text, sizeof(log_text) - 1, 0);
    log_text[MAX(n, 0)] = '\0';
    close(saved);
    close(log);
}

static int set_up(void **state)
{
    char *error = NULL;

    memset(&fake, 0, sizeof(fake));
    unsetenv("AWS_CA_BUNDLE"); /* each reload reads it; that of a system is large */
    is_producer = true;
    log_open("test", LOG_TARGET_STDERR, LOG_INFO, LOG_COLOUR_NONE);
    snprintf(path, sizeof(path), "/tmp/test-reload.%d", (int)getpid());
    write_file(AWS);
    sources = (struct config_sources){.files = {path}, .n_files = 1};
    return config_load(&sources, &config, NULL, &error);
}

static int tear_down(void **state)
{
    config = config_free(config);
    config_sources_done(&sources);
    in_force = aws_effective_settings_free(in_force);
    unlink(path);
    unlink(aws_path);
    unsetenv("AWS_CONFIG_FILE");
    return 0;
}

static void assert_said(const char *text)
{
    if (!strstr(log_text, text))
        fail_msg("not said: %s\nbut: %s", text, log_text);
}

static void what_changes_is_told_and_the_core_finds_it(void **state)
{
    write_file(AWS " producer: { batch_size = 7; rate_limit = 5; };");
    reload();
    assert_string_equal(log_text, "The settings were read again: producer.batch_size 1 -> 7, "
                                  "producer.rate_limit 0 -> 5.\n");
    assert_int_equal(fake.n_prepared, 1);
    assert_int_equal(fake.n_reconfigured, 1);
    assert_int_equal(fake.batch_size, 7);
}

/* Files of keys and of certificates may have changed. */
static void without_a_change_the_core_is_told_all_the_same(void **state)
{
    reload();
    assert_string_equal(log_text, "The settings were read again: none has changed.\n");
    assert_int_equal(fake.n_reconfigured, 1);
}

static void settings_of_the_other_daemon_are_not_told(void **state)
{
    write_file(AWS " consumer: { handler = \"exec\"; concurrency = 7; };");
    reload();
    assert_string_equal(log_text, "The settings were read again: none has changed.\n");
}

static void core_that_refuses_keeps_all_values(void **state)
{
    static const int results[] = {1, -ENOMEM};
    char expected[96];

    snprintf(expected, sizeof(expected), "%s:2: producer.batch_size: found 7", path);

    for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
        fake.prepare_r = results[i];
        write_file(AWS "\nproducer: { batch_size = 7; groups = 3; }; log: { level = \"debug\"; };");
        reload();
        assert_said("The settings stay as they were: ");
        if (results[i] > 0)
            assert_said(expected);
        assert_said("(without a restart these stay as they were: producer.groups)");
        assert_int_equal(config->producer.batch_size, 1);
        assert_false(log_enabled(LOG_DEBUG));
    }
    assert_said("Cannot allocate memory");
    assert_int_equal(fake.n_reconfigured, 0);
    assert_null(strstr(log_text, "read again"));
}

static void file_that_is_wrong_is_not_shown_to_the_core(void **state)
{
    static const char *const wrong[] = {
        "",
        "aws: { queue",
        AWS " producer: { batch_size = 11; };",
        AWS " producer: { nothing = 1; };",
        "aws: { queue_url = \"https://h/\"; };" /* no queue */,
    };

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        write_file(wrong[i]);
        reload();
        assert_said("The settings stay as they were: ");
        assert_said(path);
    }
    unlink(path);
    reload();
    assert_said("The settings stay as they were: cannot read ");
    assert_int_equal(fake.n_prepared + fake.n_reconfigured, 0);
}

static void file_that_cannot_be_read_changes_nothing_and_the_remedy_is_told(void **state)
{
    unopenable_path = path;
    unopenable_errno = EACCES;
    reload();
    unopenable_path = NULL;
    assert_said("The settings stay as they were: cannot read ");
    assert_said(path);
    assert_said(": Permission denied; make it and its folders readable for this user");
    assert_int_equal(fake.n_prepared + fake.n_reconfigured, 0);
}

/* consumer.start_delay and others have another default with this handler. */
static void defaults_that_follow_a_setting_are_not_said_to_need_a_restart(void **state)
{
    is_producer = false;
    write_file(AWS " consumer: { handler = \"exec\"; };");
    reload();
    assert_string_equal(log_text,
                        "These settings need a restart, and keep their values until then: "
                        "consumer.handler.\n"
                        "The settings were read again: nothing else has changed.\n");
    write_file(AWS " log: { target = \"stderr\"; }; consumer: { concurrency = 7; };");
    reload();
    assert_string_equal(log_text,
                        "These settings need a restart, and keep their values until then: "
                        "log.target.\n"
                        "The settings were read again: consumer.concurrency 1 -> 7.\n");
}

static void value_that_was_written_and_is_now_a_default_needs_a_restart(void **state)
{
    is_producer = false;
    write_file(AWS " consumer: { start_delay = 7; };");
    config = config_free(config);
    assert_int_equal(config_load(&sources, &config, NULL, NULL), 0);
    write_file(AWS);
    for (int i = 0; i < 2; i++) {
        reload();
        assert_said("keep their values until then: consumer.start_delay.\n");
    }
}

/* The configuration says nothing of these, and AWS's file is another than at the start. */
static void what_has_changed_in_awss_files_needs_a_restart(void **state)
{
#define OWN_SERVER "aws: { queue_url = \"https://h/1/q\"; };"
    static const struct {
        const char *file, *before, *after, *named;
    } cases[] = {
        {OWN_SERVER, "region = eu-west-1\n", "region = eu-west-2\n", "the profile's region"},
        {OWN_SERVER, "region = eu-west-1\nendpoint_url = http://h:1\n",
         "region = eu-west-1\nendpoint_url = http://h:2\n", "the profile's endpoint_url"},
        {OWN_SERVER, "region = eu-west-1\nendpoint_url = http://h:1\nservices = s\n[services s]\n",
         "region = eu-west-1\nendpoint_url = http://h:1\nservices = s\n[services s]\nsts =\n  "
         "endpoint_url = http://h:3\n",
         "the profile's endpoint_url"},
        {AWS, "", "endpoint_url = http://h:1\n", "the profile's endpoint_url"},
        {AWS, "", "use_fips_endpoint = true\n", "the profile's use_fips_endpoint"},
        {AWS, "", "use_dualstack_endpoint = true\n", "the profile's use_dualstack_endpoint"},
        {AWS, "", "ca_bundle = /etc/ssl/certs/ca-certificates.crt\n", NULL},
    };

    snprintf(aws_path, sizeof(aws_path), "/tmp/test-reload-aws.%d", (int)getpid());
    setenv("AWS_CONFIG_FILE", aws_path, 1);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[512], warning[256] = "";

        in_force = aws_effective_settings_free(in_force);
        config = config_free(config);
        write_file(cases[i].file);
        assert_int_equal(config_load(&sources, &config, NULL, NULL), 0);
        snprintf(text, sizeof(text), "[default]\n%s", cases[i].before);
        write_to(aws_path, text);
        assert_int_equal(aws_effective_settings_read(&config->aws, &in_force, NULL), 0);
        reload();
        assert_string_equal(log_text, "The settings were read again: none has changed.\n");

        snprintf(text, sizeof(text), "[default]\n%s", cases[i].after);
        write_to(aws_path, text);
        if (cases[i].named)
            snprintf(warning, sizeof(warning),
                     "These settings need a restart, and keep their values until then: %s.\n",
                     cases[i].named);
        snprintf(text, sizeof(text), "%sThe settings were read again: %s.\n", warning,
                 cases[i].named ? "nothing else has changed" : "none has changed");
        for (int n = 0; n < 2; n++) {
            reload();
            assert_string_equal(log_text, text);
        }
    }
}

static void texts_are_told_without_what_may_be_secret(void **state)
{
    is_producer = false;
    write_file(AWS " consumer: { handler = \"exec\"; command = [\"/bin/a\", \"--key=secret\"]; };");
    config = config_free(config);
    assert_int_equal(config_load(&sources, &config, NULL, NULL), 0);
    write_file(AWS " consumer: { handler = \"exec\"; command = [\"/bin/a\", \"--key=other\"]; };");
    reload();
    assert_string_equal(log_text,
                        "The settings were read again: consumer.command [\"/bin/a\", ...] "
                        "(in a part that is not shown).\n");
    write_file(AWS " consumer: { handler = \"exec\"; command = [\"/bin/b\"]; "
                   "content_type = \"text/x\"; url = \"http://h/a\"; };");
    reload();
    assert_string_equal(log_text, "The settings were read again: "
                                  "consumer.command [\"/bin/a\", ...] -> [\"/bin/b\"], "
                                  "consumer.url \"\" -> \"http://h/a\", "
                                  "consumer.content_type \"application/json\" -> \"text/x\".\n");
}

static void level_changes_at_once_and_the_line_is_seen_before_and_after(void **state)
{
    write_file(AWS " log: { level = \"error\"; };");
    reload();
    assert_said("log.level \"info\" -> \"error\"");
    assert_false(log_enabled(LOG_WARNING));
    write_file(AWS " log: { level = \"debug\"; };");
    reload();
    assert_said("log.level \"error\" -> \"debug\"");
    assert_true(log_enabled(LOG_DEBUG));
}

/* A valid value that is not the default. */
static void append_other_value(struct buffer *b, const struct setting *s)
{
    static const struct {
        const char *name, *value;
    } texts[] = {
        {"region", "eu-west-1"},
        {"queue_url", "https://sqs.eu-west-1.amazonaws.com/1/other"},
        {"endpoint_url", "https://other"},
        {"ca_bundle", "/etc/ssl/certs/ca-certificates.crt"},
        {"url", "http://other/"},
        {"content_type", "text/other"},
        {"submit_socket", "/other"},
        {"metrics_listen", "unix:/other"},
    };
    const char *text = "other";

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (streq(texts[i].name, s->name))
            text = texts[i].value;
    if (s->kind == SETTING_STRING)
        buffer_printf(b, "\"%s\"", text);
    else if (s->kind == SETTING_STRINGS)
        buffer_printf(b, "[\"/other\"]");
    else if (s->kind == SETTING_BOOL)
        config_append_value(b, s, !config_number(config, s));
    else if (s->kind == SETTING_CHOICE)
        buffer_printf(b, "\"%s\"",
                      s->choices[config_number(config, s) == (uint64_t)s->choices[0].value].name);
    else
        config_append_value(b, s, config_number(config, s) == s->min ? s->max : s->min);
}

/* One setting after the other changes. */
static void each_setting_does_as_its_class_says(void **state)
{
    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *s = config_settings + i;
        CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(4096), name = BUFFER_INIT(256);
        bool is_fixed = s->reload == CONFIG_RELOAD_RESTART || s->zero_needs_restart;

        tear_down(state);
        assert_int_equal(set_up(state), 0);
        is_producer = !streq(s->group, "consumer");
        if (streq(s->name, "queue_url"))
            buffer_append_string(&text, "aws: { ");
        else if (streq(s->group, "aws"))
            buffer_append_string(&text, "aws: { " QUEUE);
        else
            buffer_printf(&text, AWS " %s: { ", s->group);
        buffer_printf(&text, "%s = ", s->name);
        append_other_value(&text, s);
        buffer_append_string(&text, "; };");
        write_file(buffer_string(&text));
        reload();
        buffer_printf(&name, "%s.%s", s->group, s->name);
        assert_said(buffer_string(&name));
        if (is_fixed) {
            assert_said("These settings need a restart, and keep their values until then: ");
            assert_said("nothing else has changed");
        } else {
            assert_null(strstr(log_text, "need a restart"));
            assert_null(strstr(log_text, "none has changed"));
        }
        assert_int_equal(fake.n_reconfigured, 1);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_changes_is_told_and_the_core_finds_it),
        TEST(without_a_change_the_core_is_told_all_the_same),
        TEST(settings_of_the_other_daemon_are_not_told),
        TEST(core_that_refuses_keeps_all_values),
        TEST(file_that_is_wrong_is_not_shown_to_the_core),
        TEST(file_that_cannot_be_read_changes_nothing_and_the_remedy_is_told),
        TEST(defaults_that_follow_a_setting_are_not_said_to_need_a_restart),
        TEST(value_that_was_written_and_is_now_a_default_needs_a_restart),
        TEST(what_has_changed_in_awss_files_needs_a_restart),
        TEST(texts_are_told_without_what_may_be_secret),
        TEST(level_changes_at_once_and_the_line_is_seen_before_and_after),
        TEST(each_setting_does_as_its_class_says),
    };

    return cmocka_run_group_tests_name("reload", tests, NULL, NULL);
}
