/* SPDX-License-Identifier: MIT */
#include "aws/credentials-web-identity.h"
#include "test-aws-home.h"
#include "test-server.h"
#include "test.h"

#define ROLE "arn:aws:iam::123456789012:role/pod"
#define GOOD                                                                                       \
    {                                                                                              \
        .body =                                                                                    \
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"    \
            "<AccessKeyId>ASIAPOD</AccessKeyId><SecretAccessKey>" SECRET "</SecretAccessKey>"      \
            "<SessionToken>token</SessionToken><Expiration>2090-01-01T00:00:00Z</Expiration>"      \
            "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>" \
    }

static struct clock_skew skew;

static sd_event *event;
static struct http_client *http;

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

/* Points to the file `token`, with that content. */
static void write_token(const char *token)
{
    char path[160];

    aws_home_write("token", token);
    aws_home_path("token", path, sizeof(path));
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", path, 1);
}

/* The config file's text with @ replaced by the token's path. */
static void write_config(const char *text)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4096);
    char path[160];

    aws_home_path("token", path, sizeof(path));
    for (; *text; text++)
        if (*text == '@')
            buffer_append_string(&b, path);
        else
            buffer_append_char(&b, *text);
    aws_home_write(".aws/config", buffer_string(&b));
}

static void the_environment_is_enough(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(GOOD);
    CLEANUP(sts_free) struct sts *sts = new_sts(server);
    CLEANUP(credentials_provider_free) struct credentials_provider *p = NULL;
    CLEANUP(answer_reset) struct answer a = {};

    aws_home_reset();
    write_token("eyJ.first\n");
    setenv("AWS_ROLE_ARN", ROLE, 1);
    setenv("AWS_ROLE_SESSION_NAME", "pod-1", 1);
    assert_int_equal(credentials_web_identity_new(sts, NULL, false, &p), 0);
    fetch_answer(event, p, &a);
    assert_string_equal(a.text, "");
    assert_string_equal(a.credentials->access_key_id, "ASIAPOD");
    assert_string_equal(a.credentials->source, ROLE ", web identity");
    assert_string_equal(test_server_body(server, 0),
                        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3A"
                        "iam%3A%3A123456789012%3Arole%2Fpod&RoleSessionName=pod-1"
                        "&WebIdentityToken=eyJ.first");

    /* The token is replaced in its file all the time. */
    write_token("eyJ.second");
    fetch_answer(event, p, &a);
    assert_non_null(a.credentials);
    assert_non_null(strstr(test_server_body(server, 1), "&WebIdentityToken=eyJ.second"));
}

static void the_profile_is_enough_and_the_session_gets_a_name(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(GOOD);
    CLEANUP(sts_free) struct sts *sts = new_sts(server);
    CLEANUP(credentials_provider_free) struct credentials_provider *p = NULL;
    CLEANUP(answer_reset) struct answer a = {};

    aws_home_reset();
    aws_home_write("token", "eyJ");
    write_config("[profile pod]\nrole_arn = " ROLE "\nweb_identity_token_file = @\n");
    assert_int_equal(credentials_web_identity_new(sts, "pod", true, &p), 0);
    fetch_answer(event, p, &a);
    assert_string_equal(a.text, "");
    assert_non_null(strstr(test_server_body(server, 0), "&RoleSessionName=sqs-demo-1"));
}

static void each_variable_wins_over_the_profile_unless_ignored(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(GOOD);
    CLEANUP(sts_free) struct sts *sts = new_sts(server);

    for (int ignore = 0; ignore < 2; ignore++) {
        CLEANUP(credentials_provider_free) struct credentials_provider *p = NULL;
        CLEANUP(answer_reset) struct answer a = {};

        aws_home_reset();
        aws_home_write("token", "eyJ");
        write_config("[default]\nrole_arn = " ROLE "\nrole_session_name = file\n"
                     "web_identity_token_file = @\n");
        setenv("AWS_ROLE_SESSION_NAME", "variable", 1);
        assert_int_equal(credentials_web_identity_new(sts, NULL, ignore, &p), 0);
        fetch_answer(event, p, &a);
        assert_non_null(a.credentials);
        assert_non_null(strstr(test_server_body(server, (unsigned)ignore),
                               ignore ? "&RoleSessionName=file" : "&RoleSessionName=variable"));
    }
}

static void what_is_not_set_up_asks_nobody(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(GOOD);
    CLEANUP(sts_free) struct sts *sts = new_sts(server);
    CLEANUP(credentials_provider_free) struct credentials_provider *p = NULL, *q = NULL;
    CLEANUP(answer_reset) struct answer a = {};

    aws_home_reset();
    setenv("AWS_ROLE_ARN", ROLE, 1);
    assert_int_equal(credentials_web_identity_new(sts, NULL, false, &p), 0);
    fetch_answer(event, p, &a);
    assert_int_equal(a.outcome, CREDENTIALS_NOT_SET_UP);
    assert_string_equal(a.text, "AWS_WEB_IDENTITY_TOKEN_FILE is not set, profile default has no "
                                "web_identity_token_file");

    write_token("eyJ");
    assert_int_equal(credentials_web_identity_new(sts, "work", true, &q), 0);
    fetch_answer(event, q, &a);
    assert_int_equal(a.outcome, CREDENTIALS_NOT_SET_UP);
    assert_string_equal(a.text, "profile work has no web_identity_token_file");
    assert_int_equal(test_server_requests(server), 0);
}

