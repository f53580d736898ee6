/* SPDX-License-Identifier: MIT */
#include "error-fixture.h"
#include "errors.h" /* tests/sqs-local */

#include <stdio.h>

struct documented {
    char name[64];
    const char *query_code;
    int http_status;
    enum aws_error_class class;
};

/* Errors that the server of the tests does not send (Amazon SQS API Reference). */
static const struct documented not_sent[] = {
    {"InvalidSecurity", "InvalidSecurity", 403, AWS_ERROR_PERMANENT},
    {"MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", 400, AWS_ERROR_PERMANENT},
    {"InvalidIdFormat", "InvalidIdFormat", 400, AWS_ERROR_PERMANENT},
    {"ResourceNotFoundException", "ResourceNotFoundException", 404, AWS_ERROR_PERMANENT},
    {"RequestAbortedException", "RequestAbortedException", 400, AWS_ERROR_TRANSIENT},
};

/* Errors that no version of SQS's documents names, and a page of a load balancer. */
static bool is_undocumented(size_t kind)
{
    return kind == ERROR_SERIALIZATION || kind == ERROR_REQUEST_TOO_LARGE ||
           kind == ERROR_UNAVAILABLE;
}

/* AWS's front end checks the keys before SQS sees the request. */
static enum aws_error_class class_of_sent(const struct error_type *sent)
{
    bool is_of_front_end = strstr(sent->type, "coral.service#") != NULL;

    if (strstr(sent->code, "Throttl") || streq(sent->code, "OverLimit"))
        return AWS_ERROR_THROTTLED;
    if (is_of_front_end && sent->status == 403 && !streq(sent->code, "AccessDenied"))
        return AWS_ERROR_CREDENTIALS;
    return sent->status >= 500 ? AWS_ERROR_TRANSIENT : AWS_ERROR_PERMANENT;
}

/* The next error that the server of the tests sends, in the form in which SQS sends it, and then
 * those that it does not send. *i begins with 0. False: there is none. */
static bool next_documented(size_t *i, struct documented *ret)
{
    size_t kind;

    do
        kind = (*i)++;
    while (kind < ERROR_N_KINDS && is_undocumented(kind));
    if (kind < ERROR_N_KINDS) {
        const struct error_type *sent = error_type((enum error_kind)kind);

        *ret = (struct documented){.query_code = sent->code,
                                   .http_status = (int)sent->status,
                                   .class = class_of_sent(sent)};
        snprintf(ret->name, sizeof(ret->name), "%s", strchr(sent->type, '#') + 1);
        return true;
    }
    kind -= ERROR_N_KINDS;
    if (kind < ARRAY_SIZE(not_sent))
        *ret = not_sent[kind];
    return kind < ARRAY_SIZE(not_sent);
}

/* Codes of other AWS services, and of AWS's SDKs. The class does not depend on the status. */
static const struct {
    const char *code;
    enum aws_error_class class;
} single[] = {
    {"ThrottledException", AWS_ERROR_THROTTLED},
    {"RequestThrottledException", AWS_ERROR_THROTTLED},
    {"TooManyRequestsException", AWS_ERROR_THROTTLED},
    {"ProvisionedThroughputExceededException", AWS_ERROR_THROTTLED},
    {"TransactionInProgressException", AWS_ERROR_THROTTLED},
    {"RequestLimitExceeded", AWS_ERROR_THROTTLED},
    {"BandwidthLimitExceeded", AWS_ERROR_THROTTLED},
    {"LimitExceededException", AWS_ERROR_THROTTLED},
    {"SlowDown", AWS_ERROR_THROTTLED},
    {"PriorRequestNotComplete", AWS_ERROR_THROTTLED},
    {"EC2ThrottledException", AWS_ERROR_THROTTLED},
    {"RequestTimeout", AWS_ERROR_TRANSIENT},
    {"RequestTimeoutException", AWS_ERROR_TRANSIENT},
    {"ServiceUnavailable", AWS_ERROR_TRANSIENT},
    {"IDPCommunicationError", AWS_ERROR_TRANSIENT},
    {"RequestExpired", AWS_ERROR_CLOCK},
    {"RequestInTheFuture", AWS_ERROR_CLOCK},
    {"RequestTimeTooSkewed", AWS_ERROR_CLOCK},
    {"AuthFailure", AWS_ERROR_CREDENTIALS},
};

