/* SPDX-License-Identifier: MIT */
/* The chain as a whole: which place answers before which. */
#include "aws/credentials-chain.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test-aws-home.h"
#include "test-open.h"
#include "test-server.h"

#define ROLE "arn:aws:iam::123456789012:role/reader"
#define JSON_KEYS(id)                                                                              \
    "{\"AccessKeyId\": \"" id "\", \"SecretAccessKey\": \"" SECRET                                 \
    "\", \"Token\": \"t\", \"Expiration\": \"2090-01-01T00:00:00Z\"}"
#define STS_KEYS(action, id)                                                                       \
    "<" action "Response><" action "Result><Credentials><AccessKeyId>" id "</AccessKeyId>"         \
    "<SecretAccessKey>" SECRET "</SecretAccessKey><SessionToken>t</SessionToken>"                  \
    "<Expiration>2090-01-01T00:00:00Z</Expiration></Credentials></" action "Result></" action      \
    "Response>"
#define FILE_KEYS(id) "aws_access_key_id = " id "\naws_secret_access_key = " SECRET "\n"

static int socket_errno; /* of socket(); 0: it opens one */

/* libc's, which libcurl calls, too. */
int socket(int domain, int type, int protocol)
{
    if (socket_errno == 0)
        return (int)syscall(SYS_socket, domain, type, protocol);
    errno = socket_errno;
    return -1;
}

struct fixture {
    sd_event *event;
    struct http_client *http;
    struct test_server *container, *imds, *sts;
};

static int set_up(void **state)
{
    static const struct test_reply container[] = {{.body = JSON_KEYS("CONTAINER")}},
                                   sts[] = {{.body = STS_KEYS("AssumeRole", "ROLE")}},
                                   imds[] = {{.body = "token"},
                                             {.body = "role"},
                                             {.body = JSON_KEYS("IMDS")}};
    static struct fixture f;

    aws_home_reset();
    if (sd_event_new(&f.event) < 0 ||
        http_client_new(f.event,
                        &(struct http_client_options){.user_agent = "test/1",
                                                      .connect_timeout_usec = TEST_PATIENCE_USEC},
                        &f.http) < 0)
        return -1;
    f.container = test_server_new(container, ARRAY_SIZE(container), NULL);
    f.imds = test_server_new(imds, ARRAY_SIZE(imds), NULL);
    f.sts = test_server_new(sts, ARRAY_SIZE(sts), NULL);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    http_client_free(f->http);
    test_server_free(f->container);
    test_server_free(f->imds);
    test_server_free(f->sts);
    sd_event_unref(f->event);
    return 0;
}

static struct credentials_chain *new_chain(struct fixture *f, const char *profile)
{
    struct credentials_chain *chain = NULL;

    assert_int_equal(credentials_chain_new(f->event, f->http,
                                           &(struct credentials_chain_options){
                                               .profile = profile,
                                               .region = "eu-west-1",
                                               .sts_endpoint_url = test_server_url(f->sts),
                                           },
                                           &chain),
                     0);
    return chain;
}

static void ask(struct fixture *f, const char *profile, struct answer *a)
{
    CLEANUP(credentials_chain_free) struct credentials_chain *chain = new_chain(f, profile);
    struct credentials_slot *slot = NULL;

    answer_reset(a);
    assert_int_equal(credentials_get(credentials_chain_credentials(chain), on_answer, a, &slot), 0);
    assert_int_equal(a->n, 0);
    run_until(f->event, &a->n, 1);
}

/* Whose keys are found; or, with a blank in it, what the error says. */
static void assert_answers(struct fixture *f, const char *profile, const char *whose)
{
    CLEANUP(answer_reset) struct answer a = {};

    ask(f, profile, &a);
    if (strchr(whose, ' '))
        assert_text_has(&a, whose);
    else if (a.outcome != CREDENTIALS_FOUND)
        fail_msg("no keys of %s: %s", whose, a.text);
    else
        assert_string_equal(a.credentials->access_key_id, whose);
}

static void set_container(struct fixture *f)
{
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", test_server_url(f->container), 1);
}

static void set_imds(struct fixture *f)
{
    unsetenv("AWS_EC2_METADATA_DISABLED");
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", test_server_url(f->imds), 1);
}

