#include "config-endpoint.h"
#include "test.h"

#include <stdio.h>
#include <unistd.h>

#define AT_HOME "endpoint_url = \"http://127.0.0.1:9324\";"

static char folder[64];

static int reset(void **state)
{
    static const char *const variables[] = {"AWS_REGION",  "AWS_DEFAULT_REGION",  "AWS_PROFILE",
                                            "HOME",        "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE",
                                            "CREDENTIALS_DIRECTORY", "AWS_SHARED_CREDENTIALS_FILE"};

    for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
        unsetenv(variables[i]);
    return 0;
}

static struct config *parse(const char *aws)
{
    struct config *config = NULL;
    char text[512];
    int n = snprintf(text, sizeof(text), "aws: { %s };", aws);

    assert_int_equal(config_parse("x", text, (size_t)n, &config, NULL), 0);
    return config;
}

static void assert_region(const char *aws, const char *expected)
{
    CLEANUP(config_free) struct config *config = parse(aws);
    CLEANUP(endpoint_free) struct endpoint *endpoint = NULL;
    CLEANUP(free) char *error = NULL;
    int r = config_endpoint_resolve(config, &endpoint, &error);

    if (r != 0)
        print_error("%s\n", error ? error : "(no error text)");
    assert_int_equal(r, 0);
    assert_string_equal(endpoint->region, expected);
}

static void the_region_is_looked_for_in_order(void **state)
{
    const char *custom = "queue_url = \"http://127.0.0.1:9324/1/q\";" AT_HOME;
    char path[96], with_region[256];
    FILE *f;

    /* The queue URL is all there is. */
    assert_region("queue_url = \"https://sqs.eu-west-3.amazonaws.com/1/q\";", "eu-west-3");

    snprintf(path, sizeof(path), "%s/config", folder);
    f = fopen(path, "we");
    assert_non_null(f);
    fputs("[default]\nregion = eu-north-1\n[profile other]\nregion = eu-south-1\n", f);
    fclose(f);
    setenv("AWS_CONFIG_FILE", path, 1);
    assert_region(custom, "eu-north-1");
    setenv("AWS_PROFILE", "other", 1);
    assert_region(custom, "eu-south-1");
    unlink(path);

    setenv("AWS_DEFAULT_REGION", "us-west-1", 1);
    assert_region(custom, "us-west-1");
    setenv("AWS_REGION", "us-west-2", 1);
    assert_region(custom, "us-west-2");
    snprintf(with_region, sizeof(with_region), "region = \"ap-south-1\"; %s", custom);
    assert_region(with_region, "ap-south-1");
}

static void what_leads_nowhere_is_refused(void **state)
{
    static const char *const cases[] = {
        "queue_url = \"http://127.0.0.1:9324/1/q\";" AT_HOME,
        "region = \"eu-west-1\"; queue_url = \"http://127.0.0.1:9324/1/q\";",
        "use_fips_endpoint = true; queue_url = \"https://sqs.eu-west-3.amazonaws.com/1/q\";" AT_HOME,
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(config_free) struct config *config = parse(cases[i]);
        struct endpoint *endpoint = NULL;
        CLEANUP(free) char *error = NULL;

        assert_int_equal(config_endpoint_resolve(config, &endpoint, &error),
                         CONFIG_ENDPOINT_E_INVALID);
        assert_null(endpoint);
        assert_non_null(error);
        assert_int_equal(config_endpoint_resolve(config, &endpoint, NULL),
                         CONFIG_ENDPOINT_E_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_region_is_looked_for_in_order, reset),
        cmocka_unit_test_setup(what_leads_nowhere_is_refused, reset),
    };
    int failed;

    strcpy(folder, "/tmp/test-config-endpoint.XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    failed = cmocka_run_group_tests_name("config-endpoint", tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
