/* SPDX-License-Identifier: MIT */
#include "aws/credentials-assume-role.h"
#include "test-aws-home.h"
#include "test-server.h"
#include "test.h"

#define ARN "arn:aws:iam::123456789012:role/"
#define KEYS(id)                                                                                   \
    {                                                                                              \
        .body =                                                                                    \
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>" id "</AccessKeyId>" \
            "<SecretAccessKey>" SECRET "</SecretAccessKey><SessionToken>token-" id                 \
            "</SessionToken><Expiration>2090-01-01T00:00:00Z</Expiration></Credentials>"           \
            "</AssumeRoleResult></AssumeRoleResponse>"                                             \
    }
#define DENIED                                                                                     \
    {                                                                                              \
        .status = 403,                                                                             \
        .body =                                                                                    \
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error>"    \
            "</ErrorResponse>"                                                                     \
    }

static struct clock_skew skew;

static sd_event *event;
static struct http_client *http;

/* Which sources were asked for, "profile base" or "environment", and what they answer. */
static char asked[256];
static struct {
    enum credentials_outcome outcome;
    const char *text;
} source_answer;

struct fake_source {
    struct credentials_provider head;
    sd_event_source *timer;
};

static int answer_later(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct fake_source *s = userdata;
    CLEANUP(aws_credentials_unref) struct aws_credentials *c = NULL;

    if (source_answer.outcome == CREDENTIALS_FOUND)
        assert_int_equal(aws_credentials_new("AKIDSOURCE", SECRET, NULL, "", USEC_INFINITY, &c), 0);
    credentials_provider_answer(&s->head, source_answer.outcome, c, source_answer.text);
    return 0;
}

static int fake_start(struct credentials_provider *provider)
{
    struct fake_source *s = (struct fake_source *)provider;

    return sd_event_add_time_relative(event, &s->timer, CLOCK_BOOTTIME, 0, 1, answer_later, s);
}

static void fake_stop(struct credentials_provider *provider)
{
    struct fake_source *s = (struct fake_source *)provider;

    s->timer = sd_event_source_disable_unref(s->timer);
}

static int fake_new(const char *kind, const char *name, struct credentials_provider **ret)
{
    static const struct credentials_provider_ops ops = {.start = fake_start, .stop = fake_stop};

    snprintf(asked, sizeof(asked), "%s %s", kind, name);
    return credentials_provider_new(sizeof(struct fake_source), &ops, "fake", NULL, ret);
}

static int profile_new(void *userdata, const char *profile, struct credentials_provider **ret)
{
    return fake_new("profile", profile, ret);
}

static int environment_new(void *userdata, struct credentials_provider **ret)
{
    return fake_new("environment", userdata, ret);
}

static int instance_metadata_new(void *userdata, struct credentials_provider **ret)
{
    return fake_new("imds", userdata, ret);
}

static int container_new(void *userdata, struct credentials_provider **ret)
{
    return fake_new("container", userdata, ret);
}

static char userdata_of_sources[] = "ours";
static const struct credentials_role_sources sources = {
    .profile_new = profile_new,
    .environment_new = environment_new,
    .instance_metadata_new = instance_metadata_new,
    .container_new = container_new,
    .userdata = userdata_of_sources,
};

static int set_up(void **state)
{
    return sd_event_new(&event) < 0 ||
           http_client_new(event,
                           &(struct http_client_options){
                               .user_agent = "test/1", .connect_timeout_usec = TEST_PATIENCE_USEC},
                           &http) < 0 ||
           aws_home_make(state) < 0;
}

static int tear_down(void **state)
{
    http_client_free(http);
    sd_event_unref(event);
    return aws_home_remove(state);
}

static struct sts *new_sts(const struct test_server *server)
{
    struct sts *sts = NULL;

    assert_int_equal(sts_new(event, http,
                             &(struct sts_options){.skew = &skew,
                                                   .region = "eu-west-1",
                                                   .endpoint_url = test_server_url(server)},
                             &sts),
                     0);
    return sts;
}

static int reset(void **state)
{
    aws_home_reset();
    asked[0] = '\0';
    source_answer.outcome = CREDENTIALS_FOUND;
    source_answer.text = NULL;
    return 0;
}

/* Whose keys request `i` was signed with. */
static void assert_signer(struct test_server *server, unsigned i, const char *id)
{
    CLEANUP(free) char *authorization = test_server_header(server, i, "Authorization");
    char wanted[64];

    snprintf(wanted, sizeof(wanted), "Credential=%s/", id);
    assert_non_null(authorization);
    if (!strstr(authorization, wanted))
        fail_msg("no %s in %s", wanted, authorization);
}

static void a_role_is_assumed_with_its_sources_keys(void **state)
{
    static const struct {
        const char *source, *asked;
    } rows[] = {
        {"source_profile = base", "profile base"},
        {"credential_source = Environment", "environment ours"},
        {"credential_source = Ec2InstanceMetadata", "imds ours"},
        {"credential_source = EcsContainer", "container ours"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(KEYS("ASIAROLE"));
        CLEANUP(sts_free) struct sts *sts = new_sts(server);
        CLEANUP(credentials_provider_free) struct credentials_provider *p = NULL;
        CLEANUP(answer_reset) struct answer a = {};
        char config[512];

        snprintf(config, sizeof(config),
                 "[profile work]\nrole_arn = " ARN "w\n%s\nexternal_id = x1\n"
                 "duration_seconds = 1000\n[profile base]\nregion = x\n",
                 rows[i].source);
        reset(state);
        aws_home_write(".aws/config", config);
        assert_int_equal(credentials_assume_role_new(sts, "work", &sources, &p), 0);
        fetch_answer(event, p, &a);
        assert_string_equal(a.text, "");
        assert_string_equal(asked, rows[i].asked);
        assert_string_equal(a.credentials->access_key_id, "ASIAROLE");
        assert_string_equal(a.credentials->source, ARN "w, profile work");
        assert_signer(server, 0, "AKIDSOURCE");
        assert_non_null(strstr(test_server_body(server, 0), "&RoleSessionName=sqs-demo-"));
        assert_non_null(strstr(test_server_body(server, 0), "&ExternalId=x1&DurationSeconds=1000"));

        /* Each fetch is a new one. */
        fetch_answer(event, p, &a);
        assert_int_equal(a.outcome, CREDENTIALS_FOUND);
        assert_int_equal(test_server_requests(server), 2);
    }
}

static void a_chain_is_assumed_from_its_far_end(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(KEYS("ASIAC"), KEYS("ASIAB"), KEYS("ASIAA"));
    CLEANUP(sts_free) struct sts *sts = new_sts(server);
    CLEANUP(credentials_provider_free) struct credentials_provider *p = NULL;
    CLEANUP(answer_reset) struct answer a = {};

    aws_home_write(".aws/config", "[profile a]\nrole_arn = " ARN "a\nsource_profile = b\n"
                                  "role_session_name = me@a\n"
                                  "[profile b]\nrole_arn = " ARN "b\nsource_profile = c\n"
                                  "[profile c]\nrole_arn = " ARN "c\nsource_profile = d\n");
    aws_home_write(".aws/credentials", "[d]\naws_access_key_id = k\naws_secret_access_key = s\n");
    setenv("AWS_PROFILE", "a", 1);
    assert_int_equal(credentials_assume_role_new(sts, NULL, &sources, &p), 0);
    fetch_answer(event, p, &a);
    assert_string_equal(a.text, "");
    assert_string_equal(asked, "profile d");
    assert_string_equal(a.credentials->access_key_id, "ASIAA");
    assert_string_equal(a.credentials->session_token, "token-ASIAA");
    for (unsigned i = 0; i < 3; i++) {
        char role[32];

        snprintf(role, sizeof(role), "role%%2F%c&", "cba"[i]);
        assert_non_null(strstr(test_server_body(server, i), role));
        assert_signer(server, i, ((const char *[]){"AKIDSOURCE", "ASIAC", "ASIAB"})[i]);
    }
    assert_non_null(strstr(test_server_body(server, 2), "&RoleSessionName=me%40a"));
}

static void what_fails_is_told_with_the_profile(void **state)
{
    static const struct {
        enum credentials_outcome outcome;
        const char *text, *words;
        unsigned requests;
        enum credentials_outcome answer;
        struct test_reply reply;
    } rows[] = {
        {CREDENTIALS_FOUND, NULL, "profile b: AssumeRole of " ARN "b at 127.0.0.1:", 1,
         CREDENTIALS_FAILED, DENIED},
        {CREDENTIALS_FOUND,
         NULL,
         "failed 3 times: HTTP status 503",
         3,
         CREDENTIALS_UNREACHABLE,
         {.status = 503}},
        {CREDENTIALS_NOT_SET_UP, "config file: no keys",
         "profile b: no keys from its source_profile to assume the role with: config file: no keys",
         0, CREDENTIALS_FAILED, DENIED},
        {CREDENTIALS_FAILED, "get-keys ended with status 1",
         "profile b: no keys from its source_profile to assume the role with: get-keys ended with",
         0, CREDENTIALS_FAILED, DENIED},
        {CREDENTIALS_UNREACHABLE, "it timed out",
         "profile b: no keys from its source_profile to assume the role with: it timed out", 0,
         CREDENTIALS_UNREACHABLE, DENIED},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(rows[i].reply);
        CLEANUP(sts_free) struct sts *sts = new_sts(server);
        CLEANUP(credentials_provider_free) struct credentials_provider *p = NULL;
        CLEANUP(answer_reset) struct answer a = {};

        reset(state);
        source_answer.outcome = rows[i].outcome;
        source_answer.text = rows[i].text;
        aws_home_write(".aws/config", "[profile a]\nrole_arn = " ARN "a\nsource_profile = b\n"
                                      "[profile b]\nrole_arn = " ARN "b\nsource_profile = c\n"
                                      "[profile c]\nregion = x\n");
        assert_int_equal(credentials_assume_role_new(sts, "a", &sources, &p), 0);
        fetch_answer(event, p, &a);
        assert_int_equal(a.outcome, rows[i].answer);
        assert_text_has(&a, rows[i].words);
        assert_int_equal(test_server_requests(server), rows[i].requests);
    }
}

static void the_second_role_may_fail_too(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(KEYS("ASIAB"), DENIED);
    CLEANUP(sts_free) struct sts *sts = new_sts(server);
    CLEANUP(credentials_provider_free) struct credentials_provider *p = NULL;
    CLEANUP(answer_reset) struct answer a = {};

    aws_home_write(".aws/config", "[profile a]\nrole_arn = " ARN "a\nsource_profile = b\n"
                                  "[profile b]\nrole_arn = " ARN "b\n"
                                  "credential_source = Environment\n");
    assert_int_equal(credentials_assume_role_new(sts, "a", &sources, &p), 0);
    fetch_answer(event, p, &a);
    assert_int_equal(a.outcome, CREDENTIALS_FAILED);
    assert_text_has(&a, "profile a: AssumeRole of " ARN "a at 127.0.0.1:");
    assert_text_has(&a, "AccessDenied: not you");
}

static void what_needs_no_server_is_answered_without_one(void **state)
{
    static const struct {
        const char *config;
        enum credentials_outcome outcome;
        const char *words;
    } rows[] = {
        {"", CREDENTIALS_NOT_SET_UP, "profile default has no role_arn"},
        {"[default]\nrole_arn = " ARN "x\nweb_identity_token_file = /t\n", CREDENTIALS_NOT_SET_UP,
         "profile default has no role_arn"},
        {"[default]\nrole_arn = " ARN "x\n", CREDENTIALS_FAILED,
         "profile default: role_arn is set, but neither source_profile"},
        {"[default]\nrole_arn = " ARN "x\nsource_profile = default\n", CREDENTIALS_FAILED,
         "leads back to itself"},
        {"[default]\nrole_arn = " ARN "x\ncredential_source = Environment\nmfa_serial = m\n",
         CREDENTIALS_FAILED, "mfa_serial requires a code"},
        {"[default\n", CREDENTIALS_FAILED, ".aws/config:1: "},
    };
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(DENIED);
    CLEANUP(sts_free) struct sts *sts = new_sts(server);

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(credentials_provider_free) struct credentials_provider *p = NULL;
        CLEANUP(answer_reset) struct answer a = {};

        reset(state);
        aws_home_write(".aws/config", rows[i].config);
        assert_int_equal(credentials_assume_role_new(sts, NULL, &sources, &p), 0);
        fetch_answer(event, p, &a);
        assert_int_equal(a.outcome, rows[i].outcome);
        assert_text_has(&a, rows[i].words);
        assert_string_equal(asked, "");
    }
    assert_int_equal(test_server_requests(server), 0);
}

static void freeing_ends_a_fetch_silently(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.how = REPLY_STALL});
    CLEANUP(sts_free) struct sts *sts = new_sts(server);
    struct answer a = {};

    for (unsigned wait_msec = 0; wait_msec <= 100; wait_msec += 100) {
        struct credentials_provider *p = NULL;

        aws_home_write(".aws/config", "[default]\nrole_arn = " ARN "x\n"
                                      "credential_source = Environment\n");
        assert_int_equal(credentials_assume_role_new(sts, NULL, &sources, &p), 0);
        credentials_provider_fetch(p, on_answer, &a);
        run_for(event, wait_msec * USEC_PER_MSEC);
        credentials_provider_free(p);
        run_for(event, 20 * USEC_PER_MSEC);
        assert_int_equal(a.n, 0);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_role_is_assumed_with_its_sources_keys),
        TEST(a_chain_is_assumed_from_its_far_end),
        TEST(what_fails_is_told_with_the_profile),
        TEST(the_second_role_may_fail_too),
        TEST(what_needs_no_server_is_answered_without_one),
        TEST(freeing_ends_a_fetch_silently),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