static void assert_error(const struct sqs_error *error, const char *name, const char *code,
                         enum aws_error_class class, int http_status)
{
    assert_string_equal(error->name, name);
    assert_string_equal(error->code, code);
    assert_int_equal(error->class, class);
    assert_int_equal(error->http_status, http_status);
    assert_int_equal(error->retry_after_usec, USEC_INFINITY);
}

/* In each way that a name may be written, in each of the places where it may stand, under both
 * names. */
static void error_documented_is_known_in_every_form(void **state)
{
    static const char *const forms[][2] = {
        {"", ""},
        {"com.amazonaws.sqs#", ""},
        {"com.amazon.coral.service#", ""},
        {"", ":http://internal/coral#x/"},
        {"aws.x#", ":http://internal.amazon.com/coral/"},
    };

    struct documented d;
    size_t i = 0;

    while (next_documented(&i, &d)) {
        for (size_t k = 0; k < 2 * ARRAY_SIZE(forms); k++) {
            const char *name = d.name, *came = k % 2 ? d.query_code : name;
            int status = d.http_status;
            char written[200], body[300], query_error[200];
            struct sqs_error error;

            snprintf(written, sizeof(written), "%s%s%s", forms[k / 2][0], came, forms[k / 2][1]);
            snprintf(query_error, sizeof(query_error), "%s;Sender", d.query_code);

            snprintf(body, sizeof(body), "{\"__type\":\"%s\",\"message\":\"Why.\"}", written);
            error = parse(status, NULL, NULL, body);
            assert_error(&error, name, name, d.class, status);
            assert_string_equal(error.message, "Why.");
            error = parse(status, query_error, NULL, body);
            assert_error(&error, name, d.query_code, d.class, status);

            error = parse(status, NULL, written, "");
            assert_error(&error, name, name, d.class, status);

            snprintf(body, sizeof(body), "{\"Message\":\"Why.\",\"code\":\"%s\"}", written);
            error = parse(status, NULL, NULL, body);
            assert_error(&error, name, name, d.class, status);
            assert_string_equal(error.message, "Why.");
        }
    }
}

static void older_code_alone_is_enough(void **state)
{
    struct documented d;
    size_t i = 0;

    while (next_documented(&i, &d)) {
        static const char *const faults[] = {"Sender", "Receiver", ""};

        for (size_t k = 0; k < ARRAY_SIZE(faults); k++) {
            char query_error[200];
            struct sqs_error error;

            snprintf(query_error, sizeof(query_error), "%s;%s", d.query_code, faults[k]);
            error = parse(d.http_status, query_error, NULL, NULL);
            assert_error(&error, d.name, d.query_code, d.class, d.http_status);
        }
    }
}

static void older_code_of_another_form_is_ignored(void **state)
{
    static const char *const bad[] = {"",
                                      ";",
                                      ";Sender",
                                      "OverLimit",
                                      "OverLimit;Sender;x",
                                      " ;Sender",
                                      "Over Limit;Sender",
                                      "Over\nLimit;Sender"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct sqs_error error = parse(400, bad[i], NULL, NULL);

        assert_error(&error, "", "", AWS_ERROR_PERMANENT, 400);
    }
}

static void older_code_known_makes_up_for_an_unknown_name(void **state)
{
    struct sqs_error error =
        parse(400, "AWS.SimpleQueueService.NonExistentQueue;Sender", NULL, "{\"__type\":\"New\"}");

    assert_error(&error, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue",
                 AWS_ERROR_PERMANENT, 400);
}

