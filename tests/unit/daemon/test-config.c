/* SPDX-License-Identifier: MIT */
/* Settings: their defaults, ranges and kinds, and how they are shown. */
#include "config-fixture.h"

#include "daemon/config-reload.h"

static void every_setting_is_read(void **state)
{
    CLEANUP(config_free)
    struct config *c = parse(
        "aws = { region = \"us-gov-west-1\"; " QUEUE " endpoint_url = \"HTTP://[::1]:9/x\";\n"
        "profile = \"J\xc3\xbcrgen \\\"x\\\"\"; ca_bundle = \"/a b\"; use_fips_endpoint = TRUE;\n"
        "use_dualstack_endpoint = true, connect_timeout = 0.1, request_timeout = 300 }\n"
        "log: { target = \"stderr\"; format = \"json\"; level = \"debug\"; }\n"
        "producer: { source = \"spool\"; submit_socket = \"/s\"; spool_max_messages = 1;\n"
        "spool_max_bytes = 1099511627776; start_delay = 0; messages_to_send = 0; send_interval = "
        "86400.0;\n"
        "message_group_id = \"!#$~\"; groups = 10000; max_connections = 64; batch_size = 10;\n"
        "batch_linger = 0.05; order = \"batch\"; rate_limit = 1000000; stop_timeout = 0;\n"
        "metrics_listen = \"[::1]:65535\"; }; # end\n"
        "consumer: { handler = \"exec\"; command = [\"/bin/x y\", \"\", \"\\\"z\\\"\"];\n"
        "url = \"unix:/a b:/c\"; content_type = \"text/plain; charset=utf-8\"; timeout = 0.1;\n"
        "ledger_max_messages = 0; ledger_max_age = 60; start_delay = .25; wait_time = 20.0; "
        "max_messages = 0xA; // ten\n"
        "receivers = 32; receive_memory = 16777216; concurrency = 1000; visibility_timeout = "
        "43200; delete_linger = 0.02;\n"
        "retry_delay = 0; retry_delay_max = 43200;\n"
        "receive_interval = 1e-6; exit_after_empty_receives = 0; stop_timeout = 3600;\n"
        "metrics_listen = \"unix:/m\"; };");

    assert_string_equal(c->aws.region, "us-gov-west-1");
    assert_string_equal(c->aws.endpoint_url, "HTTP://[::1]:9/x");
    assert_string_equal(c->aws.profile, "J\xc3\xbcrgen \"x\"");
    assert_string_equal(c->aws.ca_bundle, "/a b");
    assert_true(c->aws.use_fips_endpoint);
    assert_true(c->aws.use_dualstack_endpoint);
    assert_int_equal(c->aws.connect_timeout_usec, 100000);
    assert_int_equal(c->aws.request_timeout_usec, 300000000);
    assert_int_equal(c->log.target, LOG_TARGET_STDERR);
    assert_int_equal(c->log.format, LOG_FORMAT_JSON);
    assert_int_equal(c->log.level, LOG_DEBUG);
    assert_int_equal(c->producer.source, CONFIG_SOURCE_SPOOL);
    assert_string_equal(c->producer.submit_socket, "/s");
    assert_int_equal(c->producer.spool_max_messages, 1);
    assert_int_equal(c->producer.spool_max_bytes, UINT64_C(1099511627776));
    assert_int_equal(c->producer.start_delay_usec, 0);
    assert_int_equal(c->producer.messages_to_send, 0);
    assert_int_equal(c->producer.send_interval_usec, UINT64_C(86400000000));
    assert_string_equal(c->producer.message_group_id, "!#$~");
    assert_int_equal(c->producer.groups, 10000);
    assert_int_equal(c->producer.max_connections, 64);
    assert_int_equal(c->producer.batch_size, 10);
    assert_int_equal(c->producer.batch_linger_usec, 50000);
    assert_int_equal(c->producer.order, CONFIG_ORDER_BATCH);
    assert_int_equal(c->producer.rate_limit, 1000000);
    assert_int_equal(c->producer.stop_timeout_usec, 0);
    assert_string_equal(c->producer.metrics_listen, "[::1]:65535");
    assert_string_equal(c->consumer.metrics_listen, "unix:/m");
    assert_int_equal(c->consumer.handler, CONFIG_HANDLER_EXEC);
    assert_string_equal(c->consumer.command[0], "/bin/x y");
    assert_string_equal(c->consumer.command[1], "");
    assert_string_equal(c->consumer.command[2], "\"z\"");
    assert_null(c->consumer.command[3]);
    assert_string_equal(c->consumer.url, "unix:/a b:/c");
    assert_string_equal(c->consumer.content_type, "text/plain; charset=utf-8");
    assert_int_equal(c->consumer.timeout_usec, 100000);
    assert_int_equal(c->consumer.ledger_max_messages, 0);
    assert_int_equal(c->consumer.ledger_max_age_usec, 60000000);
    assert_int_equal(c->consumer.start_delay_usec, 250000);
    assert_int_equal(c->consumer.wait_time_usec, 20000000);
    assert_int_equal(c->consumer.max_messages, 10);
    assert_int_equal(c->consumer.receivers, 32);
    assert_int_equal(c->consumer.receive_memory, 16777216);
    assert_int_equal(c->consumer.concurrency, 1000);
    assert_int_equal(c->consumer.visibility_timeout_usec, UINT64_C(43200000000));
    assert_int_equal(c->consumer.delete_linger_usec, 20000);
    assert_int_equal(c->consumer.retry_delay_usec, 0);
    assert_int_equal(c->consumer.retry_delay_max_usec, UINT64_C(43200000000));
    assert_int_equal(c->consumer.receive_interval_usec, 1);
    assert_int_equal(c->consumer.exit_after_empty_receives, 0);
    assert_int_equal(c->consumer.stop_timeout_usec, UINT64_C(3600000000));
}

