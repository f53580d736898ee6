/* SPDX-License-Identifier: MIT */
#include "aws/endpoint.h"
#include "test.h"

#include <stdio.h>

#define QUEUE "https://sqs.eu-west-1.amazonaws.com/123456789012/test.fifo"

/* What a set of settings comes to. */
struct row {
    const char *region, *queue_url, *endpoint_url;
    bool use_fips, use_dualstack;
    const char *url, *host, *path, *want_region; /* path NULL: "/" */
};

static const struct row ROWS[] = {
    /* Every partition, and a region that nobody knows yet. */
    {"eu-west-1", .host = "sqs.eu-west-1.amazonaws.com"},
    {"us-east-1", .host = "sqs.us-east-1.amazonaws.com"},
    {"mx-central-1", .host = "sqs.mx-central-1.amazonaws.com"},
    {"cn-north-1", .host = "sqs.cn-north-1.amazonaws.com.cn"},
    {"us-gov-west-1", .host = "sqs.us-gov-west-1.amazonaws.com"},
    {"eusc-de-east-1", .host = "sqs.eusc-de-east-1.amazonaws.eu"},
    {"us-iso-east-1", .host = "sqs.us-iso-east-1.c2s.ic.gov"},
    {"us-isob-east-1", .host = "sqs.us-isob-east-1.sc2s.sgov.gov"},
    {"eu-isoe-west-1", .host = "sqs.eu-isoe-west-1.cloud.adc-e.uk"},
    {"us-isof-south-1", .host = "sqs.us-isof-south-1.csp.hci.ic.gov"},
    {"xx-moon-7", .host = "sqs.xx-moon-7.amazonaws.com"},

    /* FIPS. */
    {"us-east-1", .use_fips = true, .host = "sqs-fips.us-east-1.amazonaws.com"},
    {"cn-north-1", .use_fips = true, .host = "sqs-fips.cn-north-1.amazonaws.com.cn"},
    {"us-gov-east-1", .use_fips = true, .host = "sqs.us-gov-east-1.amazonaws.com"},
    {"us-iso-west-1", .use_fips = true, .host = "sqs-fips.us-iso-west-1.c2s.ic.gov"},

    /* Dual-stack. */
    {"eu-west-1", .use_dualstack = true, .host = "sqs.eu-west-1.api.aws"},
    {"cn-northwest-1", .use_dualstack = true,
     .host = "sqs.cn-northwest-1.api.amazonwebservices.com.cn"},
    {"us-gov-west-1", .use_dualstack = true, .host = "sqs.us-gov-west-1.api.aws"},
    {"eusc-de-east-1", .use_dualstack = true,
     .host = "sqs.eusc-de-east-1.api.amazonwebservices.eu"},
    {"us-isob-east-1", .use_dualstack = true, .host = "sqs.us-isob-east-1.api.aws.scloud"},
    {"eu-isoe-west-1", .use_dualstack = true, .host = "sqs.eu-isoe-west-1.api.cloud-aws.adc-e.uk"},
    {"us-isof-south-1", .use_dualstack = true, .host = "sqs.us-isof-south-1.api.aws.hci.ic.gov"},

    /* Both. */
    {"us-west-2", .use_fips = true, .use_dualstack = true, .host = "sqs-fips.us-west-2.api.aws"},
    {"us-gov-west-1", .use_fips = true, .use_dualstack = true,
     .host = "sqs-fips.us-gov-west-1.api.aws"},
    {"us-iso-east-1", .use_fips = true, .use_dualstack = true,
     .host = "sqs-fips.us-iso-east-1.api.aws.ic.gov"},

    /* The region from the queue URL; the request still goes to the region's own host. */
    {NULL, QUEUE, .host = "sqs.eu-west-1.amazonaws.com", .want_region = "eu-west-1"},
    {"", QUEUE, "", .host = "sqs.eu-west-1.amazonaws.com", .want_region = "eu-west-1"},
    {NULL, "https://eu-west-1.queue.amazonaws.com/123456789012/test.fifo",
     .host = "sqs.eu-west-1.amazonaws.com", .want_region = "eu-west-1"},
    {NULL, "https://queue.amazonaws.com/123456789012/q", .host = "sqs.us-east-1.amazonaws.com",
     .want_region = "us-east-1"},
    {NULL, "https://cn-north-1.queue.amazonaws.com.cn/123456789012/q",
     .host = "sqs.cn-north-1.amazonaws.com.cn", .want_region = "cn-north-1"},
    {NULL, "https://sqs-fips.us-west-1.amazonaws.com/123456789012/q",
     .host = "sqs.us-west-1.amazonaws.com", .want_region = "us-west-1"},
    {NULL, "https://sqs-fips.us-west-1.amazonaws.com/123456789012/q", .use_fips = true,
     .host = "sqs-fips.us-west-1.amazonaws.com", .want_region = "us-west-1"},
    {NULL, "https://SQS.EU-West-1.AmazonAWS.com:443/123456789012/q",
     .host = "sqs.eu-west-1.amazonaws.com", .want_region = "eu-west-1"},
    {NULL, "https://sqs.eu-west-3.api.aws/123456789012/q", .use_dualstack = true,
     .host = "sqs.eu-west-3.api.aws", .want_region = "eu-west-3"},
    {NULL, "https://vpce-0a1b-x.sqs.eu-west-1.vpce.amazonaws.com/123456789012/q",
     .host = "sqs.eu-west-1.amazonaws.com", .want_region = "eu-west-1"},
    {"eu-west-1", QUEUE, .host = "sqs.eu-west-1.amazonaws.com"},
    {"eu-west-1", "https://sqs.example.com/123456789012/q", .host = "sqs.eu-west-1.amazonaws.com"},

    /* Custom endpoints: path kept, default port dropped, IPv6 in brackets. */
    {"eu-west-1", .endpoint_url = "http://127.0.0.1:9324", .url = "http://127.0.0.1:9324/",
     .host = "127.0.0.1:9324"},
    {"eu-west-1", .endpoint_url = "http://localhost:80/", .url = "http://localhost/",
     .host = "localhost"},
    {"eu-west-1", .endpoint_url = "https://localhost:443/", .url = "https://localhost/",
     .host = "localhost"},
    {"eu-west-1", .endpoint_url = "https://localhost:80/", .url = "https://localhost:80/",
     .host = "localhost:80"},
    {"eu-west-1", .endpoint_url = "http://[::1]:9324/", .url = "http://[::1]:9324/",
     .host = "[::1]:9324"},
    {"eu-west-1", .endpoint_url = "HTTPS://Gate.Example.COM/base/sqs",
     .url = "https://gate.example.com/base/sqs", .host = "gate.example.com", .path = "/base/sqs"},
    {"eu-west-1", .endpoint_url = "https://gate/a%20b/", .url = "https://gate/a%20b/",
     .host = "gate", .path = "/a%20b/"},
    {"eu-west-1", .endpoint_url = "https://gate/a/./b/../c", .url = "https://gate/a/c",
     .host = "gate", .path = "/a/c"},
    {"us-east-1", QUEUE, "http://127.0.0.1:1", .url = "http://127.0.0.1:1/", .host = "127.0.0.1:1"},
    {NULL, QUEUE, "http://127.0.0.1:1", .url = "http://127.0.0.1:1/", .host = "127.0.0.1:1",
     .want_region = "eu-west-1"},
    {"eu-west-1", "http://127.0.0.1:1/000000000000/test.fifo", "http://127.0.0.1:1",
     .url = "http://127.0.0.1:1/", .host = "127.0.0.1:1"},
    {NULL, NULL, "https://vpce-0a1b-x-eu-west-1a.sqs.eu-west-1.vpce.amazonaws.com",
     .url = "https://vpce-0a1b-x-eu-west-1a.sqs.eu-west-1.vpce.amazonaws.com/",
     .host = "vpce-0a1b-x-eu-west-1a.sqs.eu-west-1.vpce.amazonaws.com", .want_region = "eu-west-1"},
};