static void lookups_by_code_agree_with_the_documents(void **state)
{
    struct documented d;
    size_t i = 0;

    while (next_documented(&i, &d)) {
        const char *const codes[] = {d.name, d.query_code};

        for (size_t k = 0; k < ARRAY_SIZE(codes); k++) {
            const struct aws_known_error *known = aws_error_find(codes[k]);

            assert_non_null(known);
            assert_string_equal(known->name, d.name);
            assert_string_equal(known->query_code, d.query_code);
            /* The documents have two statuses for this one: 400 and 404. */
            if (!streq(d.name, "UnknownOperationException"))
                assert_int_equal(known->http_status, d.http_status);
            assert_string_equal(aws_error_canonical_name(codes[k]), d.name);
            assert_int_equal(aws_error_class_of_code(codes[k], true), d.class);
            assert_int_equal(aws_error_class_of_code(codes[k], false), d.class);
        }
    }
    assert_null(aws_error_find("Nonesuch"));
    assert_null(aws_error_find(""));
    assert_string_equal(aws_error_canonical_name("Nonesuch"), "Nonesuch");
    assert_int_equal(aws_error_class_of_code("Nonesuch", true), AWS_ERROR_PERMANENT);
    assert_int_equal(aws_error_class_of_code("Nonesuch", false), AWS_ERROR_TRANSIENT);
}

static void code_goes_before_the_status(void **state)
{
    static const int statuses[] = {0, 200, 400, 403, 404, 429, 500, 503};

    for (size_t i = 0; i < ARRAY_SIZE(single); i++) {
        char body[200];

        snprintf(body, sizeof(body), "{\"__type\":\"%s\"}", single[i].code);
        for (size_t k = 0; k < ARRAY_SIZE(statuses); k++) {
            struct sqs_error error = parse(statuses[k], NULL, NULL, body);

            assert_int_equal(error.class, single[i].class);
            assert_int_equal(error.http_status, statuses[k]);
        }
        assert_int_equal(aws_error_class_of_code(single[i].code, true), single[i].class);
    }
}

static void status_without_a_code_decides(void **state)
{
    static const struct {
        int status;
        enum aws_error_class class;
    } rows[] = {
        {0, AWS_ERROR_TRANSIENT},   {200, AWS_ERROR_TRANSIENT}, {301, AWS_ERROR_PERMANENT},
        {307, AWS_ERROR_PERMANENT}, {400, AWS_ERROR_PERMANENT}, {401, AWS_ERROR_PERMANENT},
        {403, AWS_ERROR_PERMANENT}, {404, AWS_ERROR_PERMANENT}, {408, AWS_ERROR_TRANSIENT},
        {413, AWS_ERROR_PERMANENT}, {429, AWS_ERROR_THROTTLED}, {500, AWS_ERROR_TRANSIENT},
        {502, AWS_ERROR_TRANSIENT}, {503, AWS_ERROR_TRANSIENT}, {504, AWS_ERROR_TRANSIENT},
        {509, AWS_ERROR_THROTTLED}, {599, AWS_ERROR_TRANSIENT},
    };
    static const char *const bodies[] = {
        NULL,
        "",
        " ",
        "{}",
        "[]",
        "null",
        "\"QueueDoesNotExist\"",
        "17",
        "{",
        "{\"__type\"",
        "{\"__type\":\"\"}",
        "{\"__type\":null,\"message\":null}",
        "{\"__type\":{\"__type\":\"OverLimit\"},\"code\":[\"OverLimit\"],\"message\":7}",
        "{\"__type\":true,\"code\":1e999}",
        "{\"__type\":\"#\"}",
        "{\"__type\":\"a#:b\"}",
        "{\"__type\":\"Over\\u0000Limit\"}",
        "{\"__type\":\"Over Limit\"}",
        "{\"__type\":\"\\ud800\"}",
        "{\"__type\":\"OverLimit\",\"message\":\"\xff\"}",
        "{\"__type\":\"OverLimit\",}",
        "<html><head><title>503 Service Temporarily "
        "Unavailable</title></head>\n<body>\n<center><h1>"
        "503 Service Temporarily Unavailable</h1></center>\n</body>\n</html>\n",
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n</html>\r\n",
        "upstream connect error or disconnect/reset before headers",
        "Http/1.1 Service Unavailable",
        "\xff\xfe\x00",
        "\x1f\x8b\x08",
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (size_t k = 0; k < ARRAY_SIZE(bodies); k++) {
            struct sqs_error error = parse(rows[i].status, NULL, NULL, bodies[k]);

            assert_error(&error, "", "", rows[i].class, rows[i].status);
            assert_string_equal(error.message, "");
        }
}

static void code_unknown_is_kept_and_its_blame_counts(void **state)
{
    struct sqs_error error;

    error = parse(400, NULL, NULL, "{\"__type\":\"x#BrandNew\"}");
    assert_error(&error, "BrandNew", "BrandNew", AWS_ERROR_PERMANENT, 400);
    error = parse(400, "Brand.New;Sender", NULL, "{\"__type\":\"x#BrandNew\"}");
    assert_error(&error, "BrandNew", "Brand.New", AWS_ERROR_PERMANENT, 400);
    error = parse(400, "Brand.New;Receiver", NULL, NULL);
    assert_error(&error, "Brand.New", "Brand.New", AWS_ERROR_TRANSIENT, 400);
    error = parse(429, "Brand.New;Receiver", NULL, NULL);
    assert_error(&error, "Brand.New", "Brand.New", AWS_ERROR_THROTTLED, 429);
    error = parse(500, NULL, "BrandNew", NULL);
    assert_error(&error, "BrandNew", "BrandNew", AWS_ERROR_TRANSIENT, 500);
}

static void signature_refused_for_its_time_is_the_clocks_fault(void **state)
{
    static const char *const codes[] = {"InvalidSignatureException", "SignatureDoesNotMatch"};
    static const char *const texts[] = {
        "Signature expired: 20150830T123600Z is now earlier than 20150830T125000Z "
        "(20150830T130500Z - 15 min.)",
        "Signature not yet current: 20150830T140000Z is still later than 20150830T132000Z "
        "(20150830T130500Z + 15 min.)",
    };
    struct sqs_error error;
    char body[500];

    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(texts); k++) {
            snprintf(body, sizeof(body),
                     "{\"__type\":\"com.amazon.coral.service#%s\","
                     "\"message\":\"%s\"}",
                     codes[i], texts[k]);
            error = parse(403, NULL, NULL, body);
            assert_error(&error, "InvalidSignatureException", "InvalidSignatureException",
                         AWS_ERROR_CLOCK, 403);
        }
        snprintf(body, sizeof(body),
                 "{\"__type\":\"%s\",\"message\":\"The request signature we "
                 "calculated does not match (20150830T130500Z - 15 min.)\"}",
                 codes[i]);
        error = parse(403, NULL, NULL, body);
        assert_int_equal(error.class, AWS_ERROR_CREDENTIALS);
        snprintf(body, sizeof(body), "{\"__type\":\"%s\",\"message\":\"Signature expired\"}",
                 codes[i]);
        error = parse(403, NULL, NULL, body);
        assert_int_equal(error.class, AWS_ERROR_CLOCK);
    }
    /* The text alone, under another name, means nothing. */
    error =
        parse(403, NULL, NULL, "{\"__type\":\"AccessDenied\",\"message\":\"Signature expired\"}");
    assert_int_equal(error.class, AWS_ERROR_PERMANENT);
}

