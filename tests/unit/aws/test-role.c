/* SPDX-License-Identifier: MIT */
#include "aws/role.h"
#include "test.h"

#include <stdio.h>

#define ARN "arn:aws:iam::123456789012:role/"

static struct aws_profiles *profiles_of(const char *config, const char *credentials)
{
    struct aws_profiles *p = NULL;
    char *error = NULL;

    assert_int_equal(aws_profiles_new(&p), 0);
    if (aws_profiles_add(p, AWS_PROFILE_CONFIG, "config", config, strlen(config), &error) != 0 ||
        aws_profiles_add(p, AWS_PROFILE_CREDENTIALS, "credentials", credentials,
                         strlen(credentials), &error) != 0)
        fail_msg("%s", error);
    return p;
}

static void profile_without_a_role_has_no_plan(void **state)
{
    static const char *const configs[] = {
        "",
        "[default]\nregion = eu-west-1\n",
        "[default]\nrole_arn =\n",
        "[profile other]\nrole_arn = " ARN "a\ncredential_source = Environment\n",
        /* That is web identity's. */
        "[default]\nrole_arn = " ARN "a\nweb_identity_token_file = /token\n",
    };

    for (size_t i = 0; i < ARRAY_SIZE(configs); i++) {
        CLEANUP(aws_profiles_free) struct aws_profiles *p = profiles_of(configs[i], "");
        struct aws_role_plan *plan = NULL;

        assert_int_equal(aws_role_plan(p, "default", &plan, NULL), AWS_ROLE_E_NONE);
        assert_null(plan);
    }
}

static void role_settings_are_all_read(void **state)
{
    CLEANUP(aws_profiles_free)
    struct aws_profiles *p =
        profiles_of("[profile work]\nrole_arn = " ARN "a\nsource_profile = base\n"
                    "role_session_name = me@host\nexternal_id = x/1:2\nduration_seconds = 900\n",
                    "[base]\naws_access_key_id = a\naws_secret_access_key = s\n");
    CLEANUP(aws_role_plan_free) struct aws_role_plan *plan = NULL;

    assert_int_equal(aws_role_plan(p, "work", &plan, NULL), 0);
    assert_int_equal(plan->n_roles, 1);
    assert_string_equal(plan->roles[0].profile, "work");
    assert_string_equal(plan->roles[0].role_arn, ARN "a");
    assert_string_equal(plan->roles[0].session_name, "me@host");
    assert_string_equal(plan->roles[0].external_id, "x/1:2");
    assert_int_equal(plan->roles[0].duration_sec, 900);
    assert_int_equal(plan->source, AWS_ROLE_SOURCE_PROFILE);
    assert_string_equal(plan->source_profile, "base");
}

static void role_setting_not_given_is_null(void **state)
{
    CLEANUP(aws_profiles_free)
    struct aws_profiles *p = profiles_of(
        "", "[default]\nrole_arn = " ARN "a\nsource_profile = default\naws_access_key_id = a\n");
    CLEANUP(aws_role_plan_free) struct aws_role_plan *plan = NULL;

    assert_int_equal(aws_role_plan(p, "default", &plan, NULL), 0);
    assert_null(plan->roles[0].session_name);
    assert_null(plan->roles[0].external_id);
    assert_int_equal(plan->roles[0].duration_sec, 0);
}

/* "b c|Environment": the roles in order, then the source. */
static void describe(const struct aws_role_plan *plan, struct buffer *text)
{
    static const char *const sources[] = {"profile", "environment", "imds", "container"};

    for (size_t i = 0; i < plan->n_roles; i++)
        buffer_printf(text, "%s ", plan->roles[i].profile);
    buffer_printf(text, "< %s", sources[plan->source]);
    if (plan->source_profile)
        buffer_printf(text, " %s", plan->source_profile);
}

#define ROLE(name) "[profile " name "]\nrole_arn = " ARN name "\n"

