/* SPDX-License-Identifier: MIT */
#include "aws/credentials-environment.h"
#include "provider-answer.h"

static const char *const variables[] = {
    "AWS_ACCESS_KEY_ID",  "AWS_SECRET_ACCESS_KEY",     "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION",
};

static void environment_keys_are_found_or_the_answer_says_why_not(void **state)
{
    static const struct {
        const char *id, *secret, *token, *old_token, *expiration;
        enum credentials_outcome outcome;
        const char *text; /* in the text; for FOUND, the token */
    } cases[] = {
        {.outcome = CREDENTIALS_NOT_SET_UP, .text = "AWS_ACCESS_KEY_ID is not set"},
        {.id = "", .secret = "", .outcome = CREDENTIALS_NOT_SET_UP, .text = "AWS_ACCESS_KEY_ID"},
        {.secret = SECRET, .outcome = CREDENTIALS_NOT_SET_UP, .text = "AWS_ACCESS_KEY_ID"},
        {.id = "AKIA", .outcome = CREDENTIALS_FAILED, .text = "AWS_SECRET_ACCESS_KEY is not"},
        {.id = "AKIA", .secret = "", .outcome = CREDENTIALS_FAILED, .text = "set both or neither"},
        {.id = "AKIA", .secret = SECRET, .outcome = CREDENTIALS_FOUND},
        {.id = "AKIA", .secret = SECRET, .token = "", .outcome = CREDENTIALS_FOUND},
        {.id = "AKIA", .secret = SECRET, .token = "T", .outcome = CREDENTIALS_FOUND, .text = "T"},
        {.id = "AKIA",
         .secret = SECRET,
         .old_token = "O",
         .outcome = CREDENTIALS_FOUND,
         .text = "O"},
        {.id = "AKIA",
         .secret = SECRET,
         .token = "T",
         .old_token = "O",
         .outcome = CREDENTIALS_FOUND,
         .text = "T"},
        {.id = "AKIA",
         .secret = SECRET,
         .expiration = "2030-01-31T12:00:00Z",
         .outcome = CREDENTIALS_FOUND},
        {.id = "AKIA",
         .secret = SECRET,
         .expiration = "2030-01-31T12:00:00+0000",
         .outcome = CREDENTIALS_FOUND},
        {.id = "AKIA",
         .secret = SECRET,
         .expiration = "2030-01-31 12:00:00 UTC",
         .outcome = CREDENTIALS_FOUND},
        {.id = "AKIA",
         .secret = SECRET,
         .expiration = "2030-01-31T12:00:00",
         .outcome = CREDENTIALS_FAILED,
         .text = "AWS_CREDENTIAL_EXPIRATION"},
        {.id = "AKIA",
         .secret = SECRET,
         .expiration = "tomorrow",
         .outcome = CREDENTIALS_FAILED,
         .text = "AWS_CREDENTIAL_EXPIRATION"},
        {.id = "AKIA",
         .secret = SECRET,
         .expiration = "1960-01-31T12:00:00Z",
         .outcome = CREDENTIALS_FAILED,
         .text = "AWS_CREDENTIAL_EXPIRATION"},
        {.id = "AKIA",
         .secret = SECRET "\n",
         .outcome = CREDENTIALS_FAILED,
         .text = "secret access key"},
        {.id = " AKIA", .secret = SECRET, .outcome = CREDENTIALS_FAILED, .text = "access key id"},
        {.id = "AKIA",
         .secret = SECRET,
         .token = "a " SECRET,
         .outcome = CREDENTIALS_FAILED,
         .text = "session token"},
    };
    struct credentials_provider *p;
    struct answer a = {};

    assert_int_equal(credentials_environment_new(&p), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *const values[] = {cases[i].id, cases[i].secret, cases[i].token,
                                      cases[i].old_token, cases[i].expiration};

        for (size_t k = 0; k < ARRAY_SIZE(values); k++)
            if (values[k])
                setenv(variables[k], values[k], 1);
            else
                unsetenv(variables[k]);
        fetch(p, &a);
        if (a.outcome != cases[i].outcome)
            fail_msg("case %zu: %d %s", i, a.outcome, a.text);
        if (a.outcome != CREDENTIALS_FOUND) {
            assert_non_null(strstr(a.text, cases[i].text));
            continue;
        }
        assert_string_equal(a.credentials->access_key_id, "AKIA");
        assert_string_equal(a.credentials->secret_access_key, SECRET);
        if (cases[i].text)
            assert_string_equal(a.credentials->session_token, cases[i].text);
        else
            assert_null(a.credentials->session_token);
        assert_true(a.credentials->expiry_usec ==
                    (cases[i].expiration ? 1896091200 * USEC_PER_SEC : USEC_INFINITY));
        assert_string_equal(a.credentials->source, "environment");
    }
    answer_done(&a);
    credentials_provider_free(p);
}

static int set_up(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
        unsetenv(variables[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(environment_keys_are_found_or_the_answer_says_why_not, set_up),
    };

    return cmocka_run_group_tests_name("aws-credentials-environment", tests, NULL, NULL);
}