static void retry_after_is_whole_milliseconds_or_nothing(void **state)
{
    static const struct {
        const char *text;
        uint64_t usec;
    } rows[] = {
        {NULL, USEC_INFINITY},
        {"", USEC_INFINITY},
        {"0", 0},
        {"1500", 1500000},
        {"-1", USEC_INFINITY},
        {"+1", USEC_INFINITY},
        {" 1", USEC_INFINITY},
        {"1.5", USEC_INFINITY},
        {"1s", USEC_INFINITY},
        {"Sun, 30 Aug 2015 12:36:00 GMT", USEC_INFINITY},
        {"18446744073709000", UINT64_C(18446744073709000000)},
        {"18446744073709552", USEC_INFINITY},
        {"99999999999999999999999999", USEC_INFINITY},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct sqs_error error;

        sqs_error_parse(503, NULL, NULL, rows[i].text, NULL, 0, &error);
        assert_int_equal(error.retry_after_usec, rows[i].usec);
    }
}

static void message_is_one_line_cut_between_characters(void **state)
{
    char body[1500];
    struct sqs_error error;

    error =
        parse(400, NULL, NULL,
              "{\"__type\":\"OverLimit\",\"message\":\"a\\tb\\u0000c\\u0085d\\u00e4\\ud83d!\"}");
    assert_string_equal(error.message, "a b c d\xc3\xa4\xef\xbf\xbd!");
    assert_int_equal(error.class, AWS_ERROR_THROTTLED);

    /* 510 bytes and a character of three. */
    snprintf(body, sizeof(body), "{\"message\":\"%0510d\xe2\x82\xac and more\"}", 0);
    error = parse(400, NULL, NULL, body);
    assert_int_equal(strlen(error.message), 510);
    snprintf(body, sizeof(body), "{\"message\":\"%0508d\xe2\x82\xac and more\"}", 0);
    error = parse(400, NULL, NULL, body);
    assert_int_equal(strlen(error.message), 511);
}

