/* SPDX-License-Identifier: MIT */
#include "aws/credentials-json.h"
#include "test.h"

#include <stdio.h>

#define T2030 (UINT64_C(1893456000) * USEC_PER_SEC) /* 2030-01-01T00:00:00Z */

static int parse(enum credentials_json_form form, const char *text, struct credentials_json *ret,
                 char **error)
{
    /* A copy of exactly that size, for the sanitizer to see a read past its end. */
    size_t size = strlen(text);
    CLEANUP(free) char *copy = malloc(size > 0 ? size : 1);

    assert_non_null(copy);
    memcpy(copy, text, size);
    return credentials_json_parse(form, copy, size, ret, error);
}

static void assert_text(const char *found, const char *wanted)
{
    if (wanted) {
        assert_non_null(found);
        assert_string_equal(found, wanted);
    } else {
        assert_null(found);
    }
}

#define PROCESS CREDENTIALS_JSON_PROCESS
#define CONTAINER CREDENTIALS_JSON_CONTAINER
#define IMDS CREDENTIALS_JSON_IMDS

static const struct {
    enum credentials_json_form form;
    const char *text;
    const char *token, *account;
    uint64_t expiry_usec;
} good[] = {
    {PROCESS, "{\"Version\":1,\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"s/+=\"}", NULL, NULL,
     USEC_INFINITY},
    {PROCESS,
     " {\"Version\": 1, \"AccessKeyId\": \"AKID\", \"SecretAccessKey\": \"s/+=\",\r\n"
     "\"SessionToken\": \"tok\", \"Expiration\": \"2030-01-01T00:00:00Z\", \"AccountId\":"
     "\"123456789012\", \"Unknown\": {\"a\": [1, {\"b\": null}]}}\n\n",
     "tok", "123456789012", T2030},
    {PROCESS,
     "{\"Version\":1,\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"s/+=\",\"SessionToken\":null,"
     "\"Expiration\":null,\"AccountId\":null}",
     NULL, NULL, USEC_INFINITY},
    {PROCESS,
     "{\"Version\":1,\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"s/+=\",\"SessionToken\":\"\","
     "\"Expiration\":\"\",\"AccountId\":123456789012}",
     NULL, NULL, USEC_INFINITY},
    /* Nothing hangs on these. */
    {PROCESS,
     "{\"Version\":1,\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"s/+=\",\"gr\xc3\xbc\xc3\x9f"
     "e\":"
     "\"\xf0\x9f\x98\x80 \\ud83d\",\"n\":123456789012345678901234567890}",
     NULL, NULL, USEC_INFINITY},
    /* The last of a name counts. */
    {CONTAINER,
     "{\"AccessKeyId\":\"no\",\"SecretAccessKey\":\"s/+=\",\"\\u0041ccessKeyId\":\"AKID\"}", NULL,
     NULL, USEC_INFINITY},
    /* Other forms' names are unknown members here. */
    {PROCESS,
     "{\"Version\":1,\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"s/+=\",\"Token\":\"no\"}", NULL,
     NULL, USEC_INFINITY},
    {PROCESS,
     "{\"Version\":1,\"AccessKeyId\":\"\\u0041KID\",\"SecretAccessKey\":\"s\\/+=\","
     "\"Expiration\":\"2030-01-01T01:00:00.123456+01:00\"}",
     NULL, NULL, T2030},
    {PROCESS,
     "{\"Version\":1,\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"s/+=\","
     "\"Expiration\":\"2030-01-01 00:00:00 UTC\"}",
     NULL, NULL, T2030},
    {CONTAINER, "{\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"s/+=\"}", NULL, NULL,
     USEC_INFINITY},
    {CONTAINER,
     "{\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"s/+=\",\"Expiration\":"
     "\"2030-01-01T00:00:00+0000\"}",
     NULL, NULL, T2030},
    {CONTAINER,
     "{\"RoleArn\":\"arn\",\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"s/+=\",\"Token\":\"tok\","
     "\"Expiration\":\"2030-01-01T00:00:00Z\",\"AccountId\":\"1\"}",
     "tok", "1", T2030},
    /* The past is for the caller to judge. */
    {CONTAINER,
     "{\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"s/+=\",\"Expiration\":"
     "\"1970-01-01T00:00:01Z\"}",
     NULL, NULL, USEC_PER_SEC},
    {IMDS,
     "{\"Code\":\"Success\",\"LastUpdated\":\"2029-12-31T18:00:00Z\",\"Type\":\"AWS-HMAC\","
     "\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"s/+=\",\"Token\":\"tok\",\"Expiration\":"
     "\"2030-01-01T00:00:00Z\"}",
     "tok", NULL, T2030},
    {IMDS,
     "{\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"s/+=\",\"Token\":\"tok\","
     "\"Expiration\":\"20300101T000000,5z\"}",
     "tok", NULL, T2030},
    /* Keys that come with a complaint are keys. */
    {IMDS,
     "{\"Code\":\"Failed\",\"Message\":\"stale\",\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":"
     "\"s/+=\",\"Token\":\"tok\",\"Expiration\":\"2030-01-01T00:00:00Z\"}",
     "tok", NULL, T2030},
};