static void plans_follow_the_source_profiles(void **state)
{
    static const struct {
        const char *config, *credentials, *plan;
    } rows[] = {
        {ROLE("a") "credential_source = Environment\n", "", "a < environment"},
        {ROLE("a") "credential_source = Ec2InstanceMetadata\n", "", "a < imds"},
        {ROLE("a") "credential_source = EcsContainer\n", "", "a < container"},
        {ROLE("a") "source_profile = b\n", "[b]\naws_access_key_id = k\n", "a < profile b"},
        {ROLE("a") "source_profile = b\n" ROLE("b") "source_profile = c\n",
         "[c]\naws_access_key_id = k\n", "a b < profile c"},
        {ROLE("a") "source_profile = b\n" ROLE("b") "source_profile = c\n" ROLE(
             "c") "credential_source = EcsContainer\n",
         "", "a b c < container"},
        /* Itself, with keys of its own. */
        {ROLE("a") "source_profile = a\n", "[a]\naws_access_key_id = k\n", "a < profile a"},
        /* Keys come before a role. */
        {ROLE("a") "source_profile = b\n" ROLE("b") "source_profile = c\n",
         "[b]\naws_access_key_id = k\n[c]\naws_access_key_id = k\n", "a < profile b"},
        {ROLE("a") "source_profile = b\n" ROLE("b") "source_profile = a\n",
         "[b]\naws_secret_access_key = k\n", "a < profile b"},
        {ROLE("a") "source_profile = b\n" ROLE("b") "source_profile = b\n",
         "[b]\naws_secret_access_key = k\n", "a < profile b"},
        /* Sources of other kinds are the provider's to find. */
        {ROLE("a") "source_profile = b\n[profile b]\ncredential_process = get-keys\n", "",
         "a < profile b"},
        {ROLE("a") "source_profile = b\n" ROLE("b") "web_identity_token_file = /t\n", "",
         "a < profile b"},
        {ROLE("a") "source_profile = b\n[profile b]\nsso_account_id = 1\n", "", "a < profile b"},
        /* The role may stand in the credentials file. */
        {"[profile b]\naws_access_key_id = k\n", "[a]\nrole_arn = " ARN "a\nsource_profile = b\n",
         "a < profile b"},
        /* An empty value is not set. */
        {ROLE("a") "source_profile =\ncredential_source = Environment\n", "", "a < environment"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(aws_profiles_free)
        struct aws_profiles *p = profiles_of(rows[i].config, rows[i].credentials);
        CLEANUP(aws_role_plan_free) struct aws_role_plan *plan = NULL;
        CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(4096);
        CLEANUP(free) char *error = NULL;

        if (aws_role_plan(p, "a", &plan, &error) != 0)
            fail_msg("row %zu: %s", i, error);
        describe(plan, &text);
        if (!streq(buffer_string(&text), rows[i].plan))
            fail_msg("row %zu: found \"%s\", wanted \"%s\"", i, buffer_string(&text), rows[i].plan);
    }
}

#define KEYS_B "[profile b]\naws_access_key_id = k\n"

static void role_that_cannot_be_is_refused_with_the_reason(void **state)
{
    static const struct {
        const char *config, *words;
    } rows[] = {
        {ROLE("a"), "profile a: role_arn is set, but neither source_profile nor credential_source"},
        {ROLE("a") "source_profile = b\ncredential_source = Environment\n" KEYS_B,
         "profile a: both source_profile and credential_source are set"},
        {ROLE("a") "credential_source = environment\n",
         "credential_source is \"environment\", but must be Environment, Ec2InstanceMetadata"},
        {ROLE("a") "source_profile = b\n",
         "profile a: its source_profile b is in neither of the shared files"},
        {ROLE("a") "source_profile = a\n", "profile a: its source_profile a leads back to itself"},
        {ROLE("a") "source_profile = b\n" ROLE("b") "source_profile = a\n",
         "profile b: its source_profile a leads back to itself"},
        {ROLE("a") "source_profile = b\n" ROLE("b") "source_profile = b\n",
         "profile b: its source_profile b leads back to itself"},
        {ROLE("a") "source_profile = b\naws_access_key_id = k\n" ROLE("b") "source_profile = a\n",
         "profile b: its source_profile a leads back to itself"},
        {ROLE("a") "source_profile = b\n" ROLE("b") "source_profile = c\n" ROLE(
             "c") "source_profile = b\n",
         "profile c: its source_profile b leads back to itself"},
        {ROLE("a") "source_profile = b\nmfa_serial = arn:aws:iam::1:mfa/me\n" KEYS_B,
         "profile a: mfa_serial requires a code, which a daemon cannot ask for"},
        {ROLE("a") "source_profile = b\n" ROLE("b") "source_profile = c\nmfa_serial = x\n",
         "profile b: mfa_serial"},
        {"[profile a]\nrole_arn = reader\nsource_profile = b\n" KEYS_B,
         "role_arn is \"reader\", but must be like arn:aws:iam::"},
        {"[profile a]\nrole_arn = arn:aws:iam::1:role/two words\nsource_profile = b\n" KEYS_B,
         "role_arn is \"arn:aws:iam::1:role/two words\""},
        {"[profile a]\nrole_arn = arn:aws:iam::1:role/x\n  second\nsource_profile = b\n" KEYS_B,
         "role_arn is \"arn:aws:iam::1:role/x\\nsecond\""},
        {ROLE("a") "source_profile = b\nrole_session_name = x\n" KEYS_B,
         "role_session_name is \"x\", but must be 2 to 64"},
        {ROLE("a") "source_profile = b\nrole_session_name = me here\n" KEYS_B,
         "role_session_name is \"me here\""},
        {ROLE("a") "source_profile = b\nexternal_id = a b\n" KEYS_B,
         "external_id must be 2 to 1224"},
        {ROLE("a") "source_profile = b\nduration_seconds = 899\n" KEYS_B,
         "duration_seconds is \"899\", but must be a number from 900 to 43200"},
        {ROLE("a") "source_profile = b\nduration_seconds = 43201\n" KEYS_B, "from 900 to 43200"},
        {ROLE("a") "source_profile = b\nduration_seconds = -900\n" KEYS_B, "from 900 to 43200"},
        {ROLE("a") "source_profile = b\nduration_seconds = 1h\n" KEYS_B, "from 900 to 43200"},
        {ROLE("a") "source_profile = b\nduration_seconds = 4294968196\n" KEYS_B,
         "from 900 to 43200"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(aws_profiles_free) struct aws_profiles *p = profiles_of(rows[i].config, "");
        CLEANUP(free) char *error = NULL;
        struct aws_role_plan *plan = NULL;

        if (aws_role_plan(p, "a", &plan, &error) != AWS_ROLE_E_INVALID)
            fail_msg("row %zu is taken", i);
        assert_null(plan);
        assert_non_null(error);
        if (!strstr(error, rows[i].words) || strchr(error, '\n'))
            fail_msg("row %zu: found \"%s\", wanted \"%s\"", i, error, rows[i].words);
        assert_int_equal(aws_role_plan(p, "a", &plan, NULL), AWS_ROLE_E_INVALID);
    }
}

/* A chain of that many roles, the last with credential_source. */
static int plan_of_chain(int n, struct aws_role_plan **ret, char **error)
{
    CLEANUP(buffer_done) struct buffer config = BUFFER_INIT(1 << 16);
    CLEANUP(aws_profiles_free) struct aws_profiles *p = NULL;

    for (int i = 0; i < n; i++) {
        buffer_printf(&config, "[profile p%d]\nrole_arn = " ARN "p%d\n", i, i);
        if (i < n - 1)
            buffer_printf(&config, "source_profile = p%d\n", i + 1);
        else
            buffer_printf(&config, "credential_source = Environment\n");
    }
    p = profiles_of(config.data, "");
    return aws_role_plan(p, "p0", ret, error);
}

static void chain_has_a_bound(void **state)
{
    CLEANUP(aws_role_plan_free) struct aws_role_plan *plan = NULL;
    CLEANUP(free) char *error = NULL;
    struct aws_role_plan *none = NULL;

    assert_int_equal(plan_of_chain(AWS_ROLES_MAX, &plan, NULL), 0);
    assert_int_equal(plan->n_roles, AWS_ROLES_MAX);
    assert_int_equal(plan_of_chain(AWS_ROLES_MAX + 1, &none, &error), AWS_ROLE_E_INVALID);
    assert_non_null(
        strstr(error, "profile p0: its chain of source profiles has more than 8 roles"));
}

static void session_names_and_arns_have_exact_bounds(void **state)
{
    char text[2050];

    memset(text, 'a', sizeof(text));
    text[65] = '\0';
    assert_false(aws_role_session_name_is_valid(text));
    text[64] = '\0';
    assert_true(aws_role_session_name_is_valid(text));
    assert_true(aws_role_session_name_is_valid("a_+=,.@-Z9"));
    assert_false(aws_role_session_name_is_valid(""));
    assert_false(aws_role_session_name_is_valid("a/b"));

    memset(text, 'a', sizeof(text));
    memcpy(text, "arn:", 4);
    text[2049] = '\0';
    assert_false(aws_role_arn_is_valid(text));
    text[2048] = '\0';
    assert_true(aws_role_arn_is_valid(text));
    text[20] = '\0';
    assert_true(aws_role_arn_is_valid(text));
    text[19] = '\0';
    assert_false(aws_role_arn_is_valid(text));
    assert_false(aws_role_arn_is_valid("urn:aws:iam::123456789012:role/x"));
    assert_false(aws_role_arn_is_valid("arn:aws:iam::123456789012:role/\xc3\xa4"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profile_without_a_role_has_no_plan),
        cmocka_unit_test(role_settings_are_all_read),
        cmocka_unit_test(role_setting_not_given_is_null),
        cmocka_unit_test(plans_follow_the_source_profiles),
        cmocka_unit_test(role_that_cannot_be_is_refused_with_the_reason),
        cmocka_unit_test(chain_has_a_bound),
        cmocka_unit_test(session_names_and_arns_have_exact_bounds),
    };

    return cmocka_run_group_tests_name("aws-role", tests, NULL, NULL);
}
