/* SPDX-License-Identifier: MIT */
#include "aws/effective-settings.h"
#include "daemon/config.h"
#include "test-open.h"
#include "test.h"

#include <stdio.h>
#include <unistd.h>

#define QUEUE "queue_url = \"https://sqs.eu-west-3.amazonaws.com/1/q\"; "
#define CUSTOM "queue_url = \"http://127.0.0.1:9324/1/q\"; "
#define BUNDLE "/etc/ssl/certs/ca-certificates.crt"
#define AT_HOME "endpoint_url = \"http://127.0.0.1:9324\"; "

static char config_path[96], credentials_path[96];

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* Nothing of the tester's own environment, and empty files. */
static int reset(void **state)
{
    static const char *const variables[] = {
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_SQS",
        "AWS_ENDPOINT_URL_STS",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_CA_BUNDLE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "CREDENTIALS_DIRECTORY",
    };

    for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
        unsetenv(variables[i]);
    setenv("AWS_CONFIG_FILE", config_path, 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", credentials_path, 1);
    write_file(config_path, "");
    write_file(credentials_path, "");
    return 0;
}

/* Sets the variables of "A=1 B=2". */
static void set_variables(const char *text)
{
    CLEANUP(free) char *copy = strdup(text);
    char *rest = NULL;

    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(word, '=');

        *value++ = '\0';
        setenv(word, value, 1);
    }
}

static struct config *parse(const char *aws)
{
    struct config *config = NULL;
    char text[1024];
    int n = snprintf(text, sizeof(text), "aws: { %s };", aws);

    assert_int_equal(config_parse("x", text, (size_t)n, &config, NULL), 0);
    return config;
}

/* One line of all that was found: "region from source; endpoint from source; sts; ca; switches". */
static void describe(const struct aws_effective_settings *s, struct buffer *text)
{
    buffer_printf(text, "%s from %s; %s from %s; %s; %s;%s%s", s->endpoint->region,
                  s->region_source, s->endpoint->url, s->endpoint_source ? s->endpoint_source : "-",
                  s->sts_endpoint_url ? s->sts_endpoint_url : "-",
                  s->ca_bundle ? s->ca_bundle : "-", s->use_fips ? " fips" : "",
                  s->use_dualstack ? " dualstack" : "");
}

#define PLAIN "https://sqs.eu-west-3.amazonaws.com/ from -; "
#define SERVICES                                                                                   \
    "[default]\nservices = own\n[services own]\nsqs =\n  endpoint_url = http://127.0.0.1:1\n"      \
    "sts =\n  endpoint_url = http://127.0.0.1:2\n"

