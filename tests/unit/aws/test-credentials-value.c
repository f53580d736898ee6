/* SPDX-License-Identifier: MIT */
#include "aws/credentials-value.h"
#include "test.h"

static void keys_that_no_header_can_carry_are_told(void **state)
{
    char long_text[16 * 1024];

    assert_null(aws_credentials_flaw("AKIA", "wJalr/+=", NULL));
    assert_null(aws_credentials_flaw("AKIA", "s", "FwoGZXIvYXdzE//////////w=="));
    assert_non_null(strstr(aws_credentials_flaw("AK IA", "s", NULL), "access key id"));
    assert_non_null(strstr(aws_credentials_flaw("AKIA\n", "s", NULL), "access key id"));
    assert_non_null(strstr(aws_credentials_flaw("A", "s\r\nX: y", NULL), "secret access key"));
    assert_non_null(strstr(aws_credentials_flaw("A", "s\xc3\xa4", NULL), "secret access key"));
    assert_non_null(strstr(aws_credentials_flaw("A", "s", "t\nX-Evil: 1"), "session token"));
    assert_non_null(strstr(aws_credentials_flaw("A", "s", "t\x7f"), "session token"));

    memset(long_text, 'a', sizeof(long_text));
    long_text[CREDENTIALS_TOKEN_MAX_BYTES] = '\0';
    assert_null(aws_credentials_flaw("A", "s", long_text));
    long_text[CREDENTIALS_TOKEN_MAX_BYTES] = 'a';
    long_text[CREDENTIALS_TOKEN_MAX_BYTES + 1] = '\0';
    assert_non_null(aws_credentials_flaw("A", "s", long_text));
    assert_non_null(aws_credentials_flaw("A", long_text, NULL));
    assert_non_null(aws_credentials_flaw(long_text, "s", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_no_header_can_carry_are_told),
    };

    return cmocka_run_group_tests_name("credentials-value", tests, NULL, NULL);
}
