/* SPDX-License-Identifier: MIT */
/* The reference is the table in consumerd/handler/sqsd-headers.h, header by header. */
#include "consumerd/handler/sqsd-headers.h"
#include "test.h"

#include <stdio.h>

static const struct sqsd_fixed fixed = {
    .content_type = "application/json", .queue_name = "jobs.fifo", .path = "/in"};

static struct sqs_attribute attribute(const char *name, const char *type, const char *value)
{
    return (struct sqs_attribute){.name = name,
                                  .data_type = type,
                                  .value = value,
                                  .value_bytes = strlen(value),
                                  .is_binary = strncmp(type, "Binary", 6) == 0};
}

/* A message with these attributes, else as SQS gives them all. */
static struct sqs_received_message message(struct sqs_attribute *attributes, size_t n)
{
    return (struct sqs_received_message){
        .message_id = "5fea7756-0ea4-451a-a703-a558b933e274",
        .receipt_handle = "never told",
        .body = "{}",
        .body_bytes = 2,
        .group_id = "group",
        .sender_id = "AROAEXAMPLEEXAMPLE123:i-0123456789abcdef0",
        .first_received_msec = UINT64_C(1531055306987),
        .sent_msec = UINT64_C(1531055305001),
        .receive_count = 6,
        .attributes = attributes,
        .n_attributes = n,
    };
}

static struct sqsd_headers make(const struct sqs_received_message *m)
{
    struct sqsd_headers headers = {};

    assert_int_equal(sqsd_headers_make(&fixed, m, &headers), 0);
    return headers;
}

/* What the header says; NULL where there is none, or more than one. */
static const char *value_of(const struct sqsd_headers *headers, const char *name)
{
    const char *found = NULL;
    size_t size = strlen(name);

    for (size_t i = 0; headers->lines[i]; i++) {
        if (strncasecmp(headers->lines[i], name, size) != 0 || headers->lines[i][size] != ':')
            continue;
        if (found)
            return NULL;
        found = headers->lines[i] + size + 2;
    }
    return found;
}

static size_t count(const struct sqsd_headers *headers)
{
    size_t n = 0;

    while (headers->lines[n])
        n++;
    return n;
}

static void each_header_of_the_reference_is_there_in_its_form(void **state)
{
    static const char *const reference[][2] = {
        {"Content-Type", "application/json"},
        {"X-Aws-Sqsd-Msgid", "5fea7756-0ea4-451a-a703-a558b933e274"},
        {"X-Aws-Sqsd-Queue", "jobs.fifo"},
        {"X-Aws-Sqsd-First-Received-At", "2018-07-08T13:08:26Z"},
        {"X-Aws-Sqsd-Receive-Count", "6"},
        {"X-Aws-Sqsd-Attr-title", "A text of words"},
        {"X-Aws-Sqsd-Attr-amount", "-12.5e3"},
        {"X-Aws-Sqsd-Sender-Id", "AROAEXAMPLEEXAMPLE123:i-0123456789abcdef0"},
        {"X-Aws-Sqsd-Sent-At", "2018-07-08T13:08:25Z"},
        {"X-Aws-Sqsd-Path", "/in"},
    };
    struct sqs_attribute attributes[] = {attribute("title", "String", "A text of words"),
                                         attribute("amount", "Number", "-12.5e3")};
    struct sqs_received_message m = message(attributes, ARRAY_SIZE(attributes));
    CLEANUP(sqsd_headers_done) struct sqsd_headers headers = make(&m);

    for (size_t i = 0; i < ARRAY_SIZE(reference); i++) {
        const char *value = value_of(&headers, reference[i][0]);

        if (!value || !streq(value, reference[i][1]))
            fail_msg("%s: %s", reference[i][0], value ? value : "(none)");
    }
    assert_int_equal(count(&headers), ARRAY_SIZE(reference));
    assert_int_equal(headers.n_left_out, 0);
    assert_null(headers.left_out);
}

/* With the ends of their lines, as servers count them. */
static void their_sizes_are_told(void **state)
{
    struct sqs_attribute attributes[] = {attribute("a", "String",
                                                   "0123456789012345678901234567890"
                                                   "123456789012345678901234567890")};
    struct sqs_received_message m = message(attributes, 0);
    CLEANUP(sqsd_headers_done) struct sqsd_headers headers = make(&m);
    size_t before, bytes = 0;

    for (size_t i = 0; headers.lines[i]; i++)
        bytes += strlen(headers.lines[i]) + 2;
    assert_int_equal(headers.bytes, bytes);
    before = bytes;
    m = message(attributes, 1);
    assert_int_equal(sqsd_headers_make(&fixed, &m, &headers), 0);
    assert_int_equal(headers.largest_bytes, strlen("X-Aws-Sqsd-Attr-a: ") + 61 + 2);
    assert_int_equal(headers.bytes, before + headers.largest_bytes);
}

