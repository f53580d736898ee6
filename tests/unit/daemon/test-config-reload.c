/* SPDX-License-Identifier: MIT */
/* What a reload finds between two configurations, and what it exchanges. */
#include "config-fixture.h"

#include "daemon/config-reload.h"

/* Each setting has another value than its default. */
static const char all[] =
    "aws: { region = \"eu-west-1\"; queue_url = \"http://h/2/r\"; endpoint_url = \"http://h\";\n"
    "profile = \"p\"; ca_bundle = \"/c\"; use_fips_endpoint = true; use_dualstack_endpoint = "
    "true;\n"
    "connect_timeout = 1; request_timeout = 1; };\n"
    "log: { target = \"stderr\"; format = \"json\"; level = \"debug\"; };\n"
    "producer: { source = \"spool\"; submit_socket = \"/s\"; spool_max_messages = 7;\n"
    "spool_max_bytes = 1048576; start_delay = 7; messages_to_send = 7; send_interval = 7;\n"
    "message_group_id = \"g\"; groups = 7; max_connections = 7; batch_size = 7; batch_linger = 7;\n"
    "order = \"batch\"; rate_limit = 7; stop_timeout = 7;\n"
    "metrics_listen = \"127.0.0.1:1\"; };\n"
    "consumer: { handler = \"exec\"; command = [\"/bin/x\", \"y\"]; url = \"http://h/\";\n"
    "content_type = \"text/plain\"; timeout = 7; receive_memory = 16777216;\n"
    "ledger_max_messages = 7; ledger_max_age = 70; start_delay = 7; wait_time = 7;\n"
    "max_messages = 7; receivers = 7; concurrency = 7; visibility_timeout = 7; delete_linger = 2;\n"
    "retry_delay = 7; retry_delay_max = 7; receive_interval = 7; exit_after_empty_receives = 7;\n"
    "stop_timeout = 7; metrics_listen = \"127.0.0.1:2\"; };\n";

static void every_setting_has_a_class(void **state)
{
    for (size_t i = 0; i < config_n_settings; i++) {
        const char *name = config_reload_name(config_settings[i].reload);

        assert_true(streq(name, "now") || streq(name, "next message") || streq(name, "restart"));
    }
}

static void equal_configurations_have_no_changes(void **state)
{
    CLEANUP(config_free) struct config *a = parse(all), *b = parse(all);
    struct config_change change = {.name = "untouched"};
    size_t at = 0;

    assert_false(config_next_change(a, b, &at, &change));
    assert_string_equal(change.name, "untouched");
}

static void every_setting_that_differs_is_told_in_order(void **state)
{
    CLEANUP(config_free) struct config *a = parse(AWS), *b = parse(all);
    struct config_change change;
    size_t at = 0;

    for (size_t i = 0; i < config_n_settings; i++) {
        char name[CONFIG_CHANGE_NAME_SIZE];

        snprintf(name, sizeof(name), "%s.%s", config_settings[i].group, config_settings[i].name);
        assert_true(config_next_change(a, b, &at, &change));
        assert_string_equal(change.name, name);
        assert_int_equal(change.reload, config_settings[i].reload);
    }
    assert_false(config_next_change(a, b, &at, &change));
}

static void what_needs_a_restart_keeps_its_value(void **state)
{
    CLEANUP(config_free) struct config *running = parse(AWS), *next = parse(all);
    CLEANUP(config_free) struct config *first = parse(AWS), *second = parse(all);
    const char *queue_url = running->aws.queue_url, *socket = running->producer.submit_socket;
    struct config_change change;
    size_t at = 0, n = 0;

    assert_int_equal(config_keep_fixed(next, running), 0);
    while (config_next_change(running, next, &at, &change)) {
        assert_int_not_equal(change.reload, CONFIG_RELOAD_RESTART);
        n++;
    }
    assert_true(n > 0);
    config_exchange(running, next);
    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *s = config_settings + i;
        bool is_fixed = s->reload == CONFIG_RELOAD_RESTART;

        at = i;
        change.name[0] = '\0';
        config_next_change(running, is_fixed ? second : first, &at, &change);
        assert_int_equal(at, i + 1); /* differs */
    }
    /* Borrowed texts stay where they are. */
    assert_ptr_equal(running->aws.queue_url, queue_url);
    assert_ptr_equal(running->producer.submit_socket, socket);
    assert_int_equal(running->log.level, LOG_DEBUG);
    assert_string_equal(running->consumer.command[1], "y");
    assert_null(next->consumer.command[0]);
    assert_string_equal(running->consumer.url, "http://h/");
    assert_string_equal(next->consumer.url, "");
}

static void no_value_changes_when_all_changes_need_a_restart(void **state)
{
    CLEANUP(config_free) struct config *running = parse(AWS);
    CLEANUP(config_free)
    struct config *next =
        parse("aws: { " QUEUE " profile = \"p\"; }; log: { target = \"stderr\"; };");
    struct config_change change;
    size_t at = 0;

    assert_int_equal(config_keep_fixed(next, running), 0);
    assert_false(config_next_change(running, next, &at, &change));
    config_exchange(running, next);
    assert_string_equal(running->aws.profile, "");
    assert_int_equal(running->log.target, LOG_TARGET_AUTO);
}

