/* SPDX-License-Identifier: MIT */
#include "daemon/remedy.h"
#include "test.h"

static const char *remedy(const char *query_error, const char *body)
{
    struct sqs_error error;

    sqs_error_parse(403, query_error, NULL, NULL, body, strlen(body), &error);
    return remedy_of(SQS_SEND_MESSAGE, &error);
}

static void error_of_sqs_says_what_to_do(void **state)
{
    static const struct {
        const char *query_error, *body, *words;
    } rows[] = {
        {"KMS.AccessDeniedException;Sender", "{}", "kms:GenerateDataKey"},
        {"KMS.DisabledException;Sender", "{}", "enable the queue's KMS key"},
        {"KMS.InvalidStateException;Sender", "{}", "pending deletion"},
        {"KMS.NotFoundException;Sender", "{}", "KMS key that exists"},
        {"KMS.InvalidKeyUsageException;Sender", "{}", "ENCRYPT_DECRYPT"},
        {"KMS.OptInRequired;Sender", "{}", "sign the account up for KMS"},
        {"KMS.ThrottlingException;Sender", "{}", "KmsDataKeyReusePeriodSeconds"},
        {NULL, "{\"__type\":\"OptInRequired\",\"message\":\"it requires opt-in\"}",
         "enable the region"},
        {NULL, "{\"__type\":\"UnrecognizedClientException\"}", "opt-in region"},
        {NULL,
         "{\"__type\":\"InvalidSignatureException\",\"message\":\"Credential should be scoped to a "
         "valid region.\"}",
         "set aws.region"},
        {"SignatureDoesNotMatch;Sender",
         "{\"message\":\"Credential should be scoped to a valid Region, not 'us-west-2'. \"}",
         "set aws.region"},
        {"SignatureDoesNotMatch;Sender", "{\"message\":\"another\"}", "check the access key"},
        {NULL, "{\"__type\":\"RequestExpired\"}", "timedatectl"},
        {NULL, "{\"__type\":\"QueueDoesNotExist\"}", "aws.queue_url"},
        {NULL, "{\"__type\":\"AccessDeniedException\"}", "IAM policy"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *text = remedy(rows[i].query_error, rows[i].body);

        if (!text || !strstr(text, rows[i].words))
            fail_msg("row %zu: %s", i, text ? text : "nothing");
    }
    assert_null(remedy(NULL, "{\"__type\":\"InvalidMessageContents\"}"));
}

/* An account that is not signed up says nothing against the message: it is tried again. */
static void missing_sign_up_is_nothing_against_a_message(void **state)
{
    static const char body[] = "{\"__type\":\"OptInRequired\"}";
    struct sqs_error error;

    sqs_error_parse(403, NULL, NULL, NULL, body, strlen(body), &error);
    assert_true(sqs_error_is_about_setup(&error));
}

static void keys_that_are_missing_are_to_be_put_where_they_are_looked_for(void **state)
{
    struct sqs_error error = {.class = AWS_ERROR_CREDENTIALS, .name = SQS_ERROR_NO_CREDENTIALS};

    unsetenv("INVOCATION_ID");
    assert_non_null(strstr(remedy_of(SQS_SEND_MESSAGE, &error), "aws configure"));
    setenv("INVOCATION_ID", "1", 1);
    assert_non_null(strstr(remedy_of(SQS_SEND_MESSAGE, &error), "put keys into /etc/credstore"));
    strcpy(error.name, SQS_ERROR_CREDENTIALS_FAILED);
    assert_null(remedy_of(SQS_SEND_MESSAGE, &error));
}

/* Only what counts on the way to who hands them out. */
static void keys_that_are_intercepted_are_looked_for_on_their_way(void **state)
{
    static const struct {
        const char *name, *words, *others;
    } rows[] = {
        {SQS_ERROR_CREDENTIALS_INTERCEPTED, "check the proxy (https_proxy)", "METADATA"},
        {SQS_ERROR_CREDENTIALS_INTERCEPTED, "AWS_ENDPOINT_URL_STS", "CONTAINER"},
        {SQS_ERROR_CREDENTIALS_SHORTAGE, "LimitNOFILE=", "network"},
        {SQS_ERROR_CREDENTIALS_UNREACHABLE, "the network", "LimitNOFILE="},
        {SQS_ERROR_METADATA_INTERCEPTED, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "https_proxy"},
        {SQS_ERROR_METADATA_INTERCEPTED, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "STS"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct sqs_error error = {.class = AWS_ERROR_TRANSIENT};
        const char *text;

        strcpy(error.name, rows[i].name);
        text = remedy_of(SQS_SEND_MESSAGE, &error);
        if (!strstr(text, rows[i].words) || strstr(text, rows[i].others))
            fail_msg("row %zu: %s", i, text);
    }
}

static void keys_that_have_expired_are_to_be_renewed(void **state)
{
    assert_non_null(strstr(remedy("ExpiredToken;Sender", "{}"), "renew the keys"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_of_sqs_says_what_to_do),
        cmocka_unit_test(missing_sign_up_is_nothing_against_a_message),
        cmocka_unit_test(keys_that_are_missing_are_to_be_put_where_they_are_looked_for),
        cmocka_unit_test(keys_that_are_intercepted_are_looked_for_on_their_way),
        cmocka_unit_test(keys_that_have_expired_are_to_be_renewed),
    };

    return cmocka_run_group_tests_name("remedy", tests, NULL, NULL);
}
