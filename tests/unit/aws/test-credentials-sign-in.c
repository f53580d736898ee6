/* SPDX-License-Identifier: MIT */
#include "aws/credentials-sign-in.h"
#include "test-aws-home.h"
#include "test.h"

static void profiles_for_people_are_refused_with_what_serves_instead(void **state)
{
    static const struct {
        enum credentials_sign_in kind;
        const char *profile, *config;
        enum credentials_outcome outcome;
        const char *words;
    } rows[] = {
        {CREDENTIALS_SIGN_IN_SSO, "work",
         "[profile work]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n",
         CREDENTIALS_FAILED,
         "profile work has sso_account_id: it is for people, who sign in by `aws sso login`. Use "
         "another profile, which has the line: credential_process = aws configure "
         "export-credentials --profile work --format process"},
        {CREDENTIALS_SIGN_IN_SSO, NULL, "[default]\nsso_role_name = r\n", CREDENTIALS_FAILED,
         "profile default has sso_role_name"},
        {CREDENTIALS_SIGN_IN_SSO, "two words", "[profile \"two words\"]\nsso_role_name = r\n",
         CREDENTIALS_FAILED, "--profile 'two words' --format process"},
        {CREDENTIALS_SIGN_IN_LOGIN, "work", "[profile work]\nlogin_session = arn:aws:x\n",
         CREDENTIALS_FAILED,
         "profile work has login_session: it is for people, who sign in by "
         "`aws login`."},

        {CREDENTIALS_SIGN_IN_SSO, "work", "[profile work]\nlogin_session = arn:aws:x\n",
         CREDENTIALS_NOT_SET_UP, "profile work has no sso_account_id"},
        /* A session alone, as other tools use it, gives no keys. */
        {CREDENTIALS_SIGN_IN_SSO, "work", "[profile work]\nsso_session = s\n",
         CREDENTIALS_NOT_SET_UP, "profile work has no sso_account_id"},
        {CREDENTIALS_SIGN_IN_LOGIN, "work", "[profile work]\nsso_role_name = r\n",
         CREDENTIALS_NOT_SET_UP, "profile work has no login_session"},
        {CREDENTIALS_SIGN_IN_SSO, "other", "[profile work]\nsso_role_name = r\n",
         CREDENTIALS_NOT_SET_UP, "profile other has no sso_account_id"},
        {CREDENTIALS_SIGN_IN_SSO, NULL, "[default\n", CREDENTIALS_FAILED, ".aws/config:1: "},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(credentials_provider_free) struct credentials_provider *p = NULL;
        CLEANUP(answer_reset) struct answer a = {};

        aws_home_reset();
        aws_home_write(".aws/config", rows[i].config);
        assert_int_equal(credentials_sign_in_new(rows[i].kind, rows[i].profile, &p), 0);
        credentials_provider_fetch(p, on_answer, &a);
        assert_int_equal(a.n, 1);
        assert_int_equal(a.outcome, rows[i].outcome);
        assert_text_has(&a, rows[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profiles_for_people_are_refused_with_what_serves_instead),
    };

    return cmocka_run_group_tests(tests, aws_home_make, aws_home_remove);
}