static void good_replies_are_read(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        CLEANUP(credentials_json_done) struct credentials_json c = {};
        CLEANUP(free) char *error = NULL;
        int r = parse(good[i].form, good[i].text, &c, &error);

        if (r != 0)
            print_message("%s: %s\n", good[i].text, error);
        assert_int_equal(r, 0);
        assert_null(error);
        assert_text(c.access_key_id, "AKID");
        assert_text(c.secret_access_key, "s/+=");
        assert_text(c.session_token, good[i].token);
        assert_text(c.account_id, good[i].account);
        assert_true(c.expiry_usec == good[i].expiry_usec);
    }
}

#define NOT_EXPECTED "is not the JSON that is expected: "
#define KEYS "\"AccessKeyId\":\"SEKRETID\",\"SecretAccessKey\":\"SEKRET\""

static const struct {
    enum credentials_json_form form;
    const char *text, *says;
} bad[] = {
    {PROCESS, "", "is empty"},
    {PROCESS, "   \n", NOT_EXPECTED "cut off"},
    {PROCESS, "SEKRET", NOT_EXPECTED "not JSON, at byte 1"},
    {PROCESS, "{\"Version\":1," KEYS, NOT_EXPECTED "cut off"},
    {PROCESS, "{\"Version\":1," KEYS ",}", NOT_EXPECTED "not JSON, at byte "},
    {PROCESS, "{\"Version\":1," KEYS "} SEKRET", NOT_EXPECTED "followed by more, at byte "},
    {PROCESS, "{\"Version\":1," KEYS "}{}", NOT_EXPECTED "followed by more, at byte "},
    {PROCESS, "{\"Version\":1," KEYS ",\"x\":'y'}", NOT_EXPECTED "not JSON, at byte "},
    {PROCESS, "/* SEKRET */{\"Version\":1," KEYS "}", NOT_EXPECTED "not JSON, at byte 1"},
    {PROCESS, "{\"Version\":1," KEYS ",\"x\":\"\xff\"}", NOT_EXPECTED "not UTF-8, at byte "},
    {PROCESS, "\xef\xbb\xbf{\"Version\":1," KEYS "}", NOT_EXPECTED "not JSON, at byte 1"},
    {PROCESS, "{\"Version\":1," KEYS ",\"x\":[[[[[[[[[[1]]]]]]]]]]}",
     NOT_EXPECTED "too deep, at byte "},
    {PROCESS, "[{\"Version\":1," KEYS "}]", NOT_EXPECTED "no JSON object"},
    {PROCESS, "null ", NOT_EXPECTED "no JSON object"},
    {PROCESS, "\"SEKRET\"", NOT_EXPECTED "no JSON object"},
    {PROCESS, "12", NOT_EXPECTED "no JSON object"},
    {PROCESS, "{'Version':1," KEYS "}", NOT_EXPECTED "not JSON, at byte 2"},
    {PROCESS, "{\"Version\":1," KEYS ",\"x\":NaN}", NOT_EXPECTED "not JSON, at byte "},
    {PROCESS, "{" KEYS "}", "has no Version"},
    {PROCESS, "{\"Version\":null," KEYS "}", "has no Version"},
    {PROCESS, "{\"Version\":\"1\"," KEYS "}", "has a Version that is not the number 1"},
    {PROCESS, "{\"Version\":1.0," KEYS "}", "has a Version that is not the number 1"},
    {PROCESS, "{\"Version\":true," KEYS "}", "has a Version that is not the number 1"},
    {PROCESS, "{\"Version\":2," KEYS "}", "has Version 2, but only 1 is known"},
    {PROCESS, "{\"Version\":4294967297," KEYS "}", "has Version 4294967297"},
    {PROCESS, "{\"Version\":18446744073709551617," KEYS "}", "has Version 9223372036854775807"},
    {PROCESS, "{\"Version\":1,\"Version\":2," KEYS "}", "has Version 2, but only 1 is known"},
    {PROCESS, "{\"Version\":1,\"SecretAccessKey\":\"SEKRET\"}", "has no AccessKeyId"},
    {PROCESS, "{\"Version\":1,\"accesskeyid\":\"SEKRET\"}", "has no AccessKeyId"},
    {PROCESS, "{\"Version\":1,\"AccessKeyId\":\"SEKRETID\"}", "has no SecretAccessKey"},
    {PROCESS, "{\"Version\":1,\"AccessKeyId\":\"SEKRETID\",\"SecretAccessKey\":\"\"}",
     "has an empty SecretAccessKey"},
    {PROCESS, "{\"Version\":1,\"AccessKeyId\":\"SEKRETID\",\"SecretAccessKey\":null}",
     "has no SecretAccessKey"},
    {PROCESS, "{\"Version\":1,\"AccessKeyId\":7,\"SecretAccessKey\":\"SEKRET\"}",
     "has a AccessKeyId that is not a text"},
    {PROCESS, "{\"Version\":1,\"AccessKeyId\":\"SEK RETID\",\"SecretAccessKey\":\"SEKRET\"}",
     "has a AccessKeyId with a space"},
    {PROCESS, "{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"SEKRET\\n\"}",
     "has a SecretAccessKey with a space, a control character"},
    {PROCESS, "{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"SEKRET\\u0000x\"}",
     "has a SecretAccessKey with a space, a control character"},
    {PROCESS, "{\"Version\":1," KEYS ",\"SessionToken\":\"SEKRET\\r\\nX: y\"}",
     "has a SessionToken with a space, a control character"},
    {PROCESS, "{\"Version\":1," KEYS ",\"SessionToken\":[\"SEKRET\"]}",
     "has a SessionToken that is not a text"},
    {PROCESS, "{\"Version\":1," KEYS ",\"SessionToken\":\"SEKRET\\ud83d\"}",
     "has a SessionToken with a space, a control character"},
    {PROCESS, "{\"Version\":1," KEYS ",\"Expiration\":\"tomorrow\"}", "has an Expiration that"},
    {PROCESS, "{\"Version\":1," KEYS ",\"Expiration\":\"2030-01-01T00:00:00\"}",
     "has an Expiration that"},
    {PROCESS, "{\"Version\":1," KEYS ",\"Expiration\":1893456000}",
     "has a Expiration that is not a text"},
    {PROCESS, "{\"Version\":1," KEYS ",\"Expiration\":\"2030-02-30T00:00:00Z\"}",
     "has an Expiration that"},
    {PROCESS, "{\"Version\":1," KEYS ",\"Expiration\":\"1969-01-01T00:00:00Z\"}",
     "has an Expiration that"},
    {PROCESS, "{\"Version\":1," KEYS ",\"Expiration\":\"2030-01-01\"}", "has an Expiration that"},
    {CONTAINER, "{\"code\":\"ClientException\",\"message\":\"no such\\ntask\"}",
     "has no keys but says: ClientException: no such\\ntask"},
    {CONTAINER, "{\"Message\":\"alone\"}", "has no keys but says: alone"},
    {CONTAINER, "{\"Code\":{},\"Message\":[]}", "has no AccessKeyId"},
    {CONTAINER, "{}", "has no AccessKeyId"},
    {CONTAINER, "<html>SEKRET</html>", NOT_EXPECTED "not JSON, at byte 1"},
    {CONTAINER, "{" KEYS ",\"Token\":3}", "has a Token that is not a text"},
    {IMDS, "{" KEYS ",\"Expiration\":\"2030-01-01T00:00:00Z\"}", "has no Token"},
    {IMDS, "{" KEYS ",\"Token\":\"\",\"Expiration\":\"2030-01-01T00:00:00Z\"}",
     "has an empty Token"},
    {IMDS, "{" KEYS ",\"Token\":\"SEKRET\"}", "has no Expiration"},
    {IMDS, "{\"Code\":\"Success\"}", "has no AccessKeyId"},
    {IMDS,
     "{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"EC2 cannot assume the role web.\","
     "\"LastUpdated\":\"2029-12-31T18:00:00Z\"}",
     "has no keys but says: AssumeRoleUnauthorizedAccess: EC2 cannot assume the role web."},
};