static void durations_round_to_microseconds(void **state)
{
    static const struct {
        const char *text;
        uint64_t usec;
    } cases[] = {
        {"0.5", 500000},         {"1.1", 1100000},
        {"0.0000004", 0},        {"0.0000006", 1},
        {"5e-1", 500000},        {"3.", 3000000},
        {".5000000000", 500000}, {"86400.0", UINT64_C(86400000000)},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(config_free) struct config *c = NULL;
        char text[256];

        snprintf(text, sizeof(text), AWS "producer: { send_interval = %s; };", cases[i].text);
        c = parse(text);
        assert_int_equal(c->producer.send_interval_usec, cases[i].usec);
    }
}

static void a_value_out_of_its_range_is_refused(void **state)
{
    static const struct {
        const char *setting, *expected;
    } cases[] = {
        {"producer:{\nstart_delay = -1;};",
         "x.conf:2: producer.start_delay: found -1, allowed 0 to 86400 seconds"},
        {"producer:{start_delay=86400.1;};", "found 86400.1, allowed 0 to 86400 seconds"},
        {"producer:{start_delay=-0.0000001;};", "found -1e-07, allowed 0 to 86400"},
        {"producer:{start_delay=1e999;};", "found inf, allowed"},
        {"producer:{start_delay=-1e999;};", "found -inf, allowed"},
        {"producer:{start_delay=4294967296;};", "found 4294967296, allowed"},
        {"producer:{start_delay=18446744073709551616;};", "found a number too large"},
        {"producer:{messages_to_send=1000000000001;};",
         "found 1000000000001, allowed a whole number, 0 to 1000000000000"},
        {"producer:{messages_to_send=-1;};", "found -1, allowed a whole number"},
        {"producer:{messages_to_send=0xFFFFFFFFFFFFFFFFL;};", "found a number too large"},
        {"producer:{messages_to_send=-99999999999999999999;};", "found a number too large"},
        {"producer:{messages_to_send=1.0;};", "found 1, allowed a whole number"},
        {"producer:{messages_to_send=2.5;};", "found 2.5, allowed a whole number"},
        {"aws2:{connect_timeout=0.09;};", "found 0.09, allowed 0.1 to 60 seconds"},
        {"aws2:{connect_timeout=60.000001;};", "found 60.000001, allowed 0.1 to 60 seconds"},
        {"aws2:{request_timeout=301;};", "found 301, allowed 0.1 to 300 seconds"},
        {"producer:{spool_max_messages=0;};", "found 0, allowed a whole number, 1 to 100000000"},
        {"producer:{spool_max_bytes=1048575;};",
         "found 1048575, allowed a whole number, 1048576 to 1099511627776 bytes"},
        {"consumer:{timeout=0;};", "found 0, allowed 0.1 to 43200 seconds"},
        {"consumer:{ledger_max_messages=10000001;};", "found 10000001, allowed a whole number"},
        {"consumer:{ledger_max_age=59;};", "found 59, allowed a whole number, 60 to 1209600"},
        {"producer:{groups=0;};", "found 0, allowed a whole number, 1 to 10000"},
        {"producer:{max_connections=65;};", "found 65, allowed a whole number, 1 to 64"},
        {"producer:{batch_size=11;};", "found 11, allowed a whole number, 1 to 10"},
        {"producer:{batch_linger=60.1;};", "found 60.1, allowed 0 to 60 seconds"},
        {"producer:{rate_limit=1000001;};", "found 1000001, allowed a whole number, 0 to 1000000"},
        {"producer:{stop_timeout=3601;};", "found 3601, allowed 0 to 3600 seconds"},
        {"consumer:{stop_timeout=3601;};", "found 3601, allowed 0 to 3600 seconds"},
        {"consumer:{wait_time=21;};", "found 21, allowed a whole number, 0 to 20 seconds"},
        {"consumer:{wait_time=1.5;};", "consumer.wait_time: found 1.5, allowed a whole number"},
        {"consumer:{max_messages=0;};", "found 0, allowed a whole number, 1 to 10"},
        {"consumer:{max_messages=11;};", "found 11, allowed a whole number, 1 to 10"},
        {"consumer:{receive_memory=16777215;};",
         "found 16777215, allowed a whole number, 16777216 to 1099511627776 bytes"},
        {"consumer:{receivers=0;};", "found 0, allowed a whole number, 1 to 32"},
        {"consumer:{receivers=33;};", "found 33, allowed a whole number, 1 to 32"},
        {"consumer:{concurrency=0;};", "found 0, allowed a whole number, 1 to 1000"},
        {"consumer:{concurrency=1001;};", "found 1001, allowed a whole number, 1 to 1000"},
        {"consumer:{visibility_timeout=43201;};",
         "found 43201, allowed a whole number, 0 to 43200 seconds"},
        {"consumer:{visibility_timeout=0.5;};", "found 0.5, allowed a whole number, 0 to 43200"},
        {"consumer:{delete_linger=5.1;};", "found 5.1, allowed 0 to 5 seconds"},
        {"consumer:{retry_delay=-1;};", "found -1, allowed a whole number, 0 to 43200 seconds"},
        {"consumer:{retry_delay_max=43201;};", "found 43201, allowed a whole number, 0 to 43200"},
        {"consumer:{exit_after_empty_receives=1000000001;};", "found 1000000001, allowed"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[512];

        /* "aws2" stands for settings of the one group that is there already. */
        if (strncmp(cases[i].setting, "aws2:{", 6) == 0)
            snprintf(text, sizeof(text), "aws:{" QUEUE "%s", cases[i].setting + 6);
        else
            snprintf(text, sizeof(text), "%s" AWS, cases[i].setting);
        assert_refused(text, cases[i].expected);
    }
}

static void a_value_of_the_wrong_kind_is_refused(void **state)
{
    static const char *const cases[][2] = {
        {"producer:{start_delay=\"1\";};", "producer.start_delay: found \"1\", allowed 0 to 86400"},
        {"producer:{start_delay=true;};", "found true, allowed 0 to 86400 seconds"},
        {"producer:{start_delay=[1];};", "found an array, allowed"},
        {"producer:{start_delay=(1, 2);};", "found a list, allowed"},
        {"producer:{start_delay={};};", "found a group, allowed"},
        {"producer:{message_group_id=5;};", "found 5, allowed 1 to 128 letters"},
        {"producer:{message_group_id=5.5;};", "found 5.5, allowed 1 to 128 letters"},
        {"log:{level=7;};",
         "found 7, allowed \"error\", \"warning\", \"notice\", \"info\", \"debug\""},
        {"log:{format=\"xml\";};", "log.format: found \"xml\", allowed \"text\", \"json\""},
        {"log:{level=\"INFO\";};", "log.level: found \"INFO\", allowed \"error\""},
        {"producer:{order=\"loose\";};", "found \"loose\", allowed \"strict\", \"batch\""},
        {"producer:{source=\"stdin\";};", "found \"stdin\", allowed \"demo\", \"spool\""},
        {"consumer:{handler=\"\";};", "found \"\", allowed \"journal\", \"exec\", \"http\""},
        {"consumer:{command=\"/bin/true\";};",
         "consumer.command: found \"/bin/true\", allowed an array of at most 64 texts"},
        {"consumer:{command=[1, 2];};", "found an array, allowed an array of at most 64 texts"},
        {"consumer:{command=(\"a\");};", "found a list, allowed an array"},
        {"consumer:{command=[\"a\x01\"];};",
         "allowed an array of at most 64 texts without control"},
        {"producer:{submit_socket=\"run/x\";};", "found \"run/x\", allowed the absolute path"},
        {"producer:{metrics_listen=\":9464\";};",
         "producer.metrics_listen: found \":9464\", allowed an IP address with a port"},
        {"consumer:{metrics_listen=\"localhost:9464\";};",
         "found \"localhost:9464\", allowed an IP"},
        {"consumer:{metrics_listen=\"unix:/a\x01\";};", "allowed an IP address with a port"},
        {"consumer:{url=\"unix:relative\";};", "found \"unix:relative\", allowed an http://"},
        {"consumer:{url=\"unix:/a:b\";};", "found \"unix:/a:b\", allowed an http://"},
        {"consumer:{url=\"ftp://x\";};", "found \"ftp://x\", allowed an http://"},
        {"consumer:{content_type=\"text\";};", "found \"text\", allowed a media type"},
        {"log:{target=\"\";};", "found \"\", allowed \"auto\", \"journal\", \"stderr\""},
        {"aws:{use_fips_endpoint=1;};", "aws.use_fips_endpoint: found 1, allowed true or false"},
        {"aws:{use_fips_endpoint=\"true\";};", "found \"true\", allowed true or false"},
        {"aws=5;", "x.conf:1: aws: found 5, allowed a group, aws: { ... };"},
        {"log=(1);", "log: found a list, allowed a group"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_refused(cases[i][0], cases[i][1]);
}

static void bad_strings_are_refused(void **state)
{
    static const char *const cases[][2] = {
        {"producer:{message_group_id=\"\";};", "found \"\", allowed 1 to 128"},
        {"producer:{message_group_id=\"a b\";};", "found \"a b\", allowed"},
        {"producer:{message_group_id=\"\xc3\xa4\";};", "allowed 1 to 128"},
        {"aws:{region=\"EU West\";};", "aws.region: found \"EU West\", allowed a region"},
        {"aws:{region=\"a.b\";};", "found \"a.b\", allowed a region"},
        {"aws:{queue_url=\"\";};", "aws.queue_url: found \"\", allowed an http:// or https:// URL"},
        {"aws:{queue_url=\"test.fifo\";};", "found \"test.fifo\", allowed"},
        {"aws:{queue_url=\"ftp://h/q\";};", "found \"ftp://h/q\", allowed"},
        {"aws:{queue_url=\"https://\";};", "found \"https://\", allowed"},
        {"aws:{queue_url=\"https://a b/\";};", "found \"https://a b/\", allowed"},
        {"aws:{queue_url=\"https://h/#f\";};", "found \"https://h/#f\", allowed"},
        {"aws:{queue_url=\"https://h/\n\";};", "found \"https://h/\\n\", allowed"},
        {"aws:{ca_bundle=\"ca.pem\";};",
         "aws.ca_bundle: found \"ca.pem\", allowed an absolute path"},
        {"aws:{profile=\"a\\x1b[0m\";};", "aws.profile: found \"a\\x1b[0m\", allowed"},
        {"aws:{profile=\"\xff\";};", "aws.profile: found \"\\xff\", allowed"},
        {"aws:{profile=\"\xc2\x9b\";};", "aws.profile: found \"\\xc2\\x9b\", allowed"},
    };
    char group_id[256], expected[] = "found \"ggg";

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_refused(cases[i][0], cases[i][1]);

    for (int n = 128; n <= 129; n++) {
        CLEANUP(config_free) struct config *c = NULL;
        char g[130] = "";

        memset(g, 'g', (size_t)n);
        snprintf(group_id, sizeof(group_id), AWS "producer:{message_group_id=\"%s\";};", g);
        if (n == 128)
            c = parse(group_id);
        else
            assert_refused(group_id, expected);
    }
}

static void no_secret_of_a_url_is_told(void **state)
{
    static const char *const cases[][2] = {
        {"https://user:hunter2@host/q", "found \"https://***@host/q\", allowed"},
        {"https://user:hunter2/x@host/q", "found \"https://***@host/q\", allowed"},
        {"user:hunter2@https://host", "found \"***@https://host\", allowed"},
        {"https://host/q?key=hunter2", "found \"https://host/q?***\", allowed"},
        {"https://host/q?key=hunter2@x", "found \"https://***@x\", allowed"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        for (int k = 0; k < 2; k++) {
            CLEANUP(free) char *error = NULL;
            struct config *c = NULL;
            char text[256];
            int n = snprintf(text, sizeof(text), "aws:{%s=\"%s\";};",
                             k == 0 ? "queue_url" : "endpoint_url", cases[i][0]);

            assert_int_equal(config_parse("x", text, (size_t)n, &c, &error), CONFIG_E_INVALID);
            assert_non_null(strstr(error, cases[i][1]));
            assert_null(strstr(error, "hunter2"));
        }
    assert_refused(
        "aws:{aws_secret_access_key=\"hunter2\";};",
        "x.conf:1: aws.aws_secret_access_key: found an unknown setting, allowed region, ");
}

static void an_unknown_name_is_refused_with_the_nearest_known(void **state)
{
    static const char *const cases[][2] = {
        {AWS "\nproducer:{\n\nsend_intervall=1;};",
         "x.conf:4: producer.send_intervall (did you mean send_interval?): found an unknown "
         "setting, allowed source, submit_socket, spool_max_messages, spool_max_bytes, "
         "start_delay, "
         "messages_to_send, send_interval, message_group_id, groups, max_connections, batch_size, "
         "batch_linger, order, rate_limit, stop_timeout, metrics_listen"},
        {"producer:{wait_time=1;};", "producer.wait_time (it belongs in group consumer): found"},
        {"aws:{queueurl=\"x\";};", "aws.queueurl (did you mean queue_url?): found"},
        {"aws:{Region=\"x\";};", "aws.Region (did you mean region?): found"},
        {"aws:{x=1;};", "use_dualstack_endpoint, connect_timeout, request_timeout"},
        {"\nconsummer:{};",
         "x.conf:2: consummer (did you mean consumer?): found an unknown group, allowed group aws, "
         "group log, group producer, group consumer"},
        {"queue_url=\"x\";",
         "queue_url (did you mean queue_url in group aws?): found an unknown setting, allowed "
         "group aws, group log, group producer, group consumer"},
        {"zzz=1;", "group consumer"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_refused(cases[i][0], cases[i][1]);
}

static void what_is_shown_parses_to_the_same(void **state)
{
    CLEANUP(config_free) struct config *first = NULL, *second = NULL, *third = NULL;
    CLEANUP(buffer_done) struct buffer one = BUFFER_INIT(65536), two = BUFFER_INIT(65536);
    CLEANUP(buffer_done) struct buffer three = BUFFER_INIT(65536);

    struct config_change change;
    size_t at = 0;

    first = parse("aws: { " QUEUE " profile = \"q\\\"\\\\\xc3\xa4\"; use_fips_endpoint = true; };"
                  "log: { level = \"warning\"; }; consumer: { max_messages = 3; };"
                  "producer: { messages_to_send = 5000000000; send_interval = 0.000001; "
                  "message_group_id = \"a://b@c?d\"; start_delay = 12.34; };");
    assert_int_equal(config_format(first, &one), 0);
    assert_non_null(strstr(one.data, "    messages_to_send = 5000000000; # messages to send before "
                                     "ending; 0: for ever (default 100) [x.conf:1]\n"));
    assert_non_null(strstr(one.data, "    start_delay = 12.34; #"));
    assert_non_null(strstr(one.data, "    send_interval = 0.000001; #"));
    assert_non_null(strstr(one.data, "    level = \"warning\"; # the least important level that is "
                                     "logged (default \"info\") [x.conf:1]\n"));
    assert_non_null(strstr(one.data, "    target = \"auto\"; # where log lines go; auto: to the "
                                     "journal under systemd, else to standard error [default]\n"));
    assert_null(strstr(one.data, "(default \"auto\")"));
    second = parse(buffer_string(&one));
    assert_int_equal(config_format(second, &two), 0);
    /* Of what was shown, every setting stands in the file, in a line of its own. */
    assert_null(strstr(two.data, "[default]"));
    third = parse(buffer_string(&two));
    assert_int_equal(config_format(third, &three), 0);
    assert_string_equal(buffer_string(&two), buffer_string(&three));
    assert_false(config_next_change(first, second, &at, &change));
    assert_int_equal(second->producer.messages_to_send, 5000000000);
    assert_string_equal(second->aws.profile, "q\"\\\xc3\xa4");
    assert_string_equal(second->producer.message_group_id, "a://b@c?d");
}

static void secrets_are_not_shown(void **state)
{
    CLEANUP(config_free) struct config *c = parse(AWS);
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(65536);

    free(c->aws.endpoint_url);
    c->aws.endpoint_url = strdup("https://user:hunter2@host/x?y=hunter2");
    assert_int_equal(config_format(c, &b), 0);
    assert_null(strstr(b.data, "hunter2"));
    assert_non_null(strstr(b.data, "endpoint_url = \"https://***@host/x?***\";"));
}

static void read_shipped(struct buffer *b)
{
    FILE *f = fopen(SOURCE_ROOT "/etc/sqs-demo.conf", "re");
    int c;

    assert_non_null(f);
    while ((c = fgetc(f)) != EOF)
        buffer_append_char(b, (char)c);
    fclose(f);
    assert_int_equal(b->error, 0);
}

/* What the file says beside the queue are the demo's defaults, also in comments. */
static void values_in_the_shipped_file_are_defaults(void **state)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(65536);
    CLEANUP(config_free) struct config *defaults = parse(AWS), *shipped = NULL;
    struct config_change change;
    size_t at = 0;

    read_shipped(&text);
    for (char *p = text.data; (p = strstr(p, "\n    # ")); p++) {
        size_t n = strspn(p + 7, "abcdefghijklmnopqrstuvwxyz_");

        if (n > 0 && strncmp(p + 7 + n, " = ", 3) == 0)
            p[5] = ' ';
    }
    assert_non_null(strstr(text.data, "\n      exit_after_empty_receives = 10;"));
    shipped = parse(buffer_string(&text));
    assert_true(config_next_change(defaults, shipped, &at, &change));
    assert_string_equal(change.name, "aws.region");
    assert_true(config_next_change(defaults, shipped, &at, &change));
    assert_string_equal(change.name, "aws.queue_url");
    assert_false(config_next_change(defaults, shipped, &at, &change));
    assert_string_equal(shipped->aws.region, "eu-west-1");
    assert_string_equal(shipped->aws.queue_url,
                        "https://eu-west-1.queue.amazonaws.com/123456789012/test.fifo");
}

/* An instance must not end after ten empty receives because the shipped file has the demo's
 * values. */
static void the_demos_values_hold_for_the_demo_alone(void **state)
{
    static const char *const sources[] = {"demo", "spool"}, *const handlers[] = {"journal", "exec",
                                                                                 "http"};

    for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
        for (size_t k = 0; k < ARRAY_SIZE(handlers); k++) {
            CLEANUP(config_free) struct config *c = NULL;
            CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(65536), b = BUFFER_INIT(65536);
            bool is_demo = i == 0, is_journal = k == 0;

            /* As with the shipped file, and a second one over it. */
            assert_int_equal(config_new(&c), 0);
            read_shipped(&text);
            assert_int_equal(config_add_file(c, "shipped", text.data, text.size, NULL), 0);
            buffer_printf(&b, "producer: { source = \"%s\"; }; consumer: { handler = \"%s\"; };",
                          sources[i], handlers[k]);
            assert_int_equal(config_add_file(c, "own", b.data, b.size, NULL), 0);
            assert_int_equal(config_finish(c, NULL), 0);
            assert_int_equal(c->producer.messages_to_send, is_demo ? 100 : 0);
            assert_int_equal(c->producer.send_interval_usec, is_demo ? 500000 : 0);
            assert_int_equal(c->producer.start_delay_usec, is_demo ? 500000 : 0);
            assert_int_equal(c->consumer.exit_after_empty_receives, is_journal ? 10 : 0);
            assert_int_equal(c->consumer.receive_interval_usec, is_journal ? 500000 : 0);
            assert_int_equal(c->consumer.start_delay_usec, is_journal ? 2000000 : 0);

            /* The default in force is shown as such. */
            buffer_reset(&b);
            assert_int_equal(config_format(c, &b), 0);
            assert_non_null(strstr(b.data, is_demo
                                               ? "    messages_to_send = 100; # messages to "
                                                 "send before ending; 0: for ever [default]\n"
                                               : "    messages_to_send = 0; # messages to "
                                                 "send before ending; 0: for ever [default]\n"));
        }
}

static void a_value_that_is_set_is_no_default(void **state)
{
    CLEANUP(config_free)
    struct config *c = parse(AWS "producer: { source = \"spool\"; messages_to_send = 100; };"
                                 "consumer: { handler = \"exec\"; start_delay = 2; };");
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(65536);

    assert_int_equal(c->producer.messages_to_send, 100);
    assert_int_equal(c->consumer.start_delay_usec, 2000000);
    assert_int_equal(config_format(c, &b), 0);
    assert_non_null(strstr(b.data, "0: for ever (default 0) [x.conf:1]\n"));
}

static void an_instance_has_a_socket_of_its_own_by_default(void **state)
{
    CLEANUP(config_free) struct config *c = NULL;
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(65536);
    char *line;

    assert_int_equal(config_new(&c), 0);
    c->instance = "orders";
    assert_int_equal(config_add_file(c, "x.conf", AWS, strlen(AWS), NULL), 0);
    assert_int_equal(config_finish(c, NULL), 0);
    assert_string_equal(c->producer.submit_socket, "/run/sqs-producerd/orders.socket");
    assert_int_equal(config_format(c, &b), 0);
    line = strstr(b.data, "submit_socket = \"/run/sqs-producerd/orders.socket\"; # ");
    assert_non_null(line);
    *strchr(line, '\n') = '\0';
    assert_null(strstr(line, "(default"));
    assert_non_null(strstr(line, " [default]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_demos_values_hold_for_the_demo_alone),
        cmocka_unit_test(a_value_that_is_set_is_no_default),
        cmocka_unit_test(an_instance_has_a_socket_of_its_own_by_default),
        cmocka_unit_test(every_setting_is_read),
        cmocka_unit_test(durations_round_to_microseconds),
        cmocka_unit_test(a_value_out_of_its_range_is_refused),
        cmocka_unit_test(a_value_of_the_wrong_kind_is_refused),
        cmocka_unit_test(bad_strings_are_refused),
        cmocka_unit_test(no_secret_of_a_url_is_told),
        cmocka_unit_test(an_unknown_name_is_refused_with_the_nearest_known),
        cmocka_unit_test(what_is_shown_parses_to_the_same),
        cmocka_unit_test(secrets_are_not_shown),
        cmocka_unit_test(values_in_the_shipped_file_are_defaults),
    };

    return cmocka_run_group_tests_name("daemon-config", tests, NULL, NULL);
}