/* The handler needs a restart; so what depends on it stays that of the handler in force. */
static void defaults_follow_the_handler_in_force(void **state)
{
    CLEANUP(config_free)
    struct config *running = parse(AWS "consumer: { handler = \"journal\"; };");
    CLEANUP(config_free)
    struct config *next = parse(AWS "consumer: { handler = \"exec\"; concurrency = 3; };");
    struct config_change change;
    size_t at = 0;

    assert_int_equal(next->consumer.exit_after_empty_receives, 0);
    assert_int_equal(config_keep_fixed(next, running), 0);
    assert_true(config_next_change(running, next, &at, &change));
    assert_string_equal(change.name, "consumer.concurrency");
    assert_false(config_next_change(running, next, &at, &change));
    config_exchange(running, next);
    assert_int_equal(running->consumer.exit_after_empty_receives, 10);
    assert_int_equal(running->consumer.handler, CONFIG_HANDLER_JOURNAL);
}

/* A value that the file had, and has no longer. */
static void what_needs_a_restart_stays_when_its_line_is_removed(void **state)
{
    CLEANUP(config_free)
    struct config *running = parse(AWS "producer: { submit_socket = \"/s\"; start_delay = 7; };"
                                       "consumer: { handler = \"exec\"; start_delay = 7; };");
    CLEANUP(config_free) struct config *next = parse(AWS);

    assert_int_equal(config_keep_fixed(next, running), 0);
    config_exchange(running, next);
    assert_string_equal(running->producer.submit_socket, "/s");
    assert_int_equal(running->producer.start_delay_usec, 7000000);
    assert_int_equal(running->consumer.start_delay_usec, 7000000);
    assert_int_equal(running->consumer.exit_after_empty_receives, 0);
}

/* Without a ledger there is nothing to which a bound could apply. */
static void a_ledger_comes_and_goes_with_a_restart_alone(void **state)
{
    static const struct {
        const char *before, *after;
        enum config_reload reload;
    } cases[] = {
        {"0", "5", CONFIG_RELOAD_RESTART},
        {"5", "0", CONFIG_RELOAD_RESTART},
        {"5", "6", CONFIG_RELOAD_NEXT_MESSAGE},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char before[256], after[256];
        CLEANUP(config_free) struct config *a = NULL, *b = NULL;
        struct config_change change;
        size_t at = 0;

        snprintf(before, sizeof(before), AWS "consumer: { ledger_max_messages = %s; };",
                 cases[i].before);
        snprintf(after, sizeof(after), AWS "consumer: { ledger_max_messages = %s; };",
                 cases[i].after);
        a = parse(before);
        b = parse(after);
        assert_true(config_next_change(a, b, &at, &change));
        assert_string_equal(change.name, "consumer.ledger_max_messages");
        assert_int_equal(change.reload, cases[i].reload);
        assert_int_equal(config_keep_fixed(b, a), 0);
        at = 0;
        assert_int_equal(config_next_change(a, b, &at, &change),
                         cases[i].reload != CONFIG_RELOAD_RESTART);
    }
}

static void commands_differ_by_each_word(void **state)
{
    static const struct {
        const char *a, *b;
        bool differ;
    } cases[] = {
        {"[]", "[]", false},
        {"[]", "[\"a\"]", true},
        {"[\"a\", \"b\"]", "[\"a\", \"b\"]", false},
        {"[\"a\", \"b\"]", "[\"a\", \"c\"]", true},
        {"[\"a\", \"b\"]", "[\"a\"]", true},
        {"[\"a\"]", "[\"a\", \"\"]", true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[2][256];
        CLEANUP(config_free) struct config *a = NULL, *b = NULL;
        struct config_change change;
        size_t at = 0;

        snprintf(text[0], sizeof(text[0]), AWS "consumer: { command = %s; };", cases[i].a);
        snprintf(text[1], sizeof(text[1]), AWS "consumer: { command = %s; };", cases[i].b);
        a = parse(text[0]);
        b = parse(text[1]);
        assert_int_equal(config_next_change(a, b, &at, &change), cases[i].differ);
        config_exchange(a, b);
        at = 0;
        assert_int_equal(config_next_change(a, b, &at, &change), cases[i].differ);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_setting_has_a_class),
        cmocka_unit_test(equal_configurations_have_no_changes),
        cmocka_unit_test(every_setting_that_differs_is_told_in_order),
        cmocka_unit_test(what_needs_a_restart_keeps_its_value),
        cmocka_unit_test(no_value_changes_when_all_changes_need_a_restart),
        cmocka_unit_test(defaults_follow_the_handler_in_force),
        cmocka_unit_test(what_needs_a_restart_stays_when_its_line_is_removed),
        cmocka_unit_test(a_ledger_comes_and_goes_with_a_restart_alone),
        cmocka_unit_test(commands_differ_by_each_word),
    };

    return cmocka_run_group_tests_name("daemon-config-reload", tests, NULL, NULL);
}