static void bad_replies_are_refused_and_never_shown(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct credentials_json c = {.expiry_usec = 77};
        CLEANUP(free) char *error = NULL;
        int r = parse(bad[i].form, bad[i].text, &c, &error);

        if (r == 0 || !strstr(error, bad[i].says))
            print_message("%s: found %s, wanted %s\n", bad[i].text, r == 0 ? "no error" : error,
                          bad[i].says);
        assert_int_equal(r, CREDENTIALS_JSON_E_INVALID);
        assert_non_null(strstr(error, bad[i].says));
        assert_null(strstr(error, "SEKRET"));
        assert_null(c.access_key_id);
        assert_int_equal(c.expiry_usec, 77);
        assert_int_equal(parse(bad[i].form, bad[i].text, &c, NULL), CREDENTIALS_JSON_E_INVALID);
    }
}

static void a_nul_does_not_end_a_reply(void **state)
{
    static const char text[] = "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\"}\0{}";
    struct credentials_json c = {};
    CLEANUP(free) char *error = NULL;

    assert_int_equal(credentials_json_parse(CONTAINER, text, sizeof(text) - 1, &c, &error),
                     CREDENTIALS_JSON_E_INVALID);
    assert_non_null(error);
}

static void size_is_bounded(void **state)
{
    static const char start[] = "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\"";
    size_t size = CREDENTIALS_JSON_MAX_BYTES;
    CLEANUP(free) char *text = malloc(size + 2);
    CLEANUP(credentials_json_done) struct credentials_json c = {};
    CLEANUP(free) char *error = NULL;
    struct credentials_json none = {};

    assert_non_null(text);
    memset(text, ' ', size + 1);
    text[size + 1] = '\0';
    memcpy(text, start, sizeof(start) - 1);
    text[size - 1] = '}';
    assert_int_equal(credentials_json_parse(CONTAINER, text, size, &c, NULL), 0);
    assert_int_equal(credentials_json_parse(CONTAINER, text, size + 1, &none, &error),
                     CREDENTIALS_JSON_E_INVALID);
    assert_string_equal(error, "is longer than 65536 bytes");
}