static void set_environment(void)
{
    setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENT", 1);
    setenv("AWS_SECRET_ACCESS_KEY", SECRET, 1);
}

/* Each place wins over those that were set up before it here. */
static void each_place_answers_before_those_behind_it(void **state)
{
    struct fixture *f = *state;
    char config[1024] = "[default]\n", path[160];

    assert_answers(f, NULL, "switched off by AWS_EC2_METADATA_DISABLED");
    set_imds(f);
    assert_answers(f, NULL, "IMDS");
    set_container(f);
    assert_answers(f, NULL, "CONTAINER");
    strcat(config, FILE_KEYS("CONFIG"));
    aws_home_write(".aws/config", config);
    assert_answers(f, NULL, "CONFIG");
    strcat(config, "credential_process = echo '{\"Version\": 1, \"AccessKeyId\": \"PROCESS\", "
                   "\"SecretAccessKey\": \"" SECRET "\"}'\n");
    aws_home_write(".aws/config", config);
    assert_answers(f, NULL, "PROCESS");
    strcat(config, "login_session = arn:aws:iam::1:user/u\n");
    aws_home_write(".aws/config", config);
    assert_answers(f, NULL, "login: ");
    aws_home_write(".aws/credentials",
                   "[default]\n" FILE_KEYS("SHARED") "[base]\n" FILE_KEYS("BASE"));
    assert_answers(f, NULL, "SHARED");
    strcat(config, "sso_start_url = https://x.awsapps.com/start\nsso_region = eu-west-1\n"
                   "sso_account_id = 1\nsso_role_name = r\n");
    aws_home_write(".aws/config", config);
    assert_answers(f, NULL, "sso: ");
    aws_home_path("token", path, sizeof(path));
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", path, 1);
    setenv("AWS_ROLE_ARN", ROLE, 1);
    assert_answers(f, NULL, "web identity: ");
    strcat(config, "role_arn = " ROLE "\nsource_profile = base\n");
    aws_home_write(".aws/config", config);
    assert_answers(f, NULL, "ROLE");
    assert_non_null(strstr(test_server_head(f->sts, 0), "Credential=BASE/"));
    set_environment();
    assert_answers(f, NULL, "ENVIRONMENT");
}

static void with_a_profile_set_the_environment_is_not_looked_at(void **state)
{
    struct fixture *f = *state;
    char path[160];

    set_environment();
    aws_home_path("token", path, sizeof(path));
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", path, 1);
    setenv("AWS_ROLE_ARN", ROLE, 1);
    aws_home_write(".aws/credentials",
                   "[default]\n" FILE_KEYS("DEFAULT") "[p]\n" FILE_KEYS("OF_P"));
    assert_answers(f, "p", "OF_P");
    unsetenv("AWS_WEB_IDENTITY_TOKEN_FILE");
    assert_answers(f, "default", "DEFAULT");
    assert_answers(f, "", "ENVIRONMENT");
}

static void roles_have_each_kind_of_source(void **state)
{
    static const struct {
        const char *source, *whose;
    } cases[] = {
        {"credential_source = Environment", "ENVIRONMENT"},
        {"credential_source = EcsContainer", "CONTAINER"},
        {"credential_source = Ec2InstanceMetadata", "IMDS"},
        {"source_profile = base", "BASE"},
    };
    struct fixture *f = *state;

    set_environment();
    set_container(f);
    set_imds(f);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[512], signer[64];

        snprintf(text, sizeof(text),
                 "[profile p]\nrole_arn = " ROLE "\n%s\n[profile base]\n" FILE_KEYS("BASE"),
                 cases[i].source);
        aws_home_write(".aws/config", text);
        assert_answers(f, "p", "ROLE");
        snprintf(signer, sizeof(signer), "Credential=%s/", cases[i].whose);
        if (!strstr(test_server_head(f->sts, i), signer))
            fail_msg("%s: not signed by %s", cases[i].source, cases[i].whose);
    }
}

/* A source profile is a chain of its own, without the environment, a container or an instance. */
static void a_source_profile_without_keys_has_no_others(void **state)
{
    struct fixture *f = *state;

    set_environment();
    set_container(f);
    set_imds(f);
    aws_home_write(".aws/config", "[profile p]\nrole_arn = " ROLE "\nsource_profile = base\n"
                                  "[profile base]\nregion = eu-west-1\n");
    assert_answers(f, "p", "no keys from its source_profile");
    assert_int_equal(test_server_requests(f->sts), 0);
}