/* As AWS words it; what follows the first line holds the request's headers. */
static void message_of_several_lines_keeps_the_first(void **state)
{
    struct sqs_error error =
        parse(403, NULL, NULL,
              "{\"__type\":\"com.amazon.coral.service#InvalidSignatureException\",\"message\":"
              "\"The signature does not match.\\n\\nThe Canonical String for this request should "
              "have been\\n'POST\\n/\\n\\nx-amz-security-token:SECRET\"}");

    assert_string_equal(error.message, "The signature does not match.");
}

static void name_too_long_is_no_name(void **state)
{
    char body[300], longest[96];
    struct sqs_error error;

    memset(longest, 'N', 95);
    longest[95] = '\0';
    snprintf(body, sizeof(body), "{\"__type\":\"a#%s\"}", longest);
    error = parse(400, NULL, NULL, body);
    assert_string_equal(error.name, longest);
    snprintf(body, sizeof(body), "{\"__type\":\"a#%sN\"}", longest);
    error = parse(400, NULL, NULL, body);
    assert_string_equal(error.name, "");
}

static void bodies_too_long_or_too_deep_count_by_their_status(void **state)
{
    enum { BYTES = 300 * 1024 };
    CLEANUP(free) char *body = malloc(BYTES + 1);
    struct sqs_error error;

    assert_non_null(body);
    memset(body, ' ', BYTES);
    body[BYTES] = '\0';
    memcpy(body, "{\"__type\":\"OverLimit\"}", 22);
    error = parse(503, NULL, NULL, body);
    assert_error(&error, "", "", AWS_ERROR_TRANSIENT, 503);
    memset(body, '[', BYTES);
    body[100000] = '\0';
    error = parse(503, NULL, NULL, body);
    assert_error(&error, "", "", AWS_ERROR_TRANSIENT, 503);
    memcpy(body, "{\"a\":", 5);
    error = parse(503, NULL, NULL, body);
    assert_error(&error, "", "", AWS_ERROR_TRANSIENT, 503);
}

/* A reply cut off at any byte is understood no worse than by its status, and nothing past it is
 * read: each part is a copy of its own that the address sanitizer watches. */
static void body_cut_off_is_never_read_past_its_end(void **state)
{
    static const char whole[] =
        "{\"__type\":\"com.amazonaws.sqs#OverLimit\",\"message\":\"Too many \\u00e4\"}";

    for (size_t size = 0; size < sizeof(whole) - 1; size++) {
        CLEANUP(free) char *part = malloc(MAX(size, (size_t)1));
        struct sqs_error error;

        assert_non_null(part);
        memcpy(part, whole, size);
        sqs_error_parse(503, NULL, NULL, NULL, part, size, &error);
        assert_error(&error, "", "", AWS_ERROR_TRANSIENT, 503);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_documented_is_known_in_every_form),
        cmocka_unit_test(older_code_alone_is_enough),
        cmocka_unit_test(older_code_of_another_form_is_ignored),
        cmocka_unit_test(older_code_known_makes_up_for_an_unknown_name),
        cmocka_unit_test(lookups_by_code_agree_with_the_documents),
        cmocka_unit_test(code_goes_before_the_status),
        cmocka_unit_test(status_without_a_code_decides),
        cmocka_unit_test(code_unknown_is_kept_and_its_blame_counts),
        cmocka_unit_test(signature_refused_for_its_time_is_the_clocks_fault),
        cmocka_unit_test(retry_after_is_whole_milliseconds_or_nothing),
        cmocka_unit_test(message_is_one_line_cut_between_characters),
        cmocka_unit_test(message_of_several_lines_keeps_the_first),
        cmocka_unit_test(name_too_long_is_no_name),
        cmocka_unit_test(bodies_too_long_or_too_deep_count_by_their_status),
        cmocka_unit_test(body_cut_off_is_never_read_past_its_end),
    };

    return cmocka_run_group_tests_name("sqs-error", tests, NULL, NULL);
}