static void a_long_token_is_kept_whole(void **state)
{
    enum { TOKEN = 20000 };
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(CREDENTIALS_JSON_MAX_BYTES);
    CLEANUP(credentials_json_done) struct credentials_json c = {};

    buffer_append_string(&b, "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Token\":\"");
    for (size_t i = 0; i < TOKEN; i++)
        buffer_append_char(&b, (char)('a' + i % 26));
    assert_int_equal(buffer_append_string(&b, "\"}"), 0);
    assert_int_equal(credentials_json_parse(CONTAINER, b.data, b.size, &c, NULL), 0);
    assert_int_equal(strlen(c.session_token), TOKEN);
    for (size_t i = 0; i < TOKEN; i++)
        assert_int_equal(c.session_token[i], 'a' + i % 26);
}

static void a_failure_is_repeated_escaped_and_shortened(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"{\"code\":\"InvalidId\",\"message\":\"bad\\u001b[1m\"}", "InvalidId: bad\\x1b[1m"},
        {"{\"Code\":\"Only\"}", "Only"},
        {"{\"Message\":\"Only\",\"SecretAccessKey\":\"SEKRET\"}", "Only"},
        {"{}", ""},
        {"", ""},
        {"[1]", ""},
        {"<html>SEKRET</html>", ""},
    };
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4096);
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(4096);

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        buffer_reset(&b);
        assert_int_equal(credentials_json_append_failure(&b, rows[i].text, strlen(rows[i].text)),
                         0);
        assert_string_equal(buffer_string(&b), rows[i].says);
    }

    buffer_append_string(&text, "{\"message\":\"");
    for (size_t i = 0; i < 1000; i++)
        buffer_append_char(&text, 'm');
    buffer_append_string(&text, "\"}");
    buffer_reset(&b);
    assert_int_equal(credentials_json_append_failure(&b, text.data, text.size), 0);
    assert_true(b.size < 300);
    assert_non_null(strstr(b.data, "... (1000 bytes)"));
}

