/* SPDX-License-Identifier: MIT */
#include "aws/sts-reply.h"
#include "test.h"

#include <stdio.h>

#define NAMESPACE " xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\""
#define KEYS                                                                                       \
    "<AccessKeyId>ASIAEXAMPLE</AccessKeyId>\n<SecretAccessKey>se/cr+et=</SecretAccessKey>\n"       \
    "<SessionToken>to/k+en==</SessionToken>\n<Expiration>2030-01-31T12:00:00Z</Expiration>\n"
#define REPLY(credentials)                                                                         \
    "<AssumeRoleResponse" NAMESPACE "><AssumeRoleResult>"                                          \
    "<AssumedRoleUser><AssumedRoleId>AROA:me</AssumedRoleId></AssumedRoleUser>"                    \
    "<Credentials>" credentials "</Credentials>"                                                   \
    "</AssumeRoleResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata>"           \
    "</AssumeRoleResponse>"

static int parse(const char *xml, struct sts_reply **ret, char **error)
{
    return sts_reply_parse(xml, strlen(xml), ret, error);
}

static void keys_of_both_actions_are_read(void **state)
{
    static const char *const replies[] = {
        REPLY(KEYS),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" REPLY(KEYS),
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult>\n"
        "  <SubjectFromWebIdentityToken>system:serviceaccount:a:b</SubjectFromWebIdentityToken>\n"
        "  <Credentials>" KEYS "</Credentials>\n"
        "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>\n",
        REPLY(KEYS "<New><Deep>thing</Deep></New>"),
        /* The XML may write the same text in other ways. */
        REPLY("<AccessKeyId>ASIA&#69;XAMPLE</AccessKeyId>"
              "<SecretAccessKey><![CDATA[se/cr]]>+et=</SecretAccessKey>"
              "<SessionToken>to/<!-- no part of it -->k+en==</SessionToken>"
              "<Expiration>2030-01-31T13:00:00.000+01:00</Expiration>"),
        REPLY("<AccessKeyId>ASIAEXAMPLE</AccessKeyId>"
              "<SecretAccessKey>se/cr+et=</SecretAccessKey>"
              "<SessionToken>to/k+en==</SessionToken>"
              "<Expiration>2030-01-31 12:00:00 +0000</Expiration>"),
    };

    for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
        CLEANUP(sts_reply_free) struct sts_reply *r = NULL;
        CLEANUP(free) char *error = NULL;

        if (parse(replies[i], &r, &error) != 0)
            fail_msg("%s: %s", replies[i], error);
        assert_false(r->is_error);
        assert_string_equal(r->access_key_id, "ASIAEXAMPLE");
        assert_string_equal(r->secret_access_key, "se/cr+et=");
        assert_string_equal(r->session_token, "to/k+en==");
        assert_int_equal(r->expiration, 1896091200);
        assert_null(r->error_code);
        assert_null(error);
    }
}

static void error_is_read(void **state)
{
    CLEANUP(sts_reply_free) struct sts_reply *r = NULL;

    assert_int_equal(parse("<ErrorResponse" NAMESPACE ">\n  <Error>\n    <Type>Sender</Type>\n"
                           "    <Code>AccessDenied</Code>\n"
                           "    <Message>User: a &amp; b is\t&lt;not&gt; allowed</Message>\n"
                           "  </Error>\n  <RequestId>4f1-22</RequestId>\n</ErrorResponse>\n",
                           &r, NULL),
                     0);
    assert_true(r->is_error);
    assert_string_equal(r->error_code, "AccessDenied");
    assert_string_equal(r->error_message, "User: a & b is\\t<not> allowed");
    assert_string_equal(r->request_id, "4f1-22");
    assert_null(r->access_key_id);
}

/* As AWS words it: the request's headers follow, a session token among them. */
static void message_of_several_lines_keeps_the_first(void **state)
{
    static const char *const ends[] = {"\n\nThe Canonical", "&#10;The Canonical", "&#13;", "\n"};

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        CLEANUP(sts_reply_free) struct sts_reply *r = NULL;
        char xml[512];

        snprintf(xml, sizeof(xml),
                 "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>It does not."
                 "%s String: 'POST\nx-amz-security-token:secret'</Message></Error></ErrorResponse>",
                 ends[i]);
        assert_int_equal(parse(xml, &r, NULL), 0);
        assert_string_equal(r->error_message, "It does not.");
    }
}

static void error_with_its_code_alone_is_read(void **state)
{
    CLEANUP(sts_reply_free) struct sts_reply *r = NULL;

    assert_int_equal(
        parse("<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>", &r, NULL),
        0);
    assert_string_equal(r->error_code, "Throttling");
    assert_null(r->error_message);
    assert_null(r->request_id);
}