/* A file that this machine cannot open for a while says nothing of the keys; one that may not be
 * read does. */
static void file_that_cannot_be_opened_for_a_while_is_no_end(void **state)
{
    static const struct {
        int error;
        enum credentials_outcome outcome;
    } rows[] = {
        {EMFILE, CREDENTIALS_SHORTAGE}, {ENFILE, CREDENTIALS_SHORTAGE},
        {ENOMEM, CREDENTIALS_SHORTAGE}, {EIO, CREDENTIALS_SHORTAGE},
        {EACCES, CREDENTIALS_FAILED},
    };
    static const char *const names[] = {".aws/credentials", ".aws/config", "token"};
    struct fixture *f = *state;
    char path[160];

    aws_home_write("token", "eyJ");
    aws_home_path("token", path, sizeof(path));
    set_container(f);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path, 1);
    assert_answers(f, NULL, "CONTAINER");
    for (int web_identity = 0; web_identity < 2; web_identity++) {
        if (web_identity) {
            setenv("AWS_ROLE_ARN", ROLE, 1);
            setenv("AWS_WEB_IDENTITY_TOKEN_FILE", path, 1);
        }
        for (size_t i = 0; i < ARRAY_SIZE(rows) * ARRAY_SIZE(names); i++) {
            CLEANUP(answer_reset) struct answer a = {};
            char unopenable[160];
            size_t row = i / ARRAY_SIZE(names);

            aws_home_path(names[i % ARRAY_SIZE(names)], unopenable, sizeof(unopenable));
            unopenable_path = unopenable;
            unopenable_errno = rows[row].error;
            ask(f, NULL, &a);
            unopenable_path = NULL;
            if (a.outcome != rows[row].outcome || !strstr(a.text, strerror(rows[row].error)))
                fail_msg("%s: %s", unopenable, a.text);
        }
    }
}

/* Nobody was asked: the network is not to blame. */
static void socket_cannot_be_opened_outcome_is_shortage(void **state)
{
    struct fixture *f = *state;
    char path[160];

    aws_home_write("token", "eyJ");
    aws_home_path("token", path, sizeof(path));
    for (int place = 0; place < 3; place++) {
        CLEANUP(answer_reset) struct answer a = {};

        aws_home_reset();
        if (place == 0) {
            set_container(f);
        } else if (place == 1) {
            set_imds(f);
        } else {
            setenv("AWS_ROLE_ARN", ROLE, 1);
            setenv("AWS_WEB_IDENTITY_TOKEN_FILE", path, 1);
        }
        socket_errno = EMFILE;
        ask(f, NULL, &a);
        socket_errno = 0;
        assert_text_has(&a, "Too many open files");
        if (a.outcome != CREDENTIALS_SHORTAGE)
            fail_msg("place %d: %d, %s", place, a.outcome, a.text);
    }
}

/* Nobody is called any more, and nothing is left. */
static void a_chain_is_freed_while_it_looks(void **state)
{
    struct fixture *f = *state;
    struct credentials_chain *chain = NULL;
    struct credentials_slot *slot = NULL;
    struct answer a = {};

    set_container(f);
    aws_home_write(".aws/config", "[profile p]\nregion = eu-west-1\n");
    chain = new_chain(f, "p");
    assert_int_equal(credentials_get(credentials_chain_credentials(chain), on_answer, &a, &slot),
                     0);
    test_server_run_until_requests(f->container, f->event, 1);
    assert_null(credentials_chain_free(chain));
    run_for(f->event, 20 * USEC_PER_MSEC);
    assert_int_equal(a.n, 0);
    assert_null(credentials_chain_free(NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_place_answers_before_those_behind_it),
        TEST(with_a_profile_set_the_environment_is_not_looked_at),
        TEST(roles_have_each_kind_of_source),
        TEST(a_source_profile_without_keys_has_no_others),
        TEST(file_that_cannot_be_opened_for_a_while_is_no_end),
        TEST(socket_cannot_be_opened_outcome_is_shortage),
        TEST(a_chain_is_freed_while_it_looks),
    };

    return cmocka_run_group_tests(tests, aws_home_make, aws_home_remove);
}