static void labels_do_not_matter_and_binary_ones_are_left_out(void **state)
{
    struct sqs_attribute attributes[] = {
        attribute("a", "String.text", "1"), attribute("b", "Number.int", "2"),
        attribute("c", "Binary", "x"), attribute("d", "Binary.png", "\r\n")};
    struct sqs_received_message m = message(attributes, ARRAY_SIZE(attributes));
    CLEANUP(sqsd_headers_done) struct sqsd_headers headers = make(&m);

    assert_string_equal(value_of(&headers, "X-Aws-Sqsd-Attr-a"), "1");
    assert_string_equal(value_of(&headers, "X-Aws-Sqsd-Attr-b"), "2");
    assert_null(value_of(&headers, "X-Aws-Sqsd-Attr-c"));
    assert_null(value_of(&headers, "X-Aws-Sqsd-Attr-d"));
    /* As in the reference: nobody needs to be told. */
    assert_int_equal(headers.n_left_out, 0);
}

static void value_that_sqs_did_not_tell_has_no_header(void **state)
{
    struct sqs_received_message m = {.body = "", .message_id = "id"};
    CLEANUP(sqsd_headers_done) struct sqsd_headers headers = make(&m);

    assert_int_equal(count(&headers), 4);
    assert_string_equal(value_of(&headers, "X-Aws-Sqsd-Msgid"), "id");
    assert_non_null(value_of(&headers, "Content-Type"));
    assert_non_null(value_of(&headers, "X-Aws-Sqsd-Queue"));
    assert_non_null(value_of(&headers, "X-Aws-Sqsd-Path"));
}

static void value_that_a_header_can_bear_is_sent_as_it_is(void **state)
{
    static const char *const values[] = {
        "ASCII: \"quoted\", 'so', a=b; c/d\\e ~!@#$%^&*()",
        "Gr\xc3\xbc\xc3\x9f Gott \xe2\x82\xac \xf0\x9f\x98\x80",
        "with\ta tab",
        "\xc2\x85 is a control character of Unicode, not of HTTP",
        ":",
    };

    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        struct sqs_attribute a = attribute("v", "String", values[i]);
        struct sqs_received_message m = message(&a, 1);
        CLEANUP(sqsd_headers_done) struct sqsd_headers headers = make(&m);

        assert_string_equal(value_of(&headers, "X-Aws-Sqsd-Attr-v"), values[i]);
    }
}

/* libcurl would take "Name: " for a header to leave out. */
static void value_of_spaces_is_a_header_without_one(void **state)
{
    struct sqs_attribute attributes[] = {attribute("blank", "String", "  \t "),
                                         attribute("none", "String", "")};
    struct sqs_received_message m = message(attributes, 2);
    CLEANUP(sqsd_headers_done) struct sqsd_headers headers = make(&m);

    assert_int_equal(count(&headers), 10);
    assert_string_equal(headers.lines[8], "X-Aws-Sqsd-Attr-blank;");
    assert_string_equal(headers.lines[9], "X-Aws-Sqsd-Attr-none;");
}

static void header_value_cannot_begin_another_header(void **state)
{
    char long_name[258] = "";
    struct sqs_attribute bad[] = {
        attribute("crlf", "String", "a\r\nX-Injected: 1"),
        attribute("lf", "String", "a\nX-Injected: 1"),
        attribute("cr", "String", "a\rX-Injected: 1"),
        attribute("end", "String", "a\r\n\r\nbody"),
        {.name = "nul", .data_type = "String", .value = "a\0b", .value_bytes = 3},
        attribute("escape", "String", "\x1b[31m"),
        attribute("delete", "String", "a\x7f"),
        attribute("x: y\r\nX-Injected", "String", "1"),
        attribute("with space", "String", "1"),
        attribute("colon:", "String", "1"),
        attribute("", "String", "1"),
        attribute("\xc3\xa9", "String", "1"),
        attribute(long_name, "String", "1"),
    };

    memset(long_name, 'n', sizeof(long_name) - 1);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct sqs_attribute attributes[] = {attribute("before", "String", "1"), bad[i],
                                             attribute("after", "String", "2")};
        struct sqs_received_message m = message(attributes, ARRAY_SIZE(attributes));
        CLEANUP(sqsd_headers_done) struct sqsd_headers headers = make(&m);

        if (headers.n_left_out != 1 || !streq(headers.left_out, bad[i].name))
            fail_msg("attribute %zu is not left out", i);
        assert_string_equal(value_of(&headers, "X-Aws-Sqsd-Attr-before"), "1");
        assert_string_equal(value_of(&headers, "X-Aws-Sqsd-Attr-after"), "2");
        assert_int_equal(count(&headers), 10);
        for (size_t k = 0; headers.lines[k]; k++)
            assert_null(strpbrk(headers.lines[k], "\r\n"));
    }
}