static void endpoint_comes_from_settings_and_queue_url(void **state)
{
    assert_true(ARRAY_SIZE(ROWS) >= 40);
    for (size_t i = 0; i < ARRAY_SIZE(ROWS); i++) {
        CLEANUP(endpoint_free) struct endpoint *e = NULL;
        CLEANUP(free) char *error = NULL;
        const struct row *row = &ROWS[i];
        const struct endpoint_settings settings = {
            .queue_url = row->queue_url,
            .region = row->region,
            .endpoint_url = row->endpoint_url,
            .use_fips = row->use_fips,
            .use_dualstack = row->use_dualstack,
        };
        bool is_custom = is_set(row->endpoint_url);
        char url[256];

        if (endpoint_resolve(&settings, &e, &error) != 0)
            fail_msg("row %zu (%s): %s", i, row->host, error);
        snprintf(url, sizeof(url), "https://%s/", row->host);
        assert_string_equal(e->host, row->host);
        assert_string_equal(e->url, row->url ? row->url : url);
        assert_string_equal(e->path, row->path ? row->path : "/");
        assert_string_equal(e->region, row->want_region ? row->want_region : row->region);
        assert_int_equal(e->is_custom, is_custom);
        assert_int_equal(e->is_plain_http, strncmp(e->url, "http:", 5) == 0);
        assert_null(error);
    }
}