static void message_long_is_cut(void **state)
{
    CLEANUP(buffer_done) struct buffer xml = BUFFER_INIT(1 << 16);
    CLEANUP(sts_reply_free) struct sts_reply *r = NULL;

    buffer_append_string(&xml, "<ErrorResponse><Error><Code>X</Code><Message>");
    for (int i = 0; i < 10000; i++)
        buffer_append_char(&xml, 'm');
    buffer_append_string(&xml, "</Message></Error></ErrorResponse>");
    assert_int_equal(parse(xml.data, &r, NULL), 0);
    assert_string_equal(r->error_message + STS_ERROR_MESSAGE_MAX_BYTES, "... (10000 bytes)");
}

#define ENTITY_BOMB                                                                                \
    "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">]>"

static void reply_of_another_form_is_refused_with_the_reason(void **state)
{
    static const struct {
        const char *xml, *words;
    } rows[] = {
        {"", "not XML"},
        {" ", "not XML"},
        {"{\"Credentials\": null}", "not XML"},
        {"<html><body>Bad Gateway</body></html>", "neither credentials nor an error"},
        {"<html><p>Bad Gateway</html>", "mismatched tag"},
        {"<AssumeRoleResponse/>", "neither credentials nor an error"},
        {"<GetSessionTokenResponse><GetSessionTokenResult><Credentials>" KEYS
         "</Credentials></GetSessionTokenResult></GetSessionTokenResponse>",
         "neither credentials nor an error"},
        {"<AssumeRoleResponse><AssumeRoleResult><Credentials>" KEYS "</Credentials>",
         "no element found"},
        {REPLY(KEYS) "<again/>", "junk after document element"},
        {REPLY(KEYS KEYS), "AccessKeyId is there twice"},
        {REPLY("<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
               "<Expiration>2030-01-31T12:00:00Z</Expiration>"),
         "AccessKeyId is missing"},
        {REPLY("<AccessKeyId>a</AccessKeyId>"), "SecretAccessKey is missing"},
        {REPLY("<AccessKeyId>a</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken/>"),
         "SessionToken is empty"},
        {REPLY("<AccessKeyId>a</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
               "<SessionToken>t</SessionToken>"),
         "Expiration is missing"},
        {REPLY("<AccessKeyId>a</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
               "<SessionToken>t</SessionToken><Expiration>tomorrow</Expiration>"),
         "Expiration is not an ISO 8601 time"},
        {REPLY("<AccessKeyId>a</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
               "<SessionToken>t</SessionToken><Expiration>1960-01-31T12:00:00Z</Expiration>"),
         "Expiration is not an ISO 8601 time"},
        /* Nothing may break out of the header that the token stands in. */
        {REPLY("<AccessKeyId>a</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
               "<SessionToken>t&#13;&#10;X-Evil: 1</SessionToken>"),
         "SessionToken holds a character that no key has"},
        {REPLY("<AccessKeyId>\xc3\xa4</AccessKeyId>"), "AccessKeyId holds a character"},
        {REPLY("<AccessKeyId>a<b/></AccessKeyId>"), "AccessKeyId holds another element"},
        {"<ErrorResponse><Error><Type>Sender</Type></Error></ErrorResponse>",
         "neither credentials nor an error"},
        {"<ErrorResponse><Error><Code/></Error></ErrorResponse>", "an error without its Code"},
        {"<ErrorResponse><Error><Code>\n</Code></Error></ErrorResponse>",
         "begins with a line break"},
        {"<!DOCTYPE x><AssumeRoleResponse/>", "DOCTYPE"},
        {ENTITY_BOMB "<ErrorResponse><Error><Code>&b;</Code></Error></ErrorResponse>", "DOCTYPE"},
        {"<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><x/>", "DOCTYPE"},
        {"<ErrorResponse><Error><Code>&nbsp;</Code></Error></ErrorResponse>", "undefined entity"},
        {"<ErrorResponse><Error><Code>\xff</Code></Error></ErrorResponse>", "not well-formed"},
        {"<?xml version=\"1.0\" encoding=\"UTF-16\"?><ErrorResponse>\xff</ErrorResponse>",
         "not well-formed"},
        {"<1><2><3>", "not well-formed"},
        {"<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a/>", "nested more than 16 deep"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct sts_reply *r = NULL;
        CLEANUP(free) char *error = NULL;

        if (parse(rows[i].xml, &r, &error) != STS_REPLY_E_DAMAGED)
            fail_msg("taken: %s", rows[i].xml);
        assert_null(r);
        assert_non_null(error);
        if (!strstr(error, rows[i].words))
            fail_msg("%s: found \"%s\", wanted \"%s\"", rows[i].xml, error, rows[i].words);
        assert_int_equal(parse(rows[i].xml, &r, NULL), STS_REPLY_E_DAMAGED);
    }
}

static void error_line_never_holds_a_key(void **state)
{
    static const char *const replies[] = {
        REPLY("<AccessKeyId>a</AccessKeyId><SecretAccessKey>hidden hidden</SecretAccessKey>"),
        REPLY("<AccessKeyId>a</AccessKeyId><SecretAccessKey>hidden<hidden/></SecretAccessKey>"),
        REPLY("<SecretAccessKey>hidden</SecretAccessKey><SecretAccessKey>hidden</SecretAccessKey>"),
        REPLY("<SecretAccessKey>hidden</AccessKeyId>"),
    };

    for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
        struct sts_reply *r = NULL;
        CLEANUP(free) char *error = NULL;

        assert_int_equal(parse(replies[i], &r, &error), STS_REPLY_E_DAMAGED);
        assert_null(strstr(error, "hidden"));
    }
}