static void value_that_is_no_attribute_cannot_begin_another_header_either(void **state)
{
    struct sqs_received_message m = message(NULL, 0);
    CLEANUP(sqsd_headers_done) struct sqsd_headers headers = {};

    m.message_id = "id\r\nX-Injected: 1";
    m.sender_id = "sender\nX-Injected: 1";
    assert_int_equal(sqsd_headers_make(&fixed, &m, &headers), 0);
    assert_int_equal(count(&headers), 6);
    assert_null(value_of(&headers, "X-Aws-Sqsd-Msgid"));
    assert_null(value_of(&headers, "X-Aws-Sqsd-Sender-Id"));
}

static void every_character_of_a_name_is_allowed_and_the_longest(void **state)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyz.ABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789_";
    char longest[257] = "", header[300];
    struct sqs_attribute attributes[] = {attribute(name, "String", "1"),
                                         attribute(longest, "String", "2")};
    struct sqs_received_message m = message(attributes, 2);
    CLEANUP(sqsd_headers_done) struct sqsd_headers headers = {};

    memset(longest, 'n', sizeof(longest) - 1);
    assert_int_equal(sqsd_headers_make(&fixed, &m, &headers), 0);
    snprintf(header, sizeof(header), "X-Aws-Sqsd-Attr-%s", name);
    assert_string_equal(value_of(&headers, header), "1");
    snprintf(header, sizeof(header), "X-Aws-Sqsd-Attr-%s", longest);
    assert_string_equal(value_of(&headers, header), "2");
}

static void attributes_too_large_or_too_many_are_left_out(void **state)
{
    static char large[400 * 1024];
    struct sqs_attribute attributes[SQS_ATTRIBUTES_MAX + 2];
    struct sqs_received_message m = message(attributes, 3);
    CLEANUP(sqsd_headers_done) struct sqsd_headers headers = {};

    memset(large, 'x', sizeof(large) - 1);
    attributes[0] = attribute("first", "String", large);
    attributes[1] = attribute("second", "String", large);
    attributes[2] = attribute("third", "String", "small");
    assert_int_equal(sqsd_headers_make(&fixed, &m, &headers), 0);
    assert_int_equal(headers.n_left_out, 1);
    assert_string_equal(headers.left_out, "second");
    assert_int_equal(strlen(value_of(&headers, "X-Aws-Sqsd-Attr-first")), strlen(large));
    assert_string_equal(value_of(&headers, "X-Aws-Sqsd-Attr-third"), "small");

    /* Used again: nothing of that is left. More than SQS allows come from no SQS. */
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
        attributes[i] = attribute("same", "String", "1");
    m.n_attributes = ARRAY_SIZE(attributes);
    assert_int_equal(sqsd_headers_make(&fixed, &m, &headers), 0);
    assert_int_equal(count(&headers), SQSD_HEADERS_MAX);
    assert_int_equal(headers.n_left_out, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_header_of_the_reference_is_there_in_its_form),
        cmocka_unit_test(their_sizes_are_told),
        cmocka_unit_test(labels_do_not_matter_and_binary_ones_are_left_out),
        cmocka_unit_test(value_that_sqs_did_not_tell_has_no_header),
        cmocka_unit_test(value_that_a_header_can_bear_is_sent_as_it_is),
        cmocka_unit_test(value_of_spaces_is_a_header_without_one),
        cmocka_unit_test(header_value_cannot_begin_another_header),
        cmocka_unit_test(value_that_is_no_attribute_cannot_begin_another_header_either),
        cmocka_unit_test(every_character_of_a_name_is_allowed_and_the_longest),
        cmocka_unit_test(attributes_too_large_or_too_many_are_left_out),
    };

    return cmocka_run_group_tests_name("sqsd-headers", tests, NULL, NULL);
}