static void settings_impossible_are_refused_with_the_reason(void **state)
{
    static const struct {
        struct endpoint_settings settings;
        const char *error;
    } rows[] = {
        {{}, "no region is set: set region, as in region = \"eu-west-1\", or AWS_REGION"},
        {{.queue_url = "https://sqs.example.com/1/q"},
         "no region is set, and the host of aws.queue_url does not name it: set region, as in "
         "region = "
         "\"eu-west-1\", or AWS_REGION"},
        {{.endpoint_url = "http://127.0.0.1:1"},
         "no region is set: set region, as in region = \"eu-west-1\", or AWS_REGION"},
        {{.region = "eu west 1"},
         "region \"eu west 1\" is not the name of a region: a-z 0-9 and - are allowed, as in "
         "eu-west-1"},
        {{.region = "EU-WEST-1"},
         "region \"EU-WEST-1\" is not the name of a region: a-z 0-9 and - are allowed, as in "
         "eu-west-1"},
        {{.region = "a.b\n"},
         "region \"a.b\\n\" is not the name of a region: a-z 0-9 and - are allowed, as in "
         "eu-west-1"},
        {{.region = "-a"},
         "region \"-a\" is not the name of a region: a-z 0-9 and - are allowed, as in eu-west-1"},
        {{.region = "a/../b"},
         "region \"a/../b\" is not the name of a region: a-z 0-9 and - are allowed, as in "
         "eu-west-1"},
        {{.region = "us-east-1", .queue_url = QUEUE},
         "region us-east-1 is not that of aws.queue_url " QUEUE
         ", which is eu-west-1: set region to "
         "that, or leave it out"},
        {{.region = "r", .endpoint_url = "http://h", .use_fips = true},
         "use_fips_endpoint cannot be used with a custom endpoint (endpoint_url http://h): remove "
         "one of the two"},
        {{.region = "r", .endpoint_url = "http://h", .use_dualstack = true},
         "use_dualstack_endpoint cannot be used with a custom endpoint (endpoint_url http://h): "
         "remove one of the two"},
        {{.region = "r", .queue_url = "http://127.0.0.1:1/0/q"},
         "aws.queue_url http://127.0.0.1:1/0/q is plain http, which is allowed only for an "
         "endpoint "
         "that is set explicitly: use https, or set endpoint_url"},
        {{.queue_url = "http://sqs.eu-west-1.amazonaws.com/0/q"},
         "aws.queue_url http://sqs.eu-west-1.amazonaws.com/0/q is plain http, which is allowed "
         "only "
         "for an endpoint that is set explicitly: use https, or set endpoint_url"},
        {{.region = "r", .endpoint_url = "127.0.0.1:9324"},
         "endpoint_url 127.0.0.1:9324 is not a URL: it must be like https://host/path"},
        {{.region = "r", .endpoint_url = "https://"},
         "endpoint_url https:// is not a URL: it must be like https://host/path"},
        {{.region = "r", .endpoint_url = "https:///path"},
         "endpoint_url https:///path is not a URL: it must be like https://host/path"},
        {{.region = "r", .endpoint_url = "http:/host"},
         "endpoint_url http:/host is not a URL: it must be like https://host/path"},
        {{.region = "r", .endpoint_url = "ftp://host/"},
         "endpoint_url ftp://host/ is neither http nor https"},
        {{.region = "r", .endpoint_url = "file:///etc/passwd"},
         "endpoint_url file:///etc/passwd is not a URL: it must be like https://host/path"},
        {{.region = "r", .endpoint_url = "https://me:hunter2@host/"},
         "endpoint_url has a user name in it (not shown): leave it out"},
        {{.region = "r", .endpoint_url = "https://me:hunter2@host:99999/"},
         "endpoint_url has a user name in it (not shown): leave it out"},
        {{.region = "r", .endpoint_url = "https://host/?token=hunter2"},
         "endpoint_url (not shown: it may hold a secret) has a query (?): leave it out"},
        {{.region = "r", .endpoint_url = "https://host/#x"},
         "endpoint_url https://host/#x has a fragment (#): leave it out"},
        {{.region = "r", .endpoint_url = "https://host:0x50/"},
         "endpoint_url https://host:0x50/ is not a URL (Port number was not a decimal number "
         "between 0 and 65535): it must be like https://host/path"},
        {{.region = "r", .endpoint_url = "https://ho st/"},
         "endpoint_url https://ho st/ holds a space, a control character or a byte that is not "
         "ASCII: write it as %XX"},
        {{.region = "r", .endpoint_url = "https://host/a\r\nX: y"},
         "endpoint_url https://host/a\\r\\nX: y holds a space, a control character or a byte that "
         "is not ASCII: write it as %XX"},
        {{.region = "r", .endpoint_url = "https://[::1/"},
         "endpoint_url https://[::1/ is not a URL (Bad IPv6 address): it must be like "
         "https://host/path"},
        {{.region = "r", .endpoint_url = "https://a%ffb/"},
         "endpoint_url https://a%ffb/ has a host with a character that no host's name has"},
        {{.region = "r", .endpoint_url = "http://[fe80::1%25eth0]:8080/"},
         "endpoint_url http://[fe80::1%25eth0]:8080/ has an address with a zone (%): leave it out"},
        {{.region = "r", .queue_url = "test.fifo"},
         "aws.queue_url test.fifo is not a URL: it must be like https://host/path"},
        {{.region = "r", .queue_url = "arn:aws:sqs:eu-west-1:123456789012:q"},
         "aws.queue_url arn:aws:sqs:eu-west-1:123456789012:q is not a URL: it must be like "
         "https://host/path"},
        {{.region = "r", .queue_url = "https://sqs.eu-west-1.amazonaws.com"},
         "aws.queue_url https://sqs.eu-west-1.amazonaws.com names no queue: it must be like "
         "https://sqs.<region>.amazonaws.com/<account>/<queue name>"},
        {{.region = "r", .queue_url = "https://sqs.eu-west-1.amazonaws.com/1/q/"},
         "aws.queue_url https://sqs.eu-west-1.amazonaws.com/1/q/ names no queue: it must be like "
         "https://sqs.<region>.amazonaws.com/<account>/<queue name>"},
        {{.region = "r", .queue_url = "https://h/1/q.txt"},
         "aws.queue_url https://h/1/q.txt ends in q.txt, which is not the name of a queue: 1 to 80 "
         "of "
         "A-Z a-z "
         "0-9 - _, of a FIFO queue with .fifo at its end"},
        {{.region = "r", .queue_url = "https://h/1/.fifo"},
         "aws.queue_url https://h/1/.fifo ends in .fifo, which is not the name of a queue: 1 to 80 "
         "of "
         "A-Z a-z "
         "0-9 - _, of a FIFO queue with .fifo at its end"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct endpoint sentinel, *e = &sentinel;
        CLEANUP(free) char *error = NULL;

        assert_int_equal(endpoint_resolve(&rows[i].settings, &e, &error), ENDPOINT_E_INVALID);
        assert_string_equal(error, rows[i].error);
        assert_ptr_equal(e, &sentinel);
        assert_int_equal(endpoint_resolve(&rows[i].settings, &e, NULL), ENDPOINT_E_INVALID);
    }
}

static void queue_urls_are_taken_apart(void **state)
{
    static const struct {
        const char *url, *region, *account, *name;
        bool is_fifo;
    } rows[] = {
        {QUEUE, "eu-west-1", "123456789012", "test.fifo", true},
        {"https://sqs.us-east-2.amazonaws.com/1/a_B-9", "us-east-2", "1", "a_B-9", false},
        {"https://eu-west-1.queue.amazonaws.com/1/q", "eu-west-1", "1", "q", false},
        {"https://queue.amazonaws.com/1/q.fifo", "us-east-1", "1", "q.fifo", true},
        {"https://sqs-fips.us-east-1.amazonaws.com/1/q", "us-east-1", "1", "q", false},
        {"https://sqs.cn-north-1.amazonaws.com.cn/1/q", "cn-north-1", "1", "q", false},
        {"https://us-gov-west-1.queue.amazonaws.com/1/q", "us-gov-west-1", "1", "q", false},
        {"https://sqs.eusc-de-east-1.amazonaws.eu/1/q", "eusc-de-east-1", "1", "q", false},
        {"https://sqs.us-iso-east-1.c2s.ic.gov/1/q", "us-iso-east-1", "1", "q", false},
        {"https://us-isob-east-1.queue.sc2s.sgov.gov/1/q", "us-isob-east-1", "1", "q", false},
        {"https://sqs.eu-isoe-west-1.cloud.adc-e.uk/1/q", "eu-isoe-west-1", "1", "q", false},
        {"https://sqs.us-isof-south-1.csp.hci.ic.gov/1/q", "us-isof-south-1", "1", "q", false},
        {"https://sqs.eu-west-1.api.aws/1/q", "eu-west-1", "1", "q", false},
        {"https://sqs-fips.us-west-2.api.aws/1/q", "us-west-2", "1", "q", false},
        {"https://sqs.cn-north-1.api.amazonwebservices.com.cn/1/q", "cn-north-1", "1", "q", false},
        {"https://sqs.us-iso-east-1.api.aws.ic.gov/1/q", "us-iso-east-1", "1", "q", false},
        {"https://eu-west-1.sqs.amazonaws.com/1/q", "eu-west-1", "1", "q", false},
        {"https://vpce-1-a.sqs.eu-west-1.vpce.amazonaws.com/1/q", "eu-west-1", "1", "q", false},
        {"https://vpce-1.sqs.cn-north-1.vpce.amazonaws.com.cn/1/q", "cn-north-1", "1", "q", false},
        {"https://a.b.sqs-fips.us-east-1.vpce.amazonaws.com/1/q", "us-east-1", "1", "q", false},
        /* Hosts that look alike but are not SQS's. */
        {"https://sqs.eu-west-1.amazonaws.com.evil.org/1/q", NULL, "1", "q", false},
        {"https://evilamazonaws.com/1/q", NULL, "1", "q", false},
        {"https://sqs.eu-west-1.evilamazonaws.com/1/q", NULL, "1", "q", false},
        {"https://amazonaws.com/1/q", NULL, "1", "q", false},
        {"https://sqs.amazonaws.com/1/q", NULL, "1", "q", false},
        {"https://sns.eu-west-1.amazonaws.com/1/q", NULL, "1", "q", false},
        {"https://x.sqs.eu-west-1.amazonaws.com/1/q", NULL, "1", "q", false},
        {"https://sqs.eu-west-1.vpce.amazonaws.com/1/q", NULL, "1", "q", false},
        {"https://x.eu-west-1.queue.amazonaws.com/1/q", NULL, "1", "q", false},
        {"https://sqs..amazonaws.com/1/q", NULL, "1", "q", false},
        {"https://sqs.eu_west.amazonaws.com/1/q", NULL, "1", "q", false},
        {"https://queue.amazonaws.com.cn/1/q", NULL, "1", "q", false},
        /* Other servers. */
        {"http://127.0.0.1:9324/000000000000/q", NULL, "000000000000", "q", false},
        {"http://[::1]:9324/000000000000/q", NULL, "000000000000", "q", false},
        {"http://localhost:4566/queue/eu-west-1/000000000000/q", NULL, "000000000000", "q", false},
        {"http://localhost/q", NULL, NULL, "q", false},
        {"http://localhost//q", NULL, NULL, "q", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(queue_url_free) struct queue_url *q = NULL;
        CLEANUP(free) char *error = NULL;

        if (queue_url_parse(rows[i].url, &q, &error) != 0)
            fail_msg("%s: %s", rows[i].url, error);
        if (!rows[i].region != !q->region || (q->region && !streq(q->region, rows[i].region)))
            fail_msg("%s: region %s", rows[i].url, q->region ? q->region : "unknown");
        assert_int_equal(!rows[i].account, !q->account);
        if (q->account)
            assert_string_equal(q->account, rows[i].account);
        assert_string_equal(q->name, rows[i].name);
        assert_int_equal(q->is_fifo, rows[i].is_fifo);
    }
}

static void names_and_urls_have_their_greatest_length(void **state)
{
    char url[4096];

    for (int n = 79; n <= 81; n++)
        for (int fifo = 0; fifo <= 1; fifo++) {
            CLEANUP(queue_url_free) struct queue_url *q = NULL;
            CLEANUP(free) char *error = NULL;

            snprintf(url, sizeof(url), "https://h/1/%0*d%s", fifo ? n - 5 : n, 0,
                     fifo ? ".fifo" : "");
            assert_int_equal(queue_url_parse(url, &q, &error), n <= 80 ? 0 : ENDPOINT_E_INVALID);
            assert_int_equal(!error, n <= 80);
        }
    for (int n = 2048; n <= 2049; n++) {
        CLEANUP(queue_url_free) struct queue_url *q = NULL;
        CLEANUP(free) char *error = NULL;

        snprintf(url, sizeof(url), "https://h/%0*d/q", n - 12, 0);
        assert_int_equal(strlen(url), n);
        assert_int_equal(queue_url_parse(url, &q, &error), n <= 2048 ? 0 : ENDPOINT_E_INVALID);
        if (error)
            assert_non_null(strstr(error, "... (2049 bytes) is longer than 2048 bytes"));
    }
}

static void sts_endpoint_has_the_host_of_its_region(void **state)
{
    static const struct {
        const char *region;
        bool use_fips, use_dualstack;
        const char *url;
    } rows[] = {
        {"eu-west-1", false, false, "https://sts.eu-west-1.amazonaws.com"},
        {"us-east-1", false, false, "https://sts.us-east-1.amazonaws.com"},
        {"us-east-1", true, false, "https://sts-fips.us-east-1.amazonaws.com"},
        {"us-gov-west-1", true, false, "https://sts.us-gov-west-1.amazonaws.com"},
        {"us-gov-west-1", true, true, "https://sts-fips.us-gov-west-1.api.aws"},
        {"eu-west-1", false, true, "https://sts.eu-west-1.api.aws"},
        {"cn-north-1", false, false, "https://sts.cn-north-1.amazonaws.com.cn"},
        {"eusc-de-east-1", false, false, "https://sts.eusc-de-east-1.amazonaws.eu"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(free)
        char *url = endpoint_sts_url(rows[i].region, rows[i].use_fips, rows[i].use_dualstack);

        assert_string_equal(url, rows[i].url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoint_comes_from_settings_and_queue_url),
        cmocka_unit_test(settings_impossible_are_refused_with_the_reason),
        cmocka_unit_test(queue_urls_are_taken_apart),
        cmocka_unit_test(names_and_urls_have_their_greatest_length),
        cmocka_unit_test(sts_endpoint_has_the_host_of_its_region),
    };

    return cmocka_run_group_tests_name("aws-endpoint", tests, NULL, NULL);
}