static void setting_comes_from_the_first_place_that_has_it(void **state)
{
    static const struct {
        const char *aws, *variables, *file, *found;
    } rows[] = {
        /* Regions. */
        {QUEUE, "", "", "eu-west-3 from aws.queue_url; " PLAIN "-; -;"},
        {CUSTOM AT_HOME, "", "[default]\nregion = eu-north-1\n",
         "eu-north-1 from the profile; http://127.0.0.1:9324/ from aws.endpoint_url; -; -;"},
        {CUSTOM AT_HOME, "AWS_DEFAULT_REGION=us-west-1", "[default]\nregion = eu-north-1\n",
         "us-west-1 from AWS_DEFAULT_REGION; http://127.0.0.1:9324/ from aws.endpoint_url; -; -;"},
        {CUSTOM AT_HOME, "AWS_REGION=us-west-2 AWS_DEFAULT_REGION=us-west-1", "",
         "us-west-2 from AWS_REGION; http://127.0.0.1:9324/ from aws.endpoint_url; -; -;"},
        {CUSTOM AT_HOME "region = \"ap-south-1\"; ", "AWS_REGION=us-west-2", "",
         "ap-south-1 from aws.region; http://127.0.0.1:9324/ from aws.endpoint_url; -; -;"},
        {CUSTOM "endpoint_url = \"https://sqs.eu-west-2.amazonaws.com\";", "", "",
         "eu-west-2 from the endpoint's host; https://sqs.eu-west-2.amazonaws.com/ from "
         "aws.endpoint_url; -; -;"},
        {CUSTOM AT_HOME, "AWS_PROFILE=work", "[profile work]\nregion = eu-south-1\n",
         "eu-south-1 from the profile; http://127.0.0.1:9324/ from aws.endpoint_url; -; -;"},
        {CUSTOM AT_HOME "profile = \"home\";", "AWS_PROFILE=work",
         "[profile work]\nregion = eu-south-1\n[profile home]\nregion = eu-central-1\n",
         "eu-central-1 from the profile; http://127.0.0.1:9324/ from aws.endpoint_url; -; -;"},
        {QUEUE, "AWS_REGION=", "", "eu-west-3 from aws.queue_url; " PLAIN "-; -;"},
        {QUEUE, "AWS_PROFILE=nobody", "[default]\nregion = eu-north-1\n",
         "eu-west-3 from aws.queue_url; " PLAIN "-; -;"},

        /* Endpoints. */
        {QUEUE, "", "[default]\nendpoint_url = http://127.0.0.1:3\n",
         "eu-west-3 from aws.queue_url; http://127.0.0.1:3/ from the profile; "
         "http://127.0.0.1:3; -;"},
        {QUEUE, "", SERVICES "[default]\nendpoint_url = http://127.0.0.1:3\n",
         "eu-west-3 from aws.queue_url; http://127.0.0.1:1/ from the profile's services; "
         "http://127.0.0.1:2; -;"},
        {QUEUE, "AWS_ENDPOINT_URL=http://127.0.0.1:4", SERVICES,
         "eu-west-3 from aws.queue_url; http://127.0.0.1:4/ from AWS_ENDPOINT_URL; "
         "http://127.0.0.1:4; -;"},
        {QUEUE, "AWS_ENDPOINT_URL=http://127.0.0.1:4 AWS_ENDPOINT_URL_SQS=http://127.0.0.1:5", "",
         "eu-west-3 from aws.queue_url; http://127.0.0.1:5/ from AWS_ENDPOINT_URL_SQS; "
         "http://127.0.0.1:4; -;"},
        {QUEUE, "AWS_ENDPOINT_URL=http://127.0.0.1:4 AWS_ENDPOINT_URL_STS=http://127.0.0.1:5", "",
         "eu-west-3 from aws.queue_url; http://127.0.0.1:4/ from AWS_ENDPOINT_URL; "
         "http://127.0.0.1:5; -;"},
        {QUEUE AT_HOME, "AWS_ENDPOINT_URL_SQS=http://127.0.0.1:5", SERVICES,
         "eu-west-3 from aws.queue_url; http://127.0.0.1:9324/ from aws.endpoint_url; "
         "http://127.0.0.1:2; -;"},
        {QUEUE, "", "[default]\nservices = own\n[services own]\ns3 =\n  endpoint_url = http://x\n",
         "eu-west-3 from aws.queue_url; " PLAIN "-; -;"},
        {QUEUE, "AWS_ENDPOINT_URL_SQS=http://127.0.0.1:5/deep/er", "",
         "eu-west-3 from aws.queue_url; http://127.0.0.1:5/deep/er from AWS_ENDPOINT_URL_SQS; -; "
         "-;"},

        /* Ignored ones. */
        {QUEUE, "AWS_ENDPOINT_URL=http://127.0.0.1:4 AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true",
         SERVICES, "eu-west-3 from aws.queue_url; " PLAIN "-; -;"},
        {QUEUE AT_HOME, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=TRUE", SERVICES,
         "eu-west-3 from aws.queue_url; http://127.0.0.1:9324/ from aws.endpoint_url; -; -;"},
        {QUEUE, "AWS_ENDPOINT_URL=http://127.0.0.1:4",
         "[default]\nignore_configured_endpoint_urls = true\n",
         "eu-west-3 from aws.queue_url; " PLAIN "-; -;"},
        {QUEUE, "AWS_ENDPOINT_URL=http://127.0.0.1:4 AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=false",
         "[default]\nignore_configured_endpoint_urls = true\n",
         "eu-west-3 from aws.queue_url; http://127.0.0.1:4/ from AWS_ENDPOINT_URL; "
         "http://127.0.0.1:4; -;"},
        {QUEUE, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true", "[default]\nservices = nowhere\n",
         "eu-west-3 from aws.queue_url; " PLAIN "-; -;"},

        /* Switches. */
        {QUEUE "use_fips_endpoint = true;", "AWS_USE_FIPS_ENDPOINT=false", "",
         "eu-west-3 from aws.queue_url; https://sqs-fips.eu-west-3.amazonaws.com/ from -; -; -; "
         "fips"},
        {QUEUE, "AWS_USE_FIPS_ENDPOINT=true AWS_USE_DUALSTACK_ENDPOINT=True", "",
         "eu-west-3 from aws.queue_url; https://sqs-fips.eu-west-3.api.aws/ from -; -; -; fips "
         "dualstack"},
        {QUEUE, "", "[default]\nuse_dualstack_endpoint = true\n",
         "eu-west-3 from aws.queue_url; https://sqs.eu-west-3.api.aws/ from -; -; -; dualstack"},
        {QUEUE, "AWS_USE_FIPS_ENDPOINT=false", "[default]\nuse_fips_endpoint = true\n",
         "eu-west-3 from aws.queue_url; " PLAIN "-; -;"},

        {"queue_url = \"https://q/1/q\"; region = \"fips-us-east-1\";", "", "",
         "us-east-1 from aws.region; https://sqs-fips.us-east-1.amazonaws.com/ from -; -; -; fips"},
        {"queue_url = \"https://q/1/q\";",
         "AWS_REGION=us-gov-west-1-fips AWS_USE_FIPS_ENDPOINT=false", "",
         "us-gov-west-1 from AWS_REGION; https://sqs.us-gov-west-1.amazonaws.com/ from -; -; -; "
         "fips"},
        {"queue_url = \"https://q/1/q\";", "", "[default]\nregion = us-fips-west-2\n",
         "us-west-2 from the profile; https://sqs-fips.us-west-2.amazonaws.com/ from -; -; -; "
         "fips"},

        /* CA bundles. */
        {QUEUE, "", "[default]\nca_bundle = " BUNDLE "\n",
         "eu-west-3 from aws.queue_url; " PLAIN "-; " BUNDLE ";"},
        {QUEUE, "AWS_CA_BUNDLE=/" BUNDLE, "[default]\nca_bundle = /dev/null\n",
         "eu-west-3 from aws.queue_url; " PLAIN "-; /" BUNDLE ";"},
        {QUEUE "ca_bundle = \"//" BUNDLE "\";", "AWS_CA_BUNDLE=/dev/zero", "",
         "eu-west-3 from aws.queue_url; " PLAIN "-; //" BUNDLE ";"},
        /* Without TLS it is not looked at. */
        {CUSTOM AT_HOME, "AWS_REGION=eu-west-1 AWS_CA_BUNDLE=/nonexistent/ca.pem", "",
         "eu-west-1 from AWS_REGION; http://127.0.0.1:9324/ from aws.endpoint_url; -; "
         "/nonexistent/ca.pem;"},
        {CUSTOM AT_HOME,
         "AWS_REGION=eu-west-1 AWS_CA_BUNDLE=/nonexistent/ca.pem AWS_WEB_IDENTITY_TOKEN_FILE=/t "
         "AWS_ENDPOINT_URL_STS=http://127.0.0.1:1 "
         "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1/",
         "",
         "eu-west-1 from AWS_REGION; http://127.0.0.1:9324/ from aws.endpoint_url; "
         "http://127.0.0.1:1; /nonexistent/ca.pem;"},
        {CUSTOM AT_HOME,
         "AWS_REGION=eu-west-1 AWS_CA_BUNDLE=/nonexistent/ca.pem "
         "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/keys "
         "AWS_CONTAINER_CREDENTIALS_FULL_URI=https://127.0.0.1/",
         "",
         "eu-west-1 from AWS_REGION; http://127.0.0.1:9324/ from aws.endpoint_url; -; "
         "/nonexistent/ca.pem;"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(config_free) struct config *config = parse(rows[i].aws);
        CLEANUP(aws_effective_settings_free) struct aws_effective_settings *settings = NULL;
        CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(4096);
        CLEANUP(free) char *error = NULL;

        reset(NULL);
        set_variables(rows[i].variables);
        write_file(config_path, rows[i].file);
        if (aws_effective_settings_read(&config->aws, &settings, &error) != 0)
            fail_msg("row %zu: %s", i, error);
        describe(settings, &text);
        if (!streq(buffer_string(&text), rows[i].found))
            fail_msg("row %zu:\nfound  \"%s\",\nwanted \"%s\"", i, buffer_string(&text),
                     rows[i].found);
    }
}

static void setting_in_the_credentials_file_counts_too(void **state)
{
    CLEANUP(config_free) struct config *config = parse(CUSTOM AT_HOME);
    CLEANUP(aws_effective_settings_free) struct aws_effective_settings *settings = NULL;

    write_file(config_path, "[default]\nregion = eu-west-1\n");
    write_file(credentials_path, "[default]\nregion = eu-west-2\n");
    assert_int_equal(aws_effective_settings_read(&config->aws, &settings, NULL), 0);
    assert_string_equal(settings->endpoint->region, "eu-west-2");
}

static void settings_that_lead_nowhere_are_refused_with_the_reason(void **state)
{
    static const struct {
        const char *aws, *variables, *file, *words[2];
    } rows[] = {
        {CUSTOM AT_HOME, "", "", {"aws.region: no region is set"}},
        {"region = \"eu-west-1\"; " CUSTOM, "", "", {"plain http"}},
        {QUEUE "use_fips_endpoint = true; " AT_HOME, "", "", {"use_fips_endpoint cannot be used"}},
        {QUEUE AT_HOME,
         "AWS_USE_FIPS_ENDPOINT=true",
         "",
         {"cannot be used with a custom endpoint",
          "(use_fips_endpoint comes from AWS_USE_FIPS_ENDPOINT)"}},
        {QUEUE,
         "AWS_ENDPOINT_URL=http://127.0.0.1:1",
         "[default]\nuse_dualstack_endpoint = true\n",
         {"cannot be used with a custom endpoint",
          "(endpoint_url comes from AWS_ENDPOINT_URL, use_dualstack_endpoint comes from the "
          "profile)"}},
        {QUEUE,
         "AWS_ENDPOINT_URL_SQS=ftp://127.0.0.1",
         "",
         {"ftp://127.0.0.1", "(endpoint_url comes from AWS_ENDPOINT_URL_SQS)"}},
        {QUEUE,
         "AWS_REGION=eu_west_3",
         "",
         {"is not the name of a region", "(region comes from AWS_REGION)"}},
        {QUEUE,
         "",
         "[default]\nregion = eu-west-1\n",
         {"is not that of aws.queue_url", "(region comes from the profile)"}},
        {QUEUE,
         "AWS_USE_FIPS_ENDPOINT=yes",
         "",
         {"AWS_USE_FIPS_ENDPOINT is \"yes\", but must be true or false"}},
        {QUEUE,
         "",
         "[default]\nuse_dualstack_endpoint = 1\n",
         {"use_dualstack_endpoint in the profile is \"1\", but must be true or false"}},
        {QUEUE,
         "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=no",
         "",
         {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is \"no\", but must be true or false"}},
        {QUEUE,
         "",
         "[default]\nservices = nowhere\n[services somewhere]\n",
         {"services in the profile is \"nowhere\", but the config file has no such [services] "
          "section"}},
        {QUEUE,
         "",
         "[default]\nservices = here\n[services here]\nsqs = endpoint_url = http://127.0.0.1:1\n",
         {"sqs in the profile's [services] section is \"endpoint_url = http://127.0.0.1:1\", but "
          "nothing may follow its `=`"}},
        {QUEUE,
         "",
         "[default]\nservices = here\n[services here]\nsts = x\nsqs =\n  endpoint_url = "
         "http://127.0.0.1:1\n",
         {"sts in the profile's [services] section is \"x\""}},
        {CUSTOM AT_HOME,
         "AWS_CONFIG_FILE=/nonexistent/$NAME/config",
         "",
         {"no region is set", "; AWS_CONFIG_FILE names /nonexistent/$NAME/config: no such file"}},
        {QUEUE AT_HOME,
         "AWS_REGION=fips-us-east-1",
         "",
         {"use_fips_endpoint cannot be used", "(use_fips_endpoint comes from the region's name)"}},
        {QUEUE,
         "AWS_REGION=fips-",
         "",
         {"AWS_REGION is \"fips-\", but this is not the name of a region"}},
        {QUEUE,
         "AWS_REGION=fips-us-east-1",
         "",
         {"region us-east-1 is not that of aws.queue_url", "(region comes from AWS_REGION)"}},
        {QUEUE, "", "[default\n", {"config:1: "}},
        {QUEUE "ca_bundle = \"/nonexistent/ca.pem\";",
         "",
         "",
         {"aws.ca_bundle is \"/nonexistent/ca.pem\", but this file cannot be read: No such file"}},
        {QUEUE,
         "AWS_CA_BUNDLE=/nonexistent/ca.pem",
         "",
         {"AWS_CA_BUNDLE is \"/nonexistent/ca.pem\", but this file cannot be read: No such file"}},
        {QUEUE,
         "",
         "[default]\nca_bundle = /nonexistent/ca.pem\n",
         {"ca_bundle in the profile is \"/nonexistent/ca.pem\", but this file cannot be read"}},
        {QUEUE,
         "AWS_CA_BUNDLE=/tmp",
         "",
         {"AWS_CA_BUNDLE is \"/tmp\", but this file cannot be read: Is a directory"}},
        {QUEUE,
         "AWS_CA_BUNDLE=/dev/zero",
         "",
         {"AWS_CA_BUNDLE is \"/dev/zero\", but this file cannot be read: not a file, but a FIFO"}},
        {QUEUE,
         "AWS_CA_BUNDLE=/dev/null",
         "",
         {"AWS_CA_BUNDLE is \"/dev/null\", but this file cannot be used: it holds no certificate"}},
        /* Keys may be asked for by TLS where messages are not. */
        {CUSTOM AT_HOME,
         "AWS_REGION=eu-west-1 AWS_CA_BUNDLE=/nonexistent/ca.pem AWS_WEB_IDENTITY_TOKEN_FILE=/t",
         "",
         {"AWS_CA_BUNDLE is \"/nonexistent/ca.pem\""}},
        {CUSTOM AT_HOME,
         "AWS_REGION=eu-west-1 AWS_CA_BUNDLE=/dev/null "
         "AWS_ENDPOINT_URL_STS=https://vpce-1.sts.eu-west-1.vpce.amazonaws.com",
         "[default]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = base\n",
         {"AWS_CA_BUNDLE is \"/dev/null\""}},
        {CUSTOM AT_HOME,
         "AWS_REGION=eu-west-1 AWS_CA_BUNDLE=/dev/null",
         "[default]\nrole_arn = x\nweb_identity_token_file = /t\n",
         {"AWS_CA_BUNDLE is \"/dev/null\""}},
        {CUSTOM AT_HOME,
         "AWS_REGION=eu-west-1 AWS_CA_BUNDLE=/dev/null "
         "AWS_CONTAINER_CREDENTIALS_FULL_URI=https://127.0.0.1/keys",
         "",
         {"AWS_CA_BUNDLE is \"/dev/null\""}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(config_free) struct config *config = parse(rows[i].aws);
        CLEANUP(free) char *error = NULL;
        struct aws_effective_settings *settings = NULL;

        reset(NULL);
        set_variables(rows[i].variables);
        write_file(config_path, rows[i].file);
        if (aws_effective_settings_read(&config->aws, &settings, &error) !=
            AWS_EFFECTIVE_SETTINGS_E_INVALID)
            fail_msg("row %zu is taken", i);
        assert_null(settings);
        assert_non_null(error);
        for (size_t k = 0; k < 2 && rows[i].words[k]; k++)
            if (!strstr(error, rows[i].words[k]))
                fail_msg("row %zu: found \"%s\", wanted \"%s\"", i, error, rows[i].words[k]);
        assert_int_equal(aws_effective_settings_read(&config->aws, &settings, NULL),
                         AWS_EFFECTIVE_SETTINGS_E_INVALID);
    }
}

/* Neither the file nor the setting is to blame. */
static void ca_bundle_that_cannot_be_opened_for_a_while_is_no_bad_setting(void **state)
{
    static const int errors[] = {EMFILE, ENFILE, ENOMEM, EIO};
    CLEANUP(config_free) struct config *config = parse(QUEUE "ca_bundle = \"" BUNDLE "\";");
    struct aws_effective_settings *settings = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        CLEANUP(free) char *error = NULL;

        unopenable_path = BUNDLE;
        unopenable_errno = errors[i];
        assert_int_equal(aws_effective_settings_read(&config->aws, &settings, &error), -errors[i]);
        unopenable_path = NULL;
        assert_null(error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(setting_comes_from_the_first_place_that_has_it, reset),
        cmocka_unit_test_setup(setting_in_the_credentials_file_counts_too, reset),
        cmocka_unit_test_setup(settings_that_lead_nowhere_are_refused_with_the_reason, reset),
        cmocka_unit_test_setup(ca_bundle_that_cannot_be_opened_for_a_while_is_no_bad_setting,
                               reset),
    };
    char folder[] = "/tmp/test-aws-effective-settings.XXXXXX";
    int failed;

    if (!mkdtemp(folder))
        return 1;
    snprintf(config_path, sizeof(config_path), "%s/config", folder);
    snprintf(credentials_path, sizeof(credentials_path), "%s/credentials", folder);
    failed = cmocka_run_group_tests_name("aws-effective-settings", tests, NULL, NULL);
    unlink(config_path);
    unlink(credentials_path);
    rmdir(folder);
    return failed;
}