/* Whether the heap holds the bytes, in memory that was freed, too. */
static bool is_in_heap(const char *bytes, size_t size)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    bool is_found = false;
    char line[512];

    assert_non_null(maps);
    while (!is_found && fgets(line, sizeof(line), maps)) {
        unsigned long from, to;

        if (strstr(line, "[heap]") && sscanf(line, "%lx-%lx", &from, &to) == 2)
            is_found = memmem((const void *)from, to - from, bytes, size) != NULL;
    }
    fclose(maps);
    return is_found;
}

static void nothing_of_a_secret_is_left_in_memory(void **state)
{
    static const char *const ends[] = {"}", "", ",}", ",\"x\":\"\\ud83d\",\"SessionToken\":[]}"};
    char secret[33], text[300]; /* on the stack, and not in the program's constants */
    CLEANUP(free) char *marker = malloc(sizeof(secret));

    for (size_t i = 0; i < sizeof(secret) - 1; i++)
        secret[i] = (char)('A' + (i * 7 + 3) % 26);
    secret[sizeof(secret) - 1] = '\0';
    assert_non_null(marker);
    memcpy(marker, secret, sizeof(secret));
    /* malloc may have its memory elsewhere, as with a sanitizer; and what cmocka skips is not
     * ok. */
    if (!is_in_heap(secret, strlen(secret)))
        return;
    secure_wipe(marker, sizeof(secret));
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        CLEANUP(buffer_done) struct buffer said = BUFFER_INIT(4096);
        CLEANUP(free) char *error = NULL;
        struct credentials_json c = {};

        /* Written with an escape at its beginning, so that it moves as it is read. */
        snprintf(text, sizeof(text),
                 "{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"\\u0041%s\"%s", secret,
                 ends[i]);
        if (credentials_json_parse(PROCESS, text, strlen(text), &c, &error) == 0) {
            assert_true(is_in_heap(secret, strlen(secret)));
            credentials_json_done(&c);
        }
        credentials_json_append_failure(&said, text, strlen(text));
        assert_false(is_in_heap(secret + 4, 12));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_replies_are_read),
        cmocka_unit_test(bad_replies_are_refused_and_never_shown),
        cmocka_unit_test(a_nul_does_not_end_a_reply),
        cmocka_unit_test(size_is_bounded),
        cmocka_unit_test(a_long_token_is_kept_whole),
        cmocka_unit_test(a_failure_is_repeated_escaped_and_shortened),
        cmocka_unit_test(nothing_of_a_secret_is_left_in_memory),
    };

    return cmocka_run_group_tests_name("credentials-json", tests, NULL, NULL);
}