static void what_is_wrong_is_told_and_asks_nobody(void **state)
{
    static const struct {
        const char *token, *role, *session, *words; /* NULL: not set */
    } rows[] = {
        {"eyJ", NULL, NULL, "AWS_WEB_IDENTITY_TOKEN_FILE is set, but no role to assume: set AWS_R"},
        {"eyJ", "pod", NULL, "AWS_ROLE_ARN \"pod\" must be like arn:aws:iam::"},
        {"eyJ", "arn:aws:iam::1:role/a\nb", NULL, "AWS_ROLE_ARN \"arn:aws:iam::1:role/a\\nb\""},
        {"eyJ", ROLE, "x", "AWS_ROLE_SESSION_NAME \"x\" must be 2 to 64"},
        {"", ROLE, NULL, "/token\": the file is empty"},
        {"\n\n", ROLE, NULL, "/token\": the file is empty"},
        {SECRET " " SECRET, ROLE, NULL, "/token\": holds a character that no token has"},
        {SECRET "\n" SECRET, ROLE, NULL, "/token\": holds a character that no token has"},
        {NULL, ROLE, NULL, "/token\": cannot read the token: No such file or directory"},
    };

    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(GOOD);
    CLEANUP(sts_free) struct sts *sts = new_sts(server);

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(credentials_provider_free) struct credentials_provider *p = NULL;
        CLEANUP(answer_reset) struct answer a = {};

        aws_home_reset();
        write_token(rows[i].token ? rows[i].token : "");
        if (!rows[i].token)
            remove(getenv("AWS_WEB_IDENTITY_TOKEN_FILE"));
        if (rows[i].role)
            setenv("AWS_ROLE_ARN", rows[i].role, 1);
        if (rows[i].session)
            setenv("AWS_ROLE_SESSION_NAME", rows[i].session, 1);
        assert_int_equal(credentials_web_identity_new(sts, NULL, false, &p), 0);
        fetch_answer(event, p, &a);
        assert_int_equal(a.outcome, CREDENTIALS_FAILED);
        assert_text_has(&a, rows[i].words);
    }
    assert_int_equal(test_server_requests(server), 0);
}

static void a_token_that_is_too_long_is_told(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(GOOD);
    CLEANUP(sts_free) struct sts *sts = new_sts(server);
    CLEANUP(credentials_provider_free) struct credentials_provider *p = NULL;
    CLEANUP(answer_reset) struct answer a = {};
    static char token[STS_WEB_IDENTITY_TOKEN_MAX_BYTES + 2];

    aws_home_reset();
    setenv("AWS_ROLE_ARN", ROLE, 1);
    memset(token, 'e', sizeof(token) - 1);
    write_token(token);
    assert_int_equal(credentials_web_identity_new(sts, NULL, false, &p), 0);
    fetch_answer(event, p, &a);
    assert_int_equal(a.outcome, CREDENTIALS_FAILED);
    assert_text_has(&a, "cannot read the token: ");

    token[STS_WEB_IDENTITY_TOKEN_MAX_BYTES] = '\0';
    write_token(token);
    fetch_answer(event, p, &a);
    assert_int_equal(a.outcome, CREDENTIALS_FOUND);
}

static void a_refusal_is_the_answer(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(
        {.status = 400,
         .body = "<ErrorResponse><Error><Code>ExpiredTokenException</Code><Message>Token expired"
                 "</Message></Error></ErrorResponse>"});
    CLEANUP(sts_free) struct sts *sts = new_sts(server);
    CLEANUP(credentials_provider_free) struct credentials_provider *p = NULL;
    CLEANUP(answer_reset) struct answer a = {};

    aws_home_reset();
    write_token(SECRET);
    setenv("AWS_ROLE_ARN", ROLE, 1);
    assert_int_equal(credentials_web_identity_new(sts, NULL, false, &p), 0);
    fetch_answer(event, p, &a);
    assert_int_equal(a.outcome, CREDENTIALS_FAILED);
    assert_text_has(&a, "AssumeRoleWithWebIdentity of " ROLE " at 127.0.0.1:");
    assert_text_has(&a, "ExpiredTokenException: Token expired");
}

static void web_identity_sts_fails_outcome_says_why(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.status = 503});
    CLEANUP(sts_free) struct sts *sts = new_sts(server);
    CLEANUP(credentials_provider_free) struct credentials_provider *p = NULL;
    CLEANUP(answer_reset) struct answer a = {};

    aws_home_reset();
    write_token(SECRET);
    setenv("AWS_ROLE_ARN", ROLE, 1);
    assert_int_equal(credentials_web_identity_new(sts, NULL, false, &p), 0);
    fetch_answer(event, p, &a);
    assert_int_equal(a.outcome, CREDENTIALS_UNREACHABLE);
    assert_text_has(&a, "failed 3 times: HTTP status 503");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_is_enough),
        cmocka_unit_test(the_profile_is_enough_and_the_session_gets_a_name),
        cmocka_unit_test(each_variable_wins_over_the_profile_unless_ignored),
        cmocka_unit_test(what_is_not_set_up_asks_nobody),
        cmocka_unit_test(what_is_wrong_is_told_and_asks_nobody),
        cmocka_unit_test(a_token_that_is_too_long_is_told),
        cmocka_unit_test(a_refusal_is_the_answer),
        cmocka_unit_test(web_identity_sts_fails_outcome_says_why),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