/* A reply whose session token has that many bytes, padded to `total_bytes` if that is more. */
static void make_reply(struct buffer *xml, size_t token_bytes, size_t total_bytes)
{
    static const char end[] =
        "</SessionToken></Credentials></AssumeRoleResult></AssumeRoleResponse>";

    buffer_append_string(xml, "<AssumeRoleResponse><AssumeRoleResult><Credentials>"
                              "<AccessKeyId>a</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
                              "<Expiration>2030-01-31T12:00:00Z</Expiration><SessionToken>");
    for (size_t i = 0; i < token_bytes; i++)
        buffer_append_char(xml, 't');
    buffer_append_string(xml, end);
    while (xml->size < total_bytes)
        buffer_append_char(xml, '\n');
}

static void caps_are_exact(void **state)
{
    static const struct {
        size_t token_bytes, total_bytes;
        bool is_taken;
    } rows[] = {
        {STS_REPLY_VALUE_MAX_BYTES, 0, true},
        {STS_REPLY_VALUE_MAX_BYTES + 1, 0, false},
        {1, STS_REPLY_MAX_BYTES, true},
        {1, STS_REPLY_MAX_BYTES + 1, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(buffer_done) struct buffer xml = BUFFER_INIT(1 << 20);
        CLEANUP(sts_reply_free) struct sts_reply *r = NULL;
        int result;

        make_reply(&xml, rows[i].token_bytes, rows[i].total_bytes);
        result = sts_reply_parse(xml.data, xml.size, &r, NULL);
        assert_int_equal(result, rows[i].is_taken ? 0 : STS_REPLY_E_DAMAGED);
        if (r)
            assert_int_equal(strlen(r->session_token), rows[i].token_bytes);
    }
}

static void name_very_long_is_refused(void **state)
{
    CLEANUP(buffer_done) struct buffer xml = BUFFER_INIT(1 << 20);
    struct sts_reply *r = NULL;

    buffer_append_char(&xml, '<');
    for (int i = 0; i < 5000; i++)
        buffer_append_char(&xml, 'n');
    buffer_append_string(&xml, "/>");
    assert_int_equal(sts_reply_parse(xml.data, xml.size, &r, NULL), STS_REPLY_E_DAMAGED);
}

/* No crash and no leak, wherever a good reply ends or whichever byte of it is another. */
static void reply_cut_or_changed_anywhere_does_no_harm(void **state)
{
    static const char good[] = "<?xml version=\"1.0\"?>" REPLY(KEYS);
    char bytes[sizeof(good)];

    for (size_t n = 0; n < strlen(good); n++) {
        struct sts_reply *r = NULL;

        assert_int_equal(sts_reply_parse(good, n, &r, NULL), STS_REPLY_E_DAMAGED);
        assert_null(r);
    }
    for (size_t i = 0; i < strlen(good); i++)
        for (size_t k = 0; k < 6; k++) {
            struct sts_reply *r = NULL;

            memcpy(bytes, good, sizeof(good));
            bytes[i] = "<>&\0\xff "[k];
            if (sts_reply_parse(bytes, strlen(good), &r, NULL) == 0)
                sts_reply_free(r);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_both_actions_are_read),
        cmocka_unit_test(error_is_read),
        cmocka_unit_test(message_of_several_lines_keeps_the_first),
        cmocka_unit_test(error_with_its_code_alone_is_read),
        cmocka_unit_test(message_long_is_cut),
        cmocka_unit_test(reply_of_another_form_is_refused_with_the_reason),
        cmocka_unit_test(error_line_never_holds_a_key),
        cmocka_unit_test(caps_are_exact),
        cmocka_unit_test(name_very_long_is_refused),
        cmocka_unit_test(reply_cut_or_changed_anywhere_does_no_harm),
    };

    return cmocka_run_group_tests_name("aws-sts-reply", tests, NULL, NULL);
}
